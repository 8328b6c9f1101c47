package vmtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sourire/internal/vmtest/agent"
)

// HostAddress is the host's loopback as the machine sees it.
const HostAddress = "10.0.2.2"

// The lines of the PL061, by the names that the machine gives them: three buttons,
// and from line 4 on three lamps and a buzzer. Line 3 is the power key of QEMU's own device tree.
var lineNames = []string{"BUTTON-BAD", "BUTTON-SO-SO", "BUTTON-GOOD", "", "LAMP-1", "LAMP-2", "LAMP-3", "BUZZER"}

const (
	firstLamp = 4
	boots     = time.Minute // within which a machine must have booted, on two busy cores
	answers   = 30 * time.Second
)

// Options make a machine.
type Options struct {
	Files map[string]string // of the host, by their names in the machine
	Disk  string            // what QEMU calls a drive's file: a path or nbd:…; "" for none
	Clock string            // RTC: "1970-01-02T00:00:00"; "" for the host's
	Life  time.Duration     // after which it is killed; 0 means five minutes
}

// Machine is a running machine. One goroutine uses it.
type Machine struct {
	t       *testing.T
	stop    context.CancelFunc
	process *exec.Cmd
	ended   chan struct{}
	console *console
	qtest   net.Conn
	lines   chan string   // what qtest answers
	lamps   chan lampEdge // what it tells by itself
	gpio    string
	conn    net.Conn
	out     *json.Encoder
	in      *json.Decoder
}

// lampEdge says that a lamp was switched.
type lampEdge struct {
	lamp int
	on   bool
	at   time.Time
}

// Start boots a machine and ends it with the test.
func Start(t *testing.T, o Options) *Machine {
	t.Helper()
	kernel := need(t)
	if o.Life == 0 {
		o.Life = 5 * time.Minute
	}
	dir := t.TempDir()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	initrd := filepath.Join(dir, "initrd")
	if err := writeInitrd(t, initrd, kernel, o.Files); err != nil {
		t.Fatal(err)
	}
	dtb := filepath.Join(dir, "dtb")
	common := []string{
		"-M", "virt", "-cpu", "cortex-a53", "-accel", "tcg", "-m", "256", "-smp", "1", "-nodefaults",
		"-netdev", "user,id=n", "-device", "virtio-net-device,netdev=n",
	}
	if o.Disk != "" {
		common = append(common, "-drive", "if=none,id=d,format=raw,cache=writeback,file="+o.Disk, "-device", "virtio-blk-device,drive=d")
	}
	deviceTree(t, dtb, common)
	ctx, stop := context.WithTimeout(context.Background(), o.Life)
	m := &Machine{t: t, stop: stop, ended: make(chan struct{}), console: &console{}}
	args := append([]string(nil), common...)
	args = append(args,
		"-display", "none", "-serial", "stdio", "-no-reboot", "-dtb", dtb,
		"-kernel", filepath.Join(kernel, "vmlinuz"), "-initrd", initrd,
		"-append", fmt.Sprintf("console=ttyAMA0 quiet panic=-1 %s=%s:%d", agent.Param, HostAddress, port),
		"-qtest", "unix:"+filepath.Join(dir, "qtest")+",server=on,wait=off", "-qtest-log", "none",
		"-qmp", "unix:"+filepath.Join(dir, "qmp")+",server=on,wait=off")
	if o.Clock != "" {
		args = append(args, "-rtc", "base="+o.Clock)
	}
	m.process = exec.CommandContext(ctx, "qemu-system-aarch64", args...)
	m.process.Stdout, m.process.Stderr = m.console, m.console
	if err := m.process.Start(); err != nil {
		stop()
		t.Fatal(err)
	}
	go func() {
		_ = m.process.Wait() // how it ended is seen on the console
		close(m.ended)
		listener.Close()
	}()
	t.Cleanup(m.close)
	m.gpio = findGPIO(t, m.dial(filepath.Join(dir, "qmp")))
	m.listen(m.dial(filepath.Join(dir, "qtest")))
	for line := range 8 {
		m.level(line, true) // at first all are low, which is three fingers
	}
	_ = listener.(*net.TCPListener).SetDeadline(time.Now().Add(boots))
	m.conn, err = listener.Accept()
	if err != nil {
		t.Fatalf("the machine does not boot: %v\n%s", err, m.console)
	}
	m.out, m.in = json.NewEncoder(m.conn), json.NewDecoder(bufio.NewReader(m.conn))
	return m
}

// deviceTree writes QEMU's own with names for the lines.
func deviceTree(t *testing.T, dtb string, common []string) {
	t.Helper()
	dump := append([]string(nil), common...)
	dump[1] = "virt,dumpdtb=" + dtb
	for _, cmd := range []*exec.Cmd{
		exec.Command("qemu-system-aarch64", dump...),
		exec.Command("fdtput", append([]string{"-t", "s", dtb, "/pl061@9030000", "gpio-line-names"}, lineNames...)...),
	} {
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
		}
	}
}

// writeInitrd writes what the machine boots from.
func writeInitrd(t *testing.T, name, kernel string, files map[string]string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	a := newArchive(w)
	a.file("/init", build(t, "./internal/vmtest/guest"), 0o755)
	for i, module := range modules() {
		a.file(fmt.Sprintf("/modules/%d-%s.ko", i, module), filepath.Join(kernel, module+".ko"), 0o644)
	}
	for to, from := range files {
		a.file(to, from, 0o755)
	}
	return errors.Join(a.close(), w.Flush(), f.Close())
}

