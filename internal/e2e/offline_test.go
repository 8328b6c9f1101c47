package e2e

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sourire/hub/app"
	"sourire/hub/insight"
	"sourire/hub/site"
	"sourire/hub/store/sqlstore"
	"sourire/hub/verify"
	"sourire/internal/e2e/faultproxy"
	"sourire/internal/feedback"
	kioskapp "sourire/kiosk/app"
	"sourire/kiosk/clock"
	"sourire/kiosk/settings"
	"sourire/kiosk/uplink"
)

// calendar is a kiosk's clock that a test turns.
type calendar struct {
	mu    sync.Mutex
	boot  string
	at    time.Time // of the boot
	now   time.Time
	blind bool // this boot has no clock, and begins in 1970
}

// Now implements kiosk/app.Clock.
func (c *calendar) Now() clock.Reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := clock.Reading{BootID: c.boot, Since: c.now.Sub(c.at), Wall: c.now, Trusted: !c.blind}
	if c.blind {
		r.Wall = time.Unix(0, 0).Add(r.Since)
	}
	return r
}

func (c *calendar) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// reboot boots the kiosk's machine; a minute later its program begins.
func (c *calendar) reboot(boot string, begins time.Time, blind bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.boot, c.at, c.now, c.blind = boot, begins.Add(-time.Minute), begins, blind
}

// stay is where a kiosk stands for some of the days.
type stay struct {
	site, touchpoint, scale, zone string
}

func (s stay) asked() feedback.Asked {
	return feedback.Asked{
		Site: feedback.SiteID(s.site), Touchpoint: feedback.TouchpointID(s.touchpoint), Survey: "visit", Scale: feedback.ScaleID(s.scale),
	}
}

// leg is what a kiosk does between a start of its program and the end of it.
type leg struct {
	stay
	presses int
	rating  func(i int) int

	// How it began.
	skip    int           // so many presses were made by nobody: it was off for long
	dark    time.Duration // since its last record, or since the last press that was skipped
	restart bool          // of the program alone: the boot goes on
	blind   bool          // a boot without a clock
	undated bool          // … of which nobody can say within 12 hours when it was
}

// journey is what a kiosk does without a hub.
type journey struct {
	began time.Time // the first press is seven seconds later
	legs  []leg
	cuts  *rand.Rand // in the end its link is cut at random; nil: it is not
}

// perDay is how many presses a kiosk of a journey takes each day.
const perDay = 250

// instant is when a press is made: all round the clock, at odd seconds, never
// within two seconds of the last.
func (j journey) instant(press int) time.Time {
	return j.began.AddDate(0, 0, press/perDay).Add(time.Duration(press%perDay) * 345 * time.Second).Add(7 * time.Second)
}

// A kiosk is offline for thirty days of 250 presses, is moved to another
// touchpoint, given another scale and carried to another country in between.
// Then it meets its hub: each press is counted where, when and as it was asked,
// on the local day, across the end of summer time and in a zone that is 45
// minutes off the hour.
func TestOffline_thirtyDays(t *testing.T) {
	const tenDays = 10 * perDay
	runJourney(t, journey{
		began: time.Date(2026, 10, 10, 22, 0, 0, 0, time.UTC), // midnight in Paris; summer time ends on the 25th
		legs: []leg{
			{stay: stay{"store-1", "exit", "smiley3", "Europe/Paris"}, presses: tenDays, rating: func(i int) int { return i % 3 }},
			{stay: stay{"store-1", "till-3", "smiley5", "Europe/Paris"}, presses: tenDays, rating: func(i int) int { return 1 + i%5 }},
			{stay: stay{"store-2", "exit", "smiley3", "Asia/Kathmandu"}, presses: tenDays, rating: func(i int) int { return 2 * (i % 2) }},
		},
	})
}

