package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sourire/hub/app"
	"sourire/hub/ingest"
	"sourire/hub/store/sqlstore"
	"sourire/internal/e2e/ledger"
	"sourire/internal/link"
	"sourire/internal/mosquittotest"
	"sourire/internal/postgrestest"
	"sourire/internal/wire"
	"sourire/kiosk/fleetsim"
	"sourire/kiosk/input/script"
	"sourire/kiosk/settings"
	"sourire/kiosk/uplink"
)

// takeOverWithin is the promise: from the death of the hub that ingests, or from
// when it hangs, until another does.
const takeOverWithin = 10 * time.Second

// crew is several hubs on one database and one broker.
type crew struct {
	t        *testing.T
	server   *postgrestest.Server
	database string
	broker   string // address
	program  string
	dir      string
	ledger   *os.File
}

func newCrew(t *testing.T, broker string) *crew {
	t.Helper()
	c := &crew{t: t, server: postgrestest.Start(t), broker: broker, dir: t.TempDir()}
	c.database = c.server.Database()
	var err error
	if c.ledger, err = os.Create(filepath.Join(c.dir, "ledger")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.ledger.Close() })
	return c
}

// member is one of them, as a program.
type member struct {
	*program
	c         *crew
	name, web string
}

func (c *crew) start(name string) *member {
	c.t.Helper()
	m := &member{c: c, name: name, web: freePort(c.t)}
	m.program = startProgram(c.t, c.program, "serve", "--data", filepath.Join(c.dir, name), "--web.listen", m.web,
		"--store.postgres", c.database, "--broker.address", c.broker)
	return m
}

func (m *member) signal(s syscall.Signal) {
	m.c.t.Helper()
	if err := m.cmd.Process.Signal(s); err != nil {
		m.c.t.Fatal(err)
	}
}

// health is what a hub says of itself, "" when it says nothing.
func health(web string) string {
	client := http.Client{Timeout: time.Second}
	resp, err := client.Get("http://" + web + "/healthz")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return ""
	}
	return string(body)
}

// saysWithin waits until a hub says something of itself and returns how long
// that took.
func saysWithin(t *testing.T, web, what string, limit time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		said := health(web)
		if strings.Contains(said, what) {
			break
		}
		if time.Since(began) > limit {
			t.Fatalf("a hub says %q, not %q within %v", said, what, limit)
		}
	}
	return time.Since(began)
}

const (
	ingests = "this hub ingests"
	waits   = "this hub waits"
)

// burst is kiosks whose visitors press until they are told to stop.
type burst struct {
	c     *crew
	stop  context.CancelFunc
	ended chan error

	mu    sync.Mutex
	tally fleetsim.Tally
}

func (c *crew) burst(kiosks int, perHour float64) *burst {
	c.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	b := &burst{c: c, stop: stop, ended: make(chan error, 1)}
	set := settings.Defaults()
	set.Hub.Address, set.Hub.Key, set.Kiosk.Site = c.broker, "key", "store-1"
	go func() {
		_, err := fleetsim.Run(ctx, fleetsim.Options{
			Kiosks: kiosks, Folder: c.path("kiosks"), Settings: set, Ledger: c.ledger, Log: slog.New(slog.DiscardHandler),
			Arrivals: script.Poisson(perHour), For: time.Hour, Settle: time.Minute,
			Progress: func(t fleetsim.Tally) {
				b.mu.Lock()
				defer b.mu.Unlock()
				b.tally = t
			},
			Times: uplink.Times{Answer: 500 * time.Millisecond, AnswerMax: 2 * time.Second, Redial: 50 * time.Millisecond, RedialMax: time.Second, Announce: 200 * time.Millisecond},
		})
		b.ended <- err
	}()
	c.t.Cleanup(stop)
	return b
}

func (c *crew) path(name string) string { return filepath.Join(c.dir, name) }

func (b *burst) now() fleetsim.Tally {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tally
}

