package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"sourire/hub/app"
	"sourire/hub/store/sqlstore"
	"sourire/internal/e2e/faultproxy"
	"sourire/internal/e2e/ledger"
)

// buildPrograms builds both programs as they are shipped.
func buildPrograms(t *testing.T) (hub, kiosk string) {
	t.Helper()
	dir := t.TempDir()
	for name, pkg := range map[string]string{"sourire-hub": "sourire/hub", "sourire-kiosk": "sourire/kiosk"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", name, err, out)
		}
	}
	return filepath.Join(dir, "sourire-hub"), filepath.Join(dir, "sourire-kiosk")
}

// program is a running program whose output is kept.
type program struct {
	cmd *exec.Cmd
	out *strings.Builder
}

func startProgram(t *testing.T, path string, args ...string) *program {
	t.Helper()
	p := &program{cmd: exec.Command(path, args...), out: &strings.Builder{}}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	return p
}

func (p *program) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

// Three kiosks and a hub as programs; in the middle of a burst the hub is killed
// twice and the link cut twice. In the end the page tells what the kiosks'
// ledger tells.
func TestPrograms_killedAndCut(t *testing.T) {
	hubProgram, kioskProgram := buildPrograms(t)
	dir := t.TempDir()
	web, broker := freePort(t), freePort(t)
	proxy, err := faultproxy.New(broker)
	if err != nil {
		t.Fatal(err)
	}
	defer proxy.Close()
	data := filepath.Join(dir, "hub")
	serve := func() *program {
		return startProgram(t, hubProgram, "serve", "--data", data, "--web.listen", web, "--broker.listen", broker, "--kiosks.key", "key")
	}
	hub := serve()
	fleet := startProgram(t, kioskProgram, "simulate", "--kiosks", "3", "--per-hour", "3600", "--count", "40", "--settle", "60s", "--quiet",
		"--data", filepath.Join(dir, "kiosks"), "--kiosk.site", "store-1", "--hub.address", proxy.URL(), "--hub.key", "key",
		"--ledger", filepath.Join(dir, "ledger"))
	ended := make(chan error, 1)
	go func() { ended <- fleet.cmd.Wait() }()

	pressed := func() int {
		entries, err := ledger.Read(filepath.Join(dir, "ledger"))
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	await := func(n int) {
		t.Helper()
		for deadline := time.Now().Add(60 * time.Second); pressed() < n; {
			select {
			case err := <-ended:
				t.Fatalf("the kiosks ended early: %v\n%s", err, fleet.out)
			case <-time.After(10 * time.Millisecond):
			}
			if time.Now().After(deadline) {
				t.Fatalf("only %d presses after a minute", pressed())
			}
		}
	}
	await(15)
	hub.kill()
	await(30)
	hub = serve()
	await(45)
	proxy.Cut()
	await(60)
	hub.kill()
	hub = serve()
	await(75)
	proxy.Refuse(true)
	proxy.Cut()
	await(90)
	proxy.Refuse(false)
	select {
	case err := <-ended:
		if err != nil {
			t.Fatalf("the kiosks: %v\n%s\nhub:\n%s", err, fleet.out, hub.out)
		}
	case <-time.After(2 * time.Minute):
		t.Fatalf("the kiosks never ended\n%s\nhub:\n%s", fleet.out, hub.out)
	}

	store, err := sqlstore.Open(context.Background(), filepath.Join(data, app.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	fl := ledger.Fleet{Ledger: filepath.Join(dir, "ledger"), Folder: filepath.Join(dir, "kiosks", "fleet")}
	sum, err := fl.Compare(context.Background(), store)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(sum)
	if !sum.OK() || sum.Queued != 0 || sum.Pressed != 120 || sum.Stored != 120 || sum.Counted == 0 {
		t.Errorf("got %v %v, want 120 pressed and stored, some counted, none lost or doubled", sum, sum.Problems)
	}
	if got := pageNumber(t, web, "stored"); got != sum.Pressed {
		t.Errorf("the page says %d stored, the ledger %d", got, sum.Pressed)
	}
	out, err := exec.Command(hubProgram, "verify", "--data", data).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "roll-ups equal a recount") {
		t.Errorf("verify: %v\n%s", err, out)
	}
}

// pageNumber reads a number from the page of the site store-1.
func pageNumber(t *testing.T, web, id string) int64 {
	t.Helper()
	resp, err := http.Get(fmt.Sprintf("http://%s/site/store-1?lang=en", web))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`id="` + id + `" value="(\d+)"`).FindSubmatch(body)
	if m == nil {
		t.Fatalf("no number %q on the page:\n%s", id, body)
	}
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
