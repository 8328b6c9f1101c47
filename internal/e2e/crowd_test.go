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
	kiosks int           // of internal/e2e/crowd, in two processes: those struck, and as many spared
	cores  int           // shipped ones among them
	hourly int           // presses of each in an hour
	rest   time.Duration // before memory is read
	steady time.Duration // how long visitors come before each blow
	limit  time.Duration // for all to be back
	files  int           // that the hub may open; 0: as many as the test may
}

// figures are what a crowd did to its hub.
type figures struct {
	empty, full memory        // of the hub, before and after the crowd came
	connected   time.Duration // until all had
	comeFailed  string        // why dials failed meanwhile, of half of them
	steady      crowdStatus   // with visitors and nothing else
	cut         crowdStatus   // of those spared, from the cut until all are back, and a while
	cutBack     time.Duration
	cutFailed   string      // why dials of those struck failed
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
func (c *crowdCalls) until(what string, limit time.Duration, is func(crowdStatus) bool) time.Duration {
	c.t.Helper()
	began := time.Now()
	for {
		s := c.say("status")
		switch took := time.Since(began); {
		case is(s):
			return took
		case took > limit:
			c.t.Fatalf("%s: not within %v: %+v", what, limit, s)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// crowded is a hub that wants certificates, and who has some.
type crowded struct {
	t              *testing.T
	size           crowdSize
	shop           *shop
	certs          string // folder
	ca             *certtest.Authority
	own            certtest.Pair // of the hub
	struck, spared *crowdCalls
	cores          *program
}

// openCrowded makes programs and certificates, and starts the hub.
func openCrowded(t *testing.T, size crowdSize) *crowded {
	t.Helper()
	c := &crowded{t: t, size: size, ca: certtest.New(t), shop: &shop{t: t, dir: t.TempDir(), web: freePort(t), broker: freePort(t)}}
	c.certs = filepath.Dir(c.ca.File)
	c.own = c.ca.Server(t, "hub.example", "127.0.0.1")
	for i := range size.kiosks / 2 {
		c.ca.Client(t, fmt.Sprint("struck-", i+1))
		c.ca.Client(t, fmt.Sprint("spared-", i+1))
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
	args := []string{
		s.hubProgram, "serve", "--data", s.path("hub"), "--web.listen", s.web, "--broker.listen", s.broker,
		"--broker.tls_cert_file", c.own.Cert, "--broker.tls_key_file", c.own.Key, "--broker.client_ca_file", c.ca.File,
	}
	if c.size.files > 0 {
		args = append([]string{"sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$0" "$@"`, c.size.files)}, args...)
	}
	s.hub = startProgram(c.t, args[0], args[1:]...)
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

// come starts the shipped cores and the crowds, which do not yet connect. They are
// two processes because in the field they are thousands: what a machine does for
// those who come back must not hold up its kiosks that were spared.
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
	c.struck, c.spared = c.crowd(path, "struck"), c.crowd(path, "spared")
}

func (c *crowded) crowd(path, prefix string) *crowdCalls {
	c.t.Helper()
	s := c.shop
	cmd := exec.Command(path, "-hub", "mqtts://"+s.broker, "-prefix", prefix, "-kiosks", strconv.Itoa(c.size.kiosks/2),
		"-certs", c.certs, "-ca", c.ca.File, "-ledger", s.path("ledger"), "-per-hour", strconv.Itoa(c.size.hourly))
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
	return &crowdCalls{program: p, t: c.t, in: in, out: json.NewDecoder(out)}
}

// say says an order to both crowds.
func (c *crowded) say(order string) (struck, spared crowdStatus) {
	c.t.Helper()
	return c.struck.say(order), c.spared.say(order)
}

// back waits until all of a crowd are connected and heard, after so many have
// dialled. A kiosk whose visitor is there just now is not settled: one in a
// hundred may be so.
func (c *crowded) back(crowd *crowdCalls, what string, dialled int64) time.Duration {
	c.t.Helper()
	n := c.size.kiosks / 2
	return crowd.until(what, c.size.limit, func(s crowdStatus) bool {
		return s.Dialled >= dialled && s.Settled >= n-n/100 && s.Connected == n
	})
}

// run is the whole story: they come, they press, half are cut, the hub is
// killed, they go.
func (c *crowded) run() (f figures) {
	c.t.Helper()
	half := int64(c.size.kiosks / 2)
	c.served()
	<-time.After(c.size.rest)
	f.empty = c.shop.hub.memory(c.t)
	c.come()
	began := time.Now()
	c.say("connect")
	c.back(c.struck, "the first half is connected", half)
	c.back(c.spared, "the second half is connected", half)
	f.connected = time.Since(began)
	f.comeFailed = c.struck.say("status").sayFailed()
	<-time.After(c.size.rest)
	f.full = c.shop.hub.memory(c.t)
	c.say("window")
	c.say("open")
	<-time.After(c.size.steady)
	_, f.steady = c.say("status")

	c.say("window")
	before := c.struck.say("cut")
	f.cutBack = c.back(c.struck, "all are back after the cut", before.Dialled+half)
	f.cutFailed = c.struck.say("status").sayFailed()
	<-time.After(c.size.steady)
	f.cut = c.spared.say("status")
	f.peak = c.shop.hub.memory(c.t)

	before, other := c.say("window")
	began = time.Now()
	c.shop.hub.kill()
	c.serve()
	c.back(c.struck, "the first half is back after the hub's death", before.Dialled+half)
	c.back(c.spared, "the second half is back after the hub's death", other.Dialled+half)
	f.killedBack = time.Since(began)
	f.killed = c.spared.say("status")
	<-time.After(c.size.steady)
	return f
}

// leave: nobody presses any more, and everybody waits for the hub to have it.
func (c *crowded) leave() {
	c.t.Helper()
	c.say("close")
	for _, crowd := range []*crowdCalls{c.struck, c.spared} {
		crowd.until("the hub has everything", time.Minute, func(s crowdStatus) bool { return s.Queued == 0 })
		_ = crowd.in.Close()
		if err := crowd.cmd.Wait(); err != nil {
			c.t.Errorf("the crowd: %v\n%s", err, crowd.program.out)
		}
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
	t.Logf("connected in %v; failed dials of half: %s; steady: %d presses, p99 %v, longest %v", f.connected, f.comeFailed, f.steady.Presses, f.steady.P99, f.steady.Longest)
	t.Logf("cut of %d: back in %v; others' %d presses, p99 %v, longest %v; failed dials: %s", size.kiosks/2, f.cutBack, f.cut.Presses, f.cut.P99, f.cut.Longest, f.cutFailed)
	t.Logf("hub killed: back in %v; %d presses, p99 %v, longest %v; failed dials: %s", f.killedBack, f.killed.Presses, f.killed.P99, f.killed.Longest, f.killed.sayFailed())
	if f.steady.Presses == 0 || f.cut.Presses == 0 || all == 0 || ofCores == 0 && size.cores > 0 {
		t.Errorf("%d presses while nothing happened, %d of those spared by the cut, %d in all, %d of shipped cores: want some of each", f.steady.Presses, f.cut.Presses, all, ofCores)
	}
	if f.cut.Longest > pressPatience {
		t.Errorf("a press waited %v while %d others came back, want at most %v", f.cut.Longest, size.kiosks/2, pressPatience)
	}
	summary.Line("crowd: %d kiosks with certificates, of which %d shipped cores, in %v (%.0f/s), %.1f KiB each; %d cut at once, back in %v, the others' %d presses within %v (p99 %v); hub killed, all back in %v; %d presses: %s",
		kiosks, size.cores, f.connected.Round(10*time.Millisecond), float64(size.kiosks)/f.connected.Seconds(), f.full.perKiosk(f.empty, kiosks),
		size.kiosks/2, f.cutBack.Round(10*time.Millisecond), f.cut.Presses, f.cut.Longest.Round(time.Millisecond), f.cut.P99.Round(time.Millisecond),
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
	crowdTest(t, crowdSize{kiosks: 100, cores: 3, hourly: 3600, steady: 2 * time.Second, limit: time.Minute})
}

// A hub that may open few files says so when it starts, turns away the kiosks
// beyond, and has enough files left to store what the others press.
func TestCrowd_fewFiles(t *testing.T) {
	c := openCrowded(t, crowdSize{kiosks: 120, hourly: 3600, limit: time.Minute, files: 100})
	c.served()
	c.come()
	c.say("connect")
	c.say("open")
	connected := 0
	until := time.Now().Add(c.size.limit)
	for pressed := 0; pressed < 100; <-time.After(50 * time.Millisecond) {
		struck, spared := c.say("status")
		connected, pressed = struck.Connected+spared.Connected, struck.Presses+spared.Presses
		if time.Now().After(until) {
			t.Fatalf("got %d presses stored of %d kiosks that are connected, want 100\n%s", pressed, connected, c.shop.hub.out)
		}
	}
	const room = 50 // of which one is the hub's own
	if connected == 0 || connected >= room {
		t.Errorf("got %d kiosks connected, want fewer than %d", connected, room)
	}
	c.shop.hub.kill()
	if said := c.shop.hub.out.String(); !strings.Contains(said, "may open 100 files, so at most 50 kiosks can be connected") {
		t.Errorf("the hub does not say that it may open few files:\n%s", said)
	}
}
