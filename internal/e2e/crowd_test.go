package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sourire/internal/certtest"
	"sourire/internal/e2e/summary"
)

// crowdSize is how large a crowd comes.
type crowdSize struct {
	kiosks int           // of internal/e2e/crowd
	cores  int           // shipped ones among them
	struck int           // that are cut at once
	hourly int           // presses of each in an hour
	rest   time.Duration // before memory is read
	steady time.Duration // how long visitors come before each blow
	limit  time.Duration // for all to be back
}

// figures are what a crowd did to its hub.
type figures struct {
	empty, full memory        // of the hub, before and after the crowd came
	connected   time.Duration // until all had
	steady      crowdStatus   // with visitors and nothing else
	cut         crowdStatus   // from the cut until all are back
	cutBack     time.Duration
	killed      crowdStatus // from the hub's death until all are back
	killedBack  time.Duration
	peak        memory
	presses     int64 // in the ledger
}

// crowdStatus is what internal/e2e/crowd says.
type crowdStatus struct {
	Connected, Settled int
	Dialled            int64
	Failed             map[string]int
	Pressed            int64
	Queued             int
	Presses            int
	Longest, P99       time.Duration
}

// memory is that of a process, in KiB: resident, and its share where pages are
// shared.
type memory struct{ rss, pss int }

// perKiosk returns how much was added for each of n, in KiB.
func (m memory) perKiosk(before memory, n int) float64 { return float64(m.rss-before.rss) / float64(n) }

// crowdCalls runs internal/e2e/crowd and calls out to it.
type crowdCalls struct {
	*program
	t   *testing.T
	in  io.WriteCloser
	out *json.Decoder
}

func (c *crowdCalls) say(order string) crowdStatus {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.in, order); err != nil {
		c.t.Fatalf("the crowd: %v\n%s", err, c.program.out)
	}
	var s crowdStatus
	if err := c.out.Decode(&s); err != nil {
		c.t.Fatalf("the crowd, at %q: %v\n%s", order, err, c.program.out)
	}
	return s
}