// dial connects to one of QEMU's sockets, which appears after its start.
func (m *Machine) dial(path string) net.Conn {
	m.t.Helper()
	for deadline := time.Now().Add(boots); ; {
		c, err := net.Dial("unix", path)
		if err == nil {
			m.t.Cleanup(func() { c.Close() })
			return c
		}
		select {
		case <-m.ended:
			m.t.Fatalf("QEMU has ended:\n%s", m.console)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("QEMU does not answer: %v", err)
		}
	}
}

// findGPIO returns the path of the PL061 among QEMU's objects.
func findGPIO(t *testing.T, qmp net.Conn) string {
	t.Helper()
	_ = qmp.SetDeadline(time.Now().Add(answers))
	in, out := json.NewDecoder(qmp), json.NewEncoder(qmp)
	var greeting, ok json.RawMessage
	var list struct {
		Return []struct{ Name, Type string }
	}
	type command struct {
		Execute   string            `json:"execute"`
		Arguments map[string]string `json:"arguments,omitempty"`
	}
	const folder = "/machine/unattached"
	err := errors.Join(in.Decode(&greeting), out.Encode(command{Execute: "qmp_capabilities"}), in.Decode(&ok),
		out.Encode(command{"qom-list", map[string]string{"path": folder}}), in.Decode(&list))
	if err != nil {
		t.Fatalf("QEMU: %v", err)
	}
	for _, child := range list.Return {
		if child.Type == "child<pl061>" {
			return folder + "/" + child.Name
		}
	}
	t.Fatal("QEMU has no PL061")
	return ""
}

// listen reads what qtest says: answers, and the lamps' edges.
func (m *Machine) listen(c net.Conn) {
	m.qtest, m.lines, m.lamps = c, make(chan string, 16), make(chan lampEdge, 1024)
	go func() {
		defer close(m.lines)
		for s := bufio.NewScanner(c); s.Scan(); {
			var verb string
			var line int
			if n, _ := fmt.Sscanf(s.Text(), "IRQ %s %d", &verb, &line); n == 2 {
				if line >= firstLamp {
					m.lamps <- lampEdge{lamp: line - firstLamp, on: verb == "raise", at: time.Now()}
				}
				continue
			}
			m.lines <- s.Text()
		}
	}()
	m.tell("irq_intercept_out " + m.gpio)
}

func (m *Machine) tell(command string) {
	m.t.Helper()
	if _, err := fmt.Fprintln(m.qtest, command); err != nil {
		m.t.Fatalf("qtest: %v\n%s", err, m.console)
	}
	select {
	case answer := <-m.lines:
		if !strings.HasPrefix(answer, "OK") {
			m.t.Fatalf("qtest: %s: %q", command, answer)
		}
	case <-time.After(answers):
		m.t.Fatalf("qtest does not answer %q\n%s", command, m.console)
	}
}

// level sets a line high or low.
func (m *Machine) level(line int, high bool) {
	m.t.Helper()
	n := 0
	if high {
		n = 1
	}
	m.tell(fmt.Sprintf("set_irq_in %s unnamed-gpio-in %d %d", m.gpio, line, n))
}

// Down puts a finger on a button, Up takes it away.
func (m *Machine) Down(button int) { m.t.Helper(); m.level(button, false) }

// Up takes a finger away.
func (m *Machine) Up(button int) { m.t.Helper(); m.level(button, true) }

// forget drops what lamps did until now. QEMU pulls lines up that nobody drives, so
// that each lamp is lit for a moment before the kiosk takes its line.
func (m *Machine) forget() {
	for {
		select {
		case <-m.lamps:
		default:
			return
		}
	}
}

// Lit waits until a lamp is switched on or off and returns how long that took; it
// reports false when it was not, in time.
func (m *Machine) Lit(lamp int, on bool, within time.Duration) (time.Duration, bool) {
	began := time.Now()
	timeout := time.After(within)
	for {
		select {
		case e := <-m.lamps:
			if e.lamp == lamp && e.on == on {
				return e.at.Sub(began), true
			}
		case <-timeout:
			return 0, false
		case <-m.ended:
			m.t.Fatalf("QEMU has ended:\n%s", m.console)
		}
	}
}

// Ask has the machine do something.
func (m *Machine) Ask(q agent.Request) agent.Answer {
	m.t.Helper()
	_ = m.conn.SetDeadline(time.Now().Add(answers))
	var a agent.Answer
	if err := errors.Join(m.out.Encode(q), m.in.Decode(&a)); err != nil {
		m.t.Fatalf("%s %v: %v\n%s", q.Do, q.Args, err, m.console)
	}
	if a.Err != "" {
		m.t.Fatalf("%s %v: %s\n%s", q.Do, q.Args, a.Err, m.console)
	}
	return a
}

// Run runs a program in the machine and returns what it says and its status.
func (m *Machine) Run(args ...string) (string, int) {
	m.t.Helper()
	a := m.Ask(agent.Request{Do: agent.Run, Args: args})
	return a.Out, a.Code
}

// Kill ends the machine as a pulled plug does.
func (m *Machine) Kill() {
	m.stop()
	<-m.ended
}

func (m *Machine) close() {
	m.Kill()
	if m.qtest != nil { // its reader ends with it
		_ = m.qtest.Close()
		for range m.lines {
		}
	}
	if m.t.Failed() {
		m.t.Logf("the console:\n%s", m.console)
	}
}

// console keeps what the machine says.
type console struct {
	mu   sync.Mutex // guards what follows
	text bytes.Buffer
}

// Write implements io.Writer.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(p)
}

// String returns all of it.
func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}