// A boot without a clock lies between its neighbours, and where these leave too
// much room it is set aside, with a move before, in and after it.
func TestOffline_withoutClock(t *testing.T) {
	paris, kathmandu := stay{"store-1", "exit", "smiley3", "Europe/Paris"}, stay{"store-2", "exit", "smiley5", "Asia/Kathmandu"}
	rating := func(i int) int { return 1 + i%2 }
	runJourney(t, journey{
		began: time.Date(2026, 10, 10, 22, 0, 0, 0, time.UTC),
		legs: []leg{
			{stay: paris, presses: 100, rating: rating},
			{stay: paris, presses: 70, rating: rating, dark: 90 * time.Second, blind: true},
			{stay: kathmandu, presses: 20, rating: rating, blind: true},
			{stay: kathmandu, presses: 20, rating: rating, blind: true, restart: true},
			{stay: kathmandu, presses: 100, rating: rating, dark: 90 * time.Second},
			{stay: paris, presses: 10, rating: rating, skip: perDay, blind: true, undated: true},
			{stay: paris, presses: 50, rating: rating, skip: perDay},
		},
		cuts: rand.New(rand.NewPCG(1, 2)),
	})
}

// spot is where and on which local day presses were made.
type spot struct {
	asked feedback.Asked
	day   string
}

// diary is what a kiosk has taken on a journey.
type diary struct {
	dir     string
	clock   *calendar
	last    stay
	want    map[spot]map[int]int64 // ratings by day and step
	presses int64
	undated int
	zones   map[feedback.SiteID]string
}

// travel lets a kiosk make a journey.
func (j journey) travel(t *testing.T) *diary {
	t.Helper()
	ctx := context.Background()
	out := &diary{
		dir: filepath.Join(t.TempDir(), "kiosk"), clock: &calendar{now: j.began},
		want: make(map[spot]map[int]int64), zones: make(map[feedback.SiteID]string),
	}
	c, next := out.clock, 0
	for n, l := range j.legs {
		from := c.wallClock()
		if l.skip > 0 {
			next += l.skip
			from = j.instant(next - 1)
		}
		if l.restart {
			c.set(from.Add(l.dark))
		} else {
			c.reboot(fmt.Sprint("boot-", n), from.Add(l.dark), l.blind)
		}
		k := offlineKiosk(t, out.dir, c, l.stay, "")
		zone, err := time.LoadLocation(l.zone)
		if err != nil {
			t.Fatal(err)
		}
		scale, err := feedback.ParseScale(l.scale)
		if err != nil {
			t.Fatal(err)
		}
		for i := range l.presses {
			at := j.instant(next)
			c.set(at)
			next++
			rating := l.rating(i)
			if _, err := k.Press(ctx, rating); err != nil {
				t.Fatal(err)
			}
			out.presses++
			if l.undated {
				out.undated++
				continue
			}
			p := spot{l.asked(), at.In(zone).Format(time.DateOnly)}
			if out.want[p] == nil {
				out.want[p] = make(map[int]int64)
			}
			out.want[p][scale.Step(rating)]++
		}
		if err := k.Close(); err != nil {
			t.Fatalf("leg %d: %v", n, err)
		}
		out.last, out.zones[feedback.SiteID(l.site)] = l.stay, l.zone
	}
	return out
}

// meet lets the kiosk meet its hub, and returns how often the link was cut.
func (o *diary) meet(t *testing.T, address string, cuts *rand.Rand) (cut int) {
	t.Helper()
	var proxy *faultproxy.Proxy
	if cuts != nil {
		var err error
		if proxy, err = faultproxy.New(strings.TrimPrefix(address, "mqtt://")); err != nil {
			t.Fatal(err)
		}
		defer proxy.Close()
		address = proxy.URL()
	}
	k := offlineKiosk(t, o.dir, o.clock, o.last, address)
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- k.Run(running) }()
	if proxy != nil {
		done := make(chan int)
		cutting, calm := context.WithCancel(running)
		go func() {
			n := 0
			for cutting.Err() == nil {
				select {
				case <-time.After(time.Duration(10+cuts.IntN(100)) * time.Millisecond):
					proxy.Cut()
					n++
				case <-cutting.Done():
				}
			}
			done <- n
		}()
		// The end is left alone: a link that is cut for ever settles nothing.
		end := o.presses / 20
		awaitStatus(t, k, func(s kioskapp.Status) bool { return s.Journal.QueuedPresses <= end })
		calm()
		cut = <-done
	}
	settled(t, k)
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	return cut
}

