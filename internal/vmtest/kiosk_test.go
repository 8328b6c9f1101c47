package vmtest

import (
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sourire/internal/vmtest/agent"
)

// Where things are in the machine.
const (
	program = "/bin/sourire-kiosk"
	data    = "/data/kiosk"
)

// buzzer is the output that tells thanks from each other: lamps stay lit.
const buzzer = 3

// newDisk makes a disk with ext4, as a Pi's data partition.
func newDisk(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk")
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", name, "64M").CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v\n%s", err, out)
	}
	return name
}

// boot starts a machine with the kiosk's program and a disk on /data.
func boot(t *testing.T, disk, clock string) *Machine {
	t.Helper()
	m := Start(t, Options{Files: map[string]string{program: build(t, "./kiosk")}, Disk: disk, Clock: clock})
	m.Ask(agent.Request{Do: agent.Mount, Name: "/dev/vda", Path: "/data"})
	return m
}

// kiosk starts the kiosk that has the three buttons, the lamps and the buzzer.
func (m *Machine) kiosk(hub string) {
	m.t.Helper()
	m.Ask(agent.Request{Do: agent.Start, Name: "kiosk", Args: []string{
		program, "run", "--data", data, "--kiosk.id", "vm-1", "--kiosk.site", "store-1", "--hub.address", hub, "--hub.key", "key",
		"--buttons.lines", "BUTTON-BAD,BUTTON-SO-SO,BUTTON-GOOD", "--lamps.lines", "LAMP-1,LAMP-2,LAMP-3", "--lamps.buzzer", "BUZZER",
	}})
}

// listening waits until the kiosk holds all its lines.
func (m *Machine) listening() {
	m.t.Helper()
	for deadline := time.Now().Add(answers); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		if out, _ := m.Run(program, "pins"); strings.Count(out, `used by "sourire-kiosk"`) >= 3 {
			return
		}
	}
	m.t.Fatalf("the kiosk does not take its lines\n%s", m.console)
}

// end stops the kiosk.
func (m *Machine) end(signal syscall.Signal) {
	m.t.Helper()
	m.Ask(agent.Request{Do: agent.Signal, Name: "kiosk", Number: int64(signal)})
}

// press presses a button until the kiosk says thanks, and lets go.
func (m *Machine) press(button int) {
	m.t.Helper()
	m.forget()
	m.Down(button)
	if _, ok := m.Lit(buzzer, true, answers); !ok {
		m.t.Fatalf("nobody was thanked for a press of button %d\n%s", button, m.console)
	}
	m.Up(button)
	if _, ok := m.Lit(buzzer, false, answers); !ok {
		m.t.Fatalf("the thanks do not end\n%s", m.console)
	}
}

// silent fails the test if somebody is thanked.
func (m *Machine) silent(within time.Duration, what string) {
	m.t.Helper()
	m.forget()
	if _, ok := m.Lit(buzzer, true, within); ok {
		m.t.Errorf("%s was thanked", what)
	}
}

// until waits for something that is looked for.
func (m *Machine) until(what string, is func() bool) {
	m.t.Helper()
	for deadline := time.Now().Add(answers); time.Now().Before(deadline); <-time.After(50 * time.Millisecond) {
		if is() {
			return
		}
	}
	m.t.Fatalf("it does not happen that %s\n%s", what, m.console)
}
