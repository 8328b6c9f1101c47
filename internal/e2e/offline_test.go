package e2e

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"sourire/hub/app"
	"sourire/hub/insight"
	"sourire/hub/site"
	"sourire/hub/store/sqlstore"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	kioskapp "sourire/kiosk/app"
	"sourire/kiosk/clock"
	"sourire/kiosk/settings"
	"sourire/kiosk/uplink"
)

// calendar is a kiosk's clock that a test turns.
type calendar struct {
	mu   sync.Mutex
	boot string
	at   time.Time // of the boot
	now  time.Time
}

// Now implements kiosk/app.Clock.
func (c *calendar) Now() clock.Reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	return clock.Reading{BootID: c.boot, Since: c.now.Sub(c.at), Wall: c.now, Trusted: true}
}

func (c *calendar) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// stay is where a kiosk stands for some of the days.
type stay struct {
	site, touchpoint, scale, zone string
	days                          int
	rating                        func(i int) int
}

// A kiosk is offline for thirty days of 250 presses, is moved to another
// touchpoint, given another scale and carried to another country in between.
// Then it meets its hub: each press is counted where, when and as it was asked,
// on the local day, across the end of summer time and in a zone that is 45
// minutes off the hour.
func TestOffline_thirtyDays(t *testing.T) {
	const perDay = 250
	stays := []stay{
		{"store-1", "exit", "smiley3", "Europe/Paris", 10, func(i int) int { return i % 3 }},
		{"store-1", "till-3", "smiley5", "Europe/Paris", 10, func(i int) int { return 1 + i%5 }},
		{"store-2", "exit", "smiley3", "Asia/Kathmandu", 10, func(i int) int { return 2 * (i % 2) }},
	}
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "kiosk")
	began := time.Date(2026, 10, 10, 22, 0, 0, 0, time.UTC) // midnight in Paris; summer time ends on the 25th
	c := &calendar{boot: "boot-0", at: began.Add(-time.Hour), now: began}

	type place struct {
		asked feedback.Asked
		day   string
	}
	want := make(map[place]map[int]int64) // ratings by day and step
	day := 0
	for n, s := range stays {
		c.boot, c.at = "boot-"+s.site+s.touchpoint, c.now.Add(-time.Minute)
		k := offlineKiosk(t, dir, c, s, "")
		zone, err := time.LoadLocation(s.zone)
		if err != nil {
			t.Fatal(err)
		}
		asked := feedback.Asked{
			Site: feedback.SiteID(s.site), Touchpoint: feedback.TouchpointID(s.touchpoint), Survey: "visit", Scale: feedback.ScaleID(s.scale),
		}
		scale, err := feedback.ParseScale(s.scale)
		if err != nil {
			t.Fatal(err)
		}
		for range s.days {
			for i := range perDay {
				// All round the clock, at odd seconds, never within two
				// seconds of the last.
				at := began.AddDate(0, 0, day).Add(time.Duration(i) * 345 * time.Second).Add(7 * time.Second)
				c.set(at)
				if _, err := k.Press(ctx, s.rating(i)); err != nil {
					t.Fatal(err)
				}
				p := place{asked, at.In(zone).Format("2006-01-02")}
				if want[p] == nil {
					want[p] = make(map[int]int64)
				}
				want[p][scale.Step(s.rating(i))]++
			}
			day++
		}
		if err := k.Close(); err != nil {
			t.Fatalf("stay %d: %v", n, err)
		}
	}

	set := hubSettings(t)
	set.Sites = []app.SiteSettings{{ID: "store-1", Zone: "Europe/Paris"}, {ID: "store-2", Zone: "Asia/Kathmandu"}}
	hub := startHub(t, set)
	k := offlineKiosk(t, dir, c, stays[2], hub.BrokerAddr())
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- k.Run(running) }()
	settled(t, k)
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if got := proved(t, set).Findings[0].Presses; got != int64(perDay*day) {
		t.Fatalf("got %d presses, want %d", got, perDay*day)
	}

	store, err := sqlstore.Open(ctx, filepath.Join(set.Data, app.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	// The raw roll-ups, turned into local days by hand.
	got := make(map[place]map[int]int64)
	zones := map[feedback.SiteID]string{"store-1": "Europe/Paris", "store-2": "Asia/Kathmandu"}
	err = store.Snapshot(ctx, func(r verify.Reader) error {
		cells, err := r.Cells(ctx)
		for key, cell := range cells {
			zone, err := time.LoadLocation(zones[key.Asked.Site])
			if err != nil {
				return err
			}
			p := place{key.Asked, key.Bucket.At().In(zone).Format("2006-01-02")}
			if got[p] == nil {
				got[p] = make(map[int]int64)
			}
			for step, n := range cell.Steps {
				got[p][step] += n
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for p, steps := range want {
		for step, n := range steps {
			if got[p][step] != n {
				t.Errorf("%v step %d: got %d, want %d", p, step, got[p][step], n)
			}
		}
	}
	// And as a manager reads them.
	read := insight.New(store, insight.Options{Now: c.wall})
	for _, s := range []feedback.SiteID{"store-1", "store-2"} {
		for p, steps := range want {
			if p.asked.Site != s {
				continue
			}
			d, err := site.ParseDay(p.day)
			if err != nil {
				t.Fatal(err)
			}
			view, err := read.Site(ctx, s, d)
			if err != nil {
				t.Fatal(err)
			}
			var n int64
			for _, x := range steps {
				n += x
			}
			for _, m := range view.Moments {
				if m.Asked == p.asked && m.Figures.N != n {
					t.Errorf("%s on %s: the page says %d ratings, want %d", p.asked.Touchpoint, p.day, m.Figures.N, n)
				}
			}
		}
	}
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
	deadline := time.After(2 * time.Minute)
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		st, err := k.Status(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if st.Link.Settled && st.Journal.Queue == 0 {
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