// goesOn waits until so many more presses are acknowledged.
func (b *burst) goesOn(more int64) {
	b.c.t.Helper()
	began, from := time.Now(), b.now().Acknowledged
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		now := b.now()
		if now.Acknowledged >= from+more {
			return
		}
		if time.Since(began) > time.Minute {
			b.c.t.Fatalf("after a minute: %+v, want %d more acknowledged than %d", now, more, from)
		}
	}
}

// settle ends the burst and waits until the hubs have everything.
func (b *burst) settle() {
	b.c.t.Helper()
	b.stop()
	if err := <-b.ended; err != nil {
		b.c.t.Fatal(err)
	}
	if t := b.now(); !t.Settled || t.Failed > 0 || t.Queued > 0 {
		b.c.t.Errorf("got %+v, want a fleet that is settled", t)
	}
}

// agree fails the test unless the store holds what the ledger says, once, and can
// prove it. It returns the number of presses.
func (c *crew) agree() ledger.Sum {
	c.t.Helper()
	s := app.Defaults()
	s.Data, s.Store.Postgres = c.path("auditor"), c.database
	store, err := app.OpenStore(context.Background(), s, sqlstore.Options{MustExist: true})
	if err != nil {
		c.t.Fatal(err)
	}
	defer store.Close()
	sum, err := ledger.Fleet{Ledger: c.ledger.Name(), Folder: c.path("kiosks")}.Compare(context.Background(), store)
	if err != nil {
		c.t.Fatal(err)
	}
	if !sum.OK() || sum.Stored != sum.Pressed || sum.Counted == 0 {
		c.t.Errorf("got %v, %q, want all of them stored once", sum, sum.Problems)
	}
	return sum
}

// A hub is killed while it ingests, and the next one hangs: each time the other
// takes over within ten seconds, nothing is lost and nothing doubled, and the one
// that hung counts nothing when it wakes.
func TestHubs_takeOver(t *testing.T) {
	t.Parallel()
	c := newCrew(t, mosquittotest.Start(t, mosquittotest.Options{}).URL())
	c.program, _ = buildPrograms(t)
	day := siteDay()
	a := c.start("a")
	saysWithin(t, a.web, ingests, 20*time.Second)
	b := c.start("b")
	saysWithin(t, b.web, a.web+" ingests", 20*time.Second)
	fleet := c.burst(20, 3600)
	fleet.goesOn(50)
	before := hubState(t, c.broker)

	a.kill()
	killed := saysWithin(t, b.web, ingests, takeOverWithin)
	fleet.goesOn(50)

	a = c.start("a")
	saysWithin(t, a.web, waits, 20*time.Second)
	b.signal(syscall.SIGSTOP)
	hung := saysWithin(t, a.web, ingests, takeOverWithin)
	fleet.goesOn(50)
	b.signal(syscall.SIGCONT)
	woke := saysWithin(t, b.web, waits, 20*time.Second)
	fleet.goesOn(50)
	if said := health(a.web); !strings.Contains(said, ingests) {
		t.Errorf("the hub that took over says %q when the other wakes", said)
	}
	fleet.settle()
	h := hubState(t, c.broker)
	if h.Store != before.Store || h.Term <= before.Term {
		t.Errorf("got %+v after %+v, want the same store under a higher term", h, before)
	}
	if !h.Online || !strings.Contains(health(a.web), fmt.Sprintf("term %d,", h.Term)) {
		t.Errorf("the broker keeps %+v, want what the hub that ingests says of itself", h)
	}

	sum := c.agree()
	t.Logf("%v; killed: taken over after %v, hung: after %v, woke and waits after %v", sum, killed.Round(time.Millisecond), hung.Round(time.Millisecond), woke.Round(time.Millisecond))
	for _, m := range []*member{a, b} {
		if got := pageNumber(t, m.web, "stored"); got != sum.Stored && siteDay() == day {
			t.Errorf("the page of %s says %d stored, want %d", m.name, got, sum.Stored)
		}
	}
	if x, y := figuresOn(t, a.web), figuresOn(t, b.web); x == "" || x != y {
		t.Errorf("the pages differ:\n%s\n%s", x, y)
	}
	out, err := exec.Command(c.program, "verify", "--data", c.path("auditor"), "--store.postgres", c.database, "--ledger", c.ledger.Name()).CombinedOutput()
	if err != nil || !strings.Contains(string(out), fmt.Sprintf("all %d presses are here, none missing, doubled or different", sum.Pressed)) {
		t.Errorf("verify: %v\n%s", err, out)
	}
	if t.Failed() {
		t.Logf("a said:\n%s\nb said:\n%s", a.out, b.out)
	}
}

