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
	"sourire/internal/feedback"
	"sourire/internal/mosquittotest"
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

// shop is a hub as a program, a broker, and the links between kiosks, broker
// and hub.
type shop struct {
	t           *testing.T
	hubProgram  string
	kiosk       string // the kiosk's program
	dir, web    string
	broker      string                // host:port
	external    *mosquittotest.Broker // nil: the hub's own
	proxy       *faultproxy.Proxy     // kiosks ↔ broker
	toHub       *faultproxy.Proxy     // hub ↔ external broker, or nil
	hub         *program
	openedOnDay string // of the site
}

// openShop builds everything and starts nothing but an external broker.
func openShop(t *testing.T, external bool) *shop {
	t.Helper()
	s := &shop{t: t, dir: t.TempDir(), web: freePort(t), openedOnDay: siteDay()}
	t.Cleanup(func() {
		if t.Failed() && s.hub != nil {
			t.Logf("the last hub said:\n%s", s.hub.out)
		}
	})
	s.hubProgram, s.kiosk = buildPrograms(t)
	if external {
		s.external = mosquittotest.Start(t, mosquittotest.Options{})
		s.broker = s.external.Addr()
		s.toHub = s.link()
	} else {
		s.broker = freePort(t)
	}
	s.proxy = s.link()
	return s
}

func (s *shop) link() *faultproxy.Proxy {
	s.t.Helper()
	p, err := faultproxy.New(s.broker)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(p.Close)
	return p
}

func (s *shop) path(name string) string { return filepath.Join(s.dir, name) }

// serve starts the hub.
func (s *shop) serve() {
	s.t.Helper()
	args := []string{"serve", "--data", s.path("hub"), "--web.listen", s.web, "--kiosks.key", "key"}
	if s.external != nil {
		args = append(args, "--broker.address", s.toHub.URL())
	} else {
		args = append(args, "--broker.listen", s.broker)
	}
	s.hub = startProgram(s.t, s.hubProgram, args...)
}

// simulate starts kiosks that write one ledger and keep their journals in one
// folder; prefix tells those of several programs apart.
func (s *shop) simulate(prefix string, args ...string) *program {
	s.t.Helper()
	return startProgram(s.t, s.kiosk, append([]string{
		"simulate", "--prefix", prefix, "--quiet", "--data", s.path("kiosks"), "--kiosk.site", "store-1",
		"--hub.address", s.proxy.URL(), "--hub.key", "key", "--ledger", s.path("ledger"),
	}, args...)...)
}

// pressed is what the ledger holds, by kiosk, and all together under "".
func (s *shop) pressed() map[feedback.KioskID]int {
	s.t.Helper()
	book, err := ledger.Read(s.path("ledger"))
	if err != nil {
		s.t.Fatal(err)
	}
	n := map[feedback.KioskID]int{"": len(book.Must)}
	for k := range book.Must {
		n[k.Kiosk]++
	}
	return n
}

// agree fails the test unless the hub, its page and its own proof say what the
// kiosks' ledger and journals say. A SIGKILL between a kiosk's disk and its
// ledger leaves a press in the journal alone: there may be so many unnoted.
func (s *shop) agree(unnoted int64) ledger.Sum {
	s.t.Helper()
	store, err := sqlstore.Open(context.Background(), filepath.Join(s.path("hub"), app.FileName))
	if err != nil {
		s.t.Fatal(err)
	}
	defer store.Close()
	folder := filepath.Join(s.path("kiosks"), "fleet")
	sum, err := ledger.Fleet{Ledger: s.path("ledger"), Folder: folder}.Compare(context.Background(), store)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Log(sum)
	if sum.Lost != 0 || sum.Doubled > unnoted || sum.Queued != 0 || len(sum.Problems) > 0 || sum.Stored != sum.Pressed+sum.Doubled {
		s.t.Errorf("got %v %v, want all that the ledger says and at most %d that it does not", sum, sum.Problems, unnoted)
	}
	journals, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		s.t.Fatal(err)
	}
	made, err := ledger.Fleet{Others: journals}.Compare(context.Background(), store)
	if err != nil {
		s.t.Fatal(err)
	}
	if !made.OK() || made.Queued != 0 || made.Pressed != sum.Stored {
		s.t.Errorf("got %v %v by the journals, want %d pressed and none lost or doubled", made, made.Problems, sum.Stored)
	}
	// The page shows one day.
	if got := pageNumber(s.t, s.web, "stored"); got != sum.Stored && siteDay() == s.openedOnDay {
		s.t.Errorf("the page says %d stored, the hub's store %d", got, sum.Stored)
	}
	out, err := exec.Command(s.hubProgram, "verify", "--data", s.path("hub"), "--ledger", s.path("ledger")).CombinedOutput()
	whole := fmt.Sprintf("ledger: all %d presses are here, none missing, doubled or different", sum.Pressed)
	if sum.Doubled == 0 && err != nil || !strings.Contains(string(out), "roll-ups equal a recount") ||
		sum.Doubled == 0 && !strings.Contains(string(out), whole) {
		s.t.Errorf("verify: %v\n%s", err, out)
	}
	return sum
}

// siteDay is today where a site is of which nothing is known.
func siteDay() string {
	zone, err := time.LoadLocation(app.Defaults().Zone)
	if err != nil {
		return ""
	}
	return time.Now().In(zone).Format(time.DateOnly)
}

// Three kiosks and a hub as programs; in the middle of a burst the hub is killed
// twice and the link cut twice. In the end the page tells what the kiosks'
// ledger tells.
func TestPrograms_killedAndCut(t *testing.T) {
	s := openShop(t, false)
	s.serve()
	fleet := s.simulate("sim", "--kiosks", "3", "--per-hour", "3600", "--count", "40", "--settle", "60s")
	ended := make(chan error, 1)
	go func() { ended <- fleet.cmd.Wait() }()

	await := func(n int) {
		t.Helper()
		for deadline := time.Now().Add(60 * time.Second); s.pressed()[""] < n; {
			select {
			case err := <-ended:
				t.Fatalf("the kiosks ended early: %v\n%s", err, fleet.out)
			case <-time.After(10 * time.Millisecond):
			}
			if time.Now().After(deadline) {
				t.Fatalf("only %d presses after a minute", s.pressed()[""])
			}
		}
	}
	await(15)
	s.hub.kill()
	await(30)
	s.serve()
	await(45)
	s.proxy.Cut()
	await(60)
	s.hub.kill()
	s.serve()
	await(75)
	s.proxy.Refuse(true)
	s.proxy.Cut()
	await(90)
	s.proxy.Refuse(false)
	select {
	case err := <-ended:
		if err != nil {
			t.Fatalf("the kiosks: %v\n%s\nhub:\n%s", err, fleet.out, s.hub.out)
		}
	case <-time.After(2 * time.Minute):
		t.Fatalf("the kiosks never ended\n%s\nhub:\n%s", fleet.out, s.hub.out)
	}
	if sum := s.agree(0); sum.Pressed != 120 || sum.Counted == 0 {
		t.Errorf("got %v, want 120 pressed and some counted", sum)
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
