package vmtest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// hub is a hub on the host, as a program.
type hub struct {
	t            *testing.T
	program, dir string
	web, broker  string // host:port
	process      *exec.Cmd
	out          *console
}

// openHub builds a hub and does not start it.
func openHub(t *testing.T) *hub {
	t.Helper()
	return &hub{t: t, program: compile(t, "./hub"), dir: t.TempDir(), web: freePort(t), broker: freePort(t), out: &console{}}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (h *hub) data() string { return filepath.Join(h.dir, "hub") }

// start starts it; the end of the test, or stop, ends it.
func (h *hub) start() {
	h.t.Helper()
	h.process = exec.Command(h.program, "serve", "--data", h.data(), "--web.listen", h.web, "--broker.listen", h.broker, "--kiosks.key", "key", "--zone", "UTC")
	h.process.Stdout, h.process.Stderr = h.out, h.out
	if err := h.process.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(h.stop)
}

func (h *hub) stop() {
	if h.process != nil && h.process.ProcessState == nil {
		_ = h.process.Process.Kill()
		_ = h.process.Wait()
	}
	if h.t.Failed() {
		h.t.Logf("the hub:\n%s", h.out)
	}
}

// address is the broker as the machine sees it.
func (h *hub) address() string {
	_, port, _ := net.SplitHostPort(h.broker)
	return "mqtt://" + net.JoinHostPort(HostAddress, port)
}

var stored = regexp.MustCompile(`id="stored" value="(\d+)"`)

// stored reads from the site's page how many presses it has of today.
func (h *hub) stored() (int, error) {
	resp, err := http.Get(fmt.Sprintf("http://%s/site/store-1?lang=en", h.web))
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	m := stored.FindSubmatch(body)
	if m == nil {
		return 0, fmt.Errorf("no number on the page (%s)", resp.Status)
	}
	return strconv.Atoi(string(m[1]))
}

// await waits until the page says that so many presses are stored.
func (h *hub) await(n int) {
	h.t.Helper()
	var got int
	var err error
	for deadline := time.Now().Add(answers); time.Now().Before(deadline); <-time.After(50 * time.Millisecond) {
		if got, err = h.stored(); err == nil && got == n {
			return
		}
	}
	h.t.Fatalf("the page says %d presses and %v, want %d", got, err, n)
}

// verify has the hub prove what it holds.
func (h *hub) verify() {
	h.t.Helper()
	out, err := exec.Command(h.program, "verify", "--data", h.data()).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "roll-ups equal a recount") {
		h.t.Errorf("verify: %v\n%s", err, out)
	}
}