// hubState returns what the broker tells kiosks that come next of the hub.
func hubState(t *testing.T, broker string) wire.Hub {
	t.Helper()
	got := make(chan wire.Hub, 100)
	conn, err := link.Dial(context.Background(), link.Options{
		Address: broker, ClientID: "later", Subscriptions: []string{wire.HubState},
		Handler: func(m link.Message) {
			if h, err := wire.Decode[wire.Hub](m.Payload); err == nil {
				got <- h
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	select {
	case h := <-got:
		return h
	case <-time.After(10 * time.Second):
		t.Fatal("the broker keeps no state of the hub")
		return wire.Hub{}
	}
}

// believer is a hub's store that stops before a commit until it is told to go on,
// as a hub that hangs and wakes does.
type believer struct {
	ingest.Store
	once   sync.Once
	before chan struct{} // closed when it has stopped
	goOn   chan struct{}
	result chan error
}

// Apply implements ingest.Store.
func (b *believer) Apply(ctx context.Context, term int64, changes []ingest.Change) ([]error, error) {
	first := false
	b.once.Do(func() { first = true })
	if !first {
		return b.Store.Apply(ctx, term, changes)
	}
	close(b.before)
	<-b.goOn
	errs, err := b.Store.Apply(ctx, term, changes)
	b.result <- err
	return errs, err
}

// Two hubs believe that they ingest: the older one, in the middle of a commit,
// has lost its session at the server. Its commit is refused, it waits, and the
// press is counted once, by the other. Pages of both tell of it.
func TestHubs_twoBelieve(t *testing.T) {
	t.Parallel()
	broker := mosquittotest.Start(t, mosquittotest.Options{}).URL()
	server := postgrestest.Start(t)
	database := server.Database()
	set := func() app.Settings {
		s := hubSettings(t)
		s.Broker.Address, s.Store.Postgres = broker, database
		return s
	}
	old := &believer{before: make(chan struct{}), goOn: make(chan struct{}), result: make(chan error, 1)}
	a, err := app.New(context.Background(), app.Options{
		Settings: set(), Log: slog.New(slog.DiscardHandler),
		WrapStore: func(s ingest.Store) ingest.Store { old.Store = s; return old },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Stop()
	saysWithin(t, a.WebAddr(), ingests, 20*time.Second)
	b := startHub(t, set())
	saysWithin(t, b.WebAddr(), waits, 20*time.Second)

	k := dialRaw(t, a, "k1")
	k.Press(1)
	sent := make(chan int, 1)
	go func() { n, _ := k.Drain(); sent <- n }()
	<-old.before
	server.Exec(database, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
	took := saysWithin(t, b.WebAddr(), ingests, takeOverWithin)
	close(old.goOn)
	if err := <-old.result; !strings.Contains(fmt.Sprint(err), ingest.ErrSuperseded.Error()) {
		t.Errorf("the commit of the older hub: got %v, want %v", err, ingest.ErrSuperseded)
	}
	saysWithin(t, a.WebAddr(), waits, 20*time.Second)
	<-sent
	t.Logf("taken over %v after its session was ended", took.Round(time.Millisecond))

	// Now each press is news on the pages of both.
	sites := []*listener{listen(t, a.WebAddr(), "s"), listen(t, b.WebAddr(), "s")}
	for range 3 {
		k.Press(1)
		began := time.Now()
		if _, err := k.Drain(); err != nil {
			t.Fatal(err)
		}
		for _, l := range sites {
			l.hears(t, "life", began)
		}
	}
	if r := proved(t, set()); len(r.Findings) != 1 || r.Findings[0].Presses != 4 {
		t.Errorf("got %+v, want 4 presses of one kiosk", r.Findings)
	}
}

// figuresOn returns all numbers of a page that a program could read.
func figuresOn(t *testing.T, web string) string {
	t.Helper()
	resp, err := http.Get("http://" + web + "/site/store-1?lang=en")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s", regexp.MustCompile(`<data[^>]*>`).FindAll(body, -1))
}

// listener is an open page.
type listener struct{ events chan string }

func listen(t *testing.T, web, site string) *listener {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+web+"/site/"+site+"/events?lang=en", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req) //nolint:bodyclose // the goroutine below closes it
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{events: make(chan string, 1000)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				l.events <- name
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	l.hears(t, "life", time.Now())
	return l
}

// hears waits for an event, within much less than the pages' own look around.
func (l *listener) hears(t *testing.T, event string, began time.Time) {
	t.Helper()
	late := time.After(5 * time.Second)
	for {
		select {
		case e := <-l.events:
			if e == event {
				t.Logf("%s after %v", event, time.Since(began).Round(time.Millisecond))
				return
			}
		case <-late:
			t.Fatalf("an open page heard no %q within 5 s", event)
		}
	}
}

// A database is replaced by an older copy while the kiosk is idle, and a hub that
// has never served takes over: what the copy lacks comes back without a press,
// under the old id, for the term is above all that were spoken.
func TestHubs_putBack(t *testing.T) {
	t.Parallel()
	broker := mosquittotest.Start(t, mosquittotest.Options{}).URL()
	server := postgrestest.Start(t)
	address := server.Database()
	serve := func() *app.App {
		s := hubSettings(t)
		s.Broker.Address, s.Store.Postgres = broker, address
		hub, err := app.New(context.Background(), app.Options{Settings: s, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		saysWithin(t, hub.WebAddr(), "on the broker", 20*time.Second)
		return hub
	}
	stop := func(hub *app.App) {
		if err := hub.Stop(); err != nil {
			t.Error(err)
		}
	}
	now := time.Now().Truncate(time.Second).Add(-time.Hour)
	clock := &calendar{boot: "boot", at: now.Add(-time.Hour), now: now}
	k := offlineKiosk(t, t.TempDir(), clock, stay{site: "store-1", touchpoint: "exit", scale: "smiley3"}, broker)
	running, end := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- k.Run(running) }()
	defer func() { end(); <-ended }()
	press := func() {
		t.Helper()
		clock.set(clock.wall().Add(10 * time.Second))
		if _, err := k.Press(context.Background(), 2); err != nil {
			t.Fatal(err)
		}
		settled(t, k)
	}
	hub := serve()
	press()
	before := hubState(t, broker)
	copied := server.Dump(address)
	stop(hub)
	hub = serve()
	press()
	stop(hub)

	name := address[strings.LastIndex(address, "/")+1 : strings.Index(address, "?")]
	admin := server.URL("sourire", "", "postgres")
	server.Exec(admin, "DROP DATABASE "+name+" WITH (FORCE)")
	server.Exec(admin, "CREATE DATABASE "+name)
	server.Exec(address, copied)
	hub = serve()
	defer stop(hub)
	if h := hubState(t, broker); h.Store != before.Store {
		t.Errorf("got store %s, want %s as before", h.Store, before.Store)
	}
	began := time.Now()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		got := pageNumber(t, hub.WebAddr(), "stored")
		if got == 2 {
			break
		}
		if time.Since(began) > 30*time.Second {
			t.Fatalf("the page says %d presses stored, want 2", got)
		}
	}
}
