package vmtest

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"sourire/internal/vmtest/agent"
)

// One machine, and what happens to it in a shop, one thing after the other. n is
// what the hub's page must say after each.
func TestKiosk(t *testing.T) {
	h := openHub(t)
	h.start()
	m := boot(t, newDisk(t), "")
	n := 0

	t.Run("held at the start", func(t *testing.T) {
		m.Down(0)
		m.kiosk(h.address())
		m.listening()
		m.silent(500*time.Millisecond, "a button that was down at the start")
		m.Up(0)
		m.silent(200*time.Millisecond, "its release")
		m.press(0)
		n++
		h.await(n)
	})
	t.Run("a hundred presses", func(t *testing.T) {
		for i := range 100 {
			m.press(i % 3)
		}
		n += 100
		h.await(n)
	})
	t.Run("bounces", func(t *testing.T) {
		for range 8 { // QEMU takes some 0.1 ms for each
			m.Down(1)
			m.Up(1)
		}
		m.press(1)
		m.silent(200*time.Millisecond, "a bounce")
		n++
		h.await(n)
	})
	t.Run("two at once", func(t *testing.T) {
		m.Down(0)
		m.press(2)
		m.Up(0)
		m.silent(100*time.Millisecond, "letting go") // a finger is not back within the debounce
		n += 2
		h.await(n)
	})
	t.Run("stuck, and the others go on", func(t *testing.T) {
		m.press(0)
		m.forget()
		m.Down(1)
		if _, ok := m.Lit(buzzer, true, answers); !ok {
			t.Fatal("nobody was thanked")
		}
		<-time.After(11 * time.Second)
		m.press(2)
		m.Up(1)
		n += 3
		h.await(n)
	})
	t.Run("the hub is away", func(t *testing.T) {
		h.stop()
		for i := range 5 {
			m.press(i % 3)
		}
		n += 5
		h.start()
		h.await(n)
	})
	t.Run("the chip vanishes and returns", func(t *testing.T) {
		const driver, device = "/sys/bus/amba/drivers/pl061_gpio/", "9030000.pl061"
		m.Ask(agent.Request{Do: agent.Write, Path: driver + "unbind", Text: device})
		m.Ask(agent.Request{Do: agent.Write, Path: driver + "bind", Text: device})
		m.listening()
		m.press(1)
		n++
		h.await(n)
	})
	t.Run("another program holds a line", func(t *testing.T) {
		m.end(syscall.SIGTERM)
		m.Ask(agent.Request{Do: agent.Start, Name: "other", Args: []string{
			program, "run", "--data", "/data/other", "--kiosk.id", "other", "--kiosk.scale", "binary", "--buttons.lines", "BUTTON-BAD,LAMP-1",
			"--hub.address", "mqtt://127.0.0.1:1",
		}})
		m.until("the other program holds its line", func() bool {
			out, _ := m.Run(program, "pins")
			return strings.Contains(out, `used by`)
		})
		m.kiosk(h.address())
		m.until("the other buttons are heard", func() bool {
			out, _ := m.Run(program, "pins")
			return strings.Count(out, `used by "sourire-kiosk"`) >= 4
		})
		m.press(1)
		n++
		h.await(n)
		heard := func() int { return strings.Count(m.console.String(), "a button is heard again") }
		before := heard()
		m.Ask(agent.Request{Do: agent.Signal, Name: "other", Number: int64(syscall.SIGKILL)})
		m.until("the kiosk takes the line", func() bool { return heard() > before })
		m.press(0)
		n++
		h.await(n)
	})
	m.end(syscall.SIGTERM)
	h.verify()
}

// A board without a clock starts in 1970 and without a hub; what was pressed then
// is counted today.
func TestKiosk_withoutClock(t *testing.T) {
	h := openHub(t)
	m := boot(t, newDisk(t), "1970-01-02T00:00:00")
	m.kiosk(h.address())
	m.listening()
	for i := range 3 {
		m.press(i)
	}
	h.start()
	h.await(3)
	m.end(syscall.SIGTERM)
	h.verify()
}