// until asks until it is so, and returns how long that took.
func (c *crowdCalls) until(what string, limit time.Duration, is func(crowdStatus) bool) (crowdStatus, time.Duration) {
	c.t.Helper()
	began := time.Now()
	for {
		s := c.say("status")
		switch took := time.Since(began); {
		case is(s):
			return s, took
		case took > limit:
			c.t.Fatalf("%s: not within %v: %+v", what, limit, s)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// crowded is a hub that wants certificates, and who has some.
type crowded struct {
	t     *testing.T
	size  crowdSize
	shop  *shop
	certs string // folder
	ca    *certtest.Authority
	own   certtest.Pair // of the hub
	crowd *crowdCalls
	cores *program
}

// openCrowded makes programs and certificates, and starts the hub.
func openCrowded(t *testing.T, size crowdSize) *crowded {
	t.Helper()
	c := &crowded{t: t, size: size, ca: certtest.New(t), shop: &shop{t: t, dir: t.TempDir(), web: freePort(t), broker: freePort(t)}}
	c.certs = filepath.Dir(c.ca.File)
	c.own = c.ca.Server(t, "hub.example", "127.0.0.1")
	for i := range size.kiosks {
		c.ca.Client(t, fmt.Sprint("crowd-", i+1))
	}
	for i := range size.cores {
		c.ca.Client(t, fmt.Sprint("core-", i+1))
	}
	c.shop.hubProgram, c.shop.kiosk = buildPrograms(t)
	t.Cleanup(func() {
		if t.Failed() && c.shop.hub != nil {
			t.Logf("the last hub said:\n%.4000s", c.shop.hub.out)
		}
	})
	c.serve()
	return c
}

func (c *crowded) serve() {
	c.t.Helper()
	s := c.shop
	s.hub = startProgram(c.t, s.hubProgram, "serve", "--data", s.path("hub"), "--web.listen", s.web, "--broker.listen", s.broker,
		"--broker.tls_cert_file", c.own.Cert, "--broker.tls_key_file", c.own.Key, "--broker.client_ca_file", c.ca.File)
}

// served waits until the hub serves.
func (c *crowded) served() {
	c.t.Helper()
	for end := time.Now().Add(time.Minute); ; <-time.After(10 * time.Millisecond) {
		resp, err := http.Get("http://" + c.shop.web + "/")
		if err == nil {
			_ = resp.Body.Close()
			return
		}
		if time.Now().After(end) {
			c.t.Fatalf("the hub does not serve: %v\n%s", err, c.shop.hub.out)
		}
	}
}

// come starts the shipped cores and the crowd, which does not yet connect.
func (c *crowded) come() {
	c.t.Helper()
	s := c.shop
	if c.size.cores > 0 {
		c.cores = startProgram(c.t, s.kiosk, "simulate", "--prefix", "core", "--quiet", "--data", s.path("kiosks"), "--kiosk.site", "core",
			"--kiosks", strconv.Itoa(c.size.cores), "--per-hour", "240", "--settle", "3m", "--ledger", s.path("ledger"),
			"--hub.address", "mqtts://"+s.broker, "--hub.ca_file", c.ca.File,
			"--hub.client_cert_file", filepath.Join(c.certs, "{id}.crt"), "--hub.client_key_file", filepath.Join(c.certs, "{id}.key"))
	}
	path := filepath.Join(c.t.TempDir(), "crowd")
	if out, err := exec.Command("go", "build", "-o", path, "sourire/internal/e2e/crowd").CombinedOutput(); err != nil {
		c.t.Fatalf("build the crowd: %v\n%s", err, out)
	}
	cmd := exec.Command(path, "-hub", "mqtts://"+s.broker, "-kiosks", strconv.Itoa(c.size.kiosks), "-certs", c.certs,
		"-ca", c.ca.File, "-ledger", s.path("ledger"), "-per-hour", strconv.Itoa(c.size.hourly))
	p := &program{cmd: cmd, out: &strings.Builder{}}
	cmd.Stderr, cmd.WaitDelay = p.out, time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(p.kill)
	c.crowd = &crowdCalls{program: p, t: c.t, in: in, out: json.NewDecoder(out)}
}

// back waits until everybody is, with everything, after so many have dialled.
func (c *crowded) back(what string, dialled int64) (crowdStatus, time.Duration) {
	c.t.Helper()
	return c.crowd.until(what, c.size.limit, func(s crowdStatus) bool {
		return s.Dialled >= dialled && s.Settled >= c.size.kiosks-c.size.kiosks/100 && s.Connected == c.size.kiosks
	})
}

// run is the whole story: they come, they press, half are cut, the hub is
// killed, they go.
func (c *crowded) run() (f figures) {
	c.t.Helper()
	all := int64(c.size.kiosks)
	c.served()
	<-time.After(c.size.rest)
	f.empty = c.shop.hub.memory(c.t)
	c.come()
	c.crowd.say("connect")
	_, f.connected = c.back("all are connected", all)
	<-time.After(c.size.rest)
	f.full = c.shop.hub.memory(c.t)
	c.crowd.say("window 0")
	c.crowd.say("visitors 1")
	<-time.After(c.size.steady)
	f.steady = c.crowd.say("status")

	c.crowd.say(fmt.Sprint("window ", c.size.struck))
	before := c.crowd.say(fmt.Sprint("cut ", c.size.struck))
	_, f.cutBack = c.back("all are back after the cut", before.Dialled+int64(c.size.struck))
	<-time.After(c.size.steady)
	f.cut = c.crowd.say("status")
	f.peak = c.shop.hub.memory(c.t)

	before = c.crowd.say("window 0")
	c.shop.hub.kill()
	c.serve()
	_, f.killedBack = c.back("all are back after the hub's death", before.Dialled+all)
	f.killed = c.crowd.say("status")
	<-time.After(c.size.steady)
	return f
}

// go away: nobody presses any more, and everybody waits for the hub to have it.
func (c *crowded) leave() {
	c.t.Helper()
	c.crowd.say("visitors 0")
	c.crowd.until("the hub has everything", time.Minute, func(s crowdStatus) bool { return s.Queued == 0 })
	_ = c.crowd.in.Close()
	if err := c.crowd.cmd.Wait(); err != nil {
		c.t.Errorf("the crowd: %v\n%s", err, c.crowd.program.out)
	}
	if c.cores == nil {
		return
	}
	if err := c.cores.cmd.Process.Signal(os.Interrupt); err != nil {
		c.t.Fatal(err)
	}
	if err := c.cores.cmd.Wait(); err != nil {
		c.t.Errorf("the shipped cores: %v\n%s", err, c.cores.out)
	}
}

// proved fails the test unless the hub has every press of the ledger once, and
// can prove it. It returns how many there are, of the shipped cores too.
func (c *crowded) proved() (all, ofCores int) {
	c.t.Helper()
	for k, n := range c.shop.pressed() {
		if k == "" {
			all = n
		} else if strings.HasPrefix(string(k), "core-") {
			ofCores += n
		}
	}
	out, err := exec.Command(c.shop.hubProgram, "verify", "--quiet", "--data", c.shop.path("hub"), "--ledger", c.shop.path("ledger")).CombinedOutput()
	if err != nil {
		c.t.Errorf("verify: %v\n%.4000s", err, out)
	}
	return all, ofCores
}

// memory reads what the operating system says of a running program.
func (p *program) memory(t *testing.T) memory {
	t.Helper()
	read := func(name string) int {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.cmd.Process.Pid))
		if err != nil {
			t.Fatalf("%v\n%s", err, p.out)
		}
		for line := range bytes.Lines(text) {
			if f := strings.Fields(string(line)); len(f) == 3 && f[0] == name {
				n, err := strconv.Atoi(f[1])
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
		}
		t.Fatalf("no %s in\n%s", name, text)
		return 0
	}
	return memory{rss: read("Rss:"), pss: read("Pss:")}
}

// sayFailed names why dials failed, most frequent first.
func (s crowdStatus) sayFailed() string {
	var out []string
	for _, why := range slices.SortedFunc(maps.Keys(s.Failed), func(a, b string) int { return s.Failed[b] - s.Failed[a] }) {
		out = append(out, fmt.Sprintf("%d × %s", s.Failed[why], why))
	}
	return strings.Join(out[:min(5, len(out))], "; ")
}

// crowdTest has a crowd come, and says what it did.
func crowdTest(t *testing.T, size crowdSize) figures {
	c := openCrowded(t, size)
	f := c.run()
	c.leave()
	all, ofCores := c.proved()
	f.presses = int64(all)
	kiosks := size.kiosks + size.cores
	t.Logf("memory: empty %+v KiB, full %+v KiB: %.1f KiB each; after the cut %+v", f.empty, f.full, f.full.perKiosk(f.empty, kiosks), f.peak)
	t.Logf("connected in %v; steady: %d presses, p99 %v, longest %v", f.connected, f.steady.Presses, f.steady.P99, f.steady.Longest)
	t.Logf("cut of %d: back in %v; others' %d presses, p99 %v, longest %v; failed dials: %s", size.struck, f.cutBack, f.cut.Presses, f.cut.P99, f.cut.Longest, f.cut.sayFailed())
	t.Logf("hub killed: back in %v; %d presses, p99 %v, longest %v; failed dials: %s", f.killedBack, f.killed.Presses, f.killed.P99, f.killed.Longest, f.killed.sayFailed())
	if f.steady.Presses == 0 || f.cut.Presses == 0 || all == 0 || ofCores == 0 && size.cores > 0 {
		t.Errorf("%d presses while nothing happened, %d of those spared by the cut, %d in all, %d of shipped cores: want some of each", f.steady.Presses, f.cut.Presses, all, ofCores)
	}
	if f.cut.Longest > pressPatience {
		t.Errorf("a press waited %v while %d others came back, want at most %v", f.cut.Longest, size.struck, pressPatience)
	}
	summary.Line("crowd: %d kiosks with certificates, of which %d shipped cores, in %v (%.0f/s), %.1f KiB each; %d cut at once, back in %v, the others' %d presses within %v (p99 %v); hub killed, all back in %v; %d presses: %s",
		kiosks, size.cores, f.connected.Round(10*time.Millisecond), float64(size.kiosks)/f.connected.Seconds(), f.full.perKiosk(f.empty, kiosks),
		size.struck, f.cutBack.Round(10*time.Millisecond), f.cut.Presses, f.cut.Longest.Round(time.Millisecond), f.cut.P99.Round(time.Millisecond),
		f.killedBack.Round(10*time.Millisecond), all, crowdVerdict(t))
	return f
}

// pressPatience is how long a press may wait while others come back.
const pressPatience = 5 * time.Second

func crowdVerdict(t *testing.T) string {
	if t.Failed() {
		return "FAILED"
	}
	return "verified"
}

// A hundred kiosks with certificates come at once, fifty are cut, and the hub is
// killed: all come back, nothing is lost or doubled, and the others press on.
func TestCrowd(t *testing.T) {
	crowdTest(t, crowdSize{kiosks: 100, cores: 3, struck: 50, hourly: 3600, steady: 2 * time.Second, limit: time.Minute})
}