func runJourney(t *testing.T, j journey) (o *diary, cut int) {
	t.Helper()
	ctx := context.Background()
	o = j.travel(t)
	set := hubSettings(t)
	for id, zone := range o.zones {
		set.Sites = append(set.Sites, app.SiteSettings{ID: string(id), Zone: zone})
	}
	hub := startHub(t, set)
	cut = o.meet(t, hub.BrokerAddr(), j.cuts)
	if got := proved(t, set).Findings[0].Presses; got != o.presses {
		t.Fatalf("got %d presses, want %d", got, o.presses)
	}
	store, err := sqlstore.Open(ctx, filepath.Join(set.Data, app.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	o.checkCells(t, store)
	o.checkPages(t, insight.New(store, insight.Options{Now: o.clock.wall}))
	return o, cut
}

// checkCells turns the raw roll-ups into local days by hand.
func (o *diary) checkCells(t *testing.T, store *sqlstore.Store) {
	t.Helper()
	ctx := context.Background()
	got := make(map[spot]map[int]int64)
	undated := 0
	err := store.Snapshot(ctx, func(r verify.Reader) error {
		cells, err := r.Cells(ctx)
		if err != nil {
			return err
		}
		for key, cell := range cells {
			zone, err := time.LoadLocation(o.zones[key.Asked.Site])
			if err != nil {
				return err
			}
			p := spot{key.Asked, key.Bucket.At().In(zone).Format(time.DateOnly)}
			for step, n := range cell.Steps {
				if got[p] == nil {
					got[p] = make(map[int]int64)
				}
				got[p][step] += n
			}
		}
		sources, err := r.Sources(ctx)
		for _, s := range sources {
			visits, e := r.Visits(ctx, s.Key)
			err = errors.Join(err, e)
			for _, v := range visits {
				if !v.Dated() {
					undated++
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for p, steps := range o.want {
		for step, n := range steps {
			if got[p][step] != n {
				t.Errorf("%v step %d: got %d, want %d", p, step, got[p][step], n)
			}
		}
	}
	if undated != o.undated {
		t.Errorf("got %d undated visits, want %d", undated, o.undated)
	}
}

// checkPages reads what a manager reads.
func (o *diary) checkPages(t *testing.T, read *insight.Insight) {
	t.Helper()
	for p, steps := range o.want {
		d, err := site.ParseDay(p.day)
		if err != nil {
			t.Fatal(err)
		}
		view, err := read.Site(context.Background(), p.asked.Site, d)
		if err != nil {
			t.Fatal(err)
		}
		var want, got int64
		for _, x := range steps {
			want += x
		}
		for _, m := range view.Moments {
			if m.Asked == p.asked {
				got = m.Figures.N
			}
		}
		if got != want {
			t.Errorf("%s on %s: the page says %d ratings, want %d", p.asked.Touchpoint, p.day, got, want)
		}
	}
}

// wallClock is the time as it is, whatever the kiosk knows of it.
func (c *calendar) wallClock() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *calendar) wall() time.Time { return c.Now().Wall }

func offlineKiosk(t *testing.T, dir string, c *calendar, s stay, address string) *kioskapp.Kiosk {
	t.Helper()
	k, err := kioskapp.New(context.Background(), offlineOptions(dir, c, s, address))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// offlineOptions are those of a kiosk that looks for no hub, or, with an
// address, for that one.
func offlineOptions(dir string, c kioskapp.Clock, s stay, address string) kioskapp.Options {
	set := settings.Defaults()
	set.Data, set.Kiosk.ID = dir, "traveller"
	set.Kiosk.Site, set.Kiosk.Touchpoint, set.Kiosk.Scale = s.site, s.touchpoint, s.scale
	o := kioskapp.Options{Settings: set, Version: "test", Clock: c, Log: slog.New(slog.DiscardHandler), Offline: address == ""}
	if address != "" {
		o.Settings.Hub.Address, o.Settings.Hub.Key = address, "key"
		o.Times = uplink.Times{Redial: 50 * time.Millisecond}
	}
	return o
}

// settled waits until the hub has confirmed everything that a kiosk holds.
func settled(t *testing.T, k *kioskapp.Kiosk) {
	t.Helper()
	awaitStatus(t, k, func(s kioskapp.Status) bool { return s.Link.Settled && s.Journal.Queue == 0 })
}

// awaitStatus waits until a kiosk is in some state.
func awaitStatus(t *testing.T, k *kioskapp.Kiosk, is func(kioskapp.Status) bool) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		st, err := k.Status(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if is(st) {
			tick.Stop()
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not settled: %+v", st.Link)
		}
	}
}
