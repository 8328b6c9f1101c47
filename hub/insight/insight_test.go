package insight_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sourire/hub/fleet"
	"sourire/hub/ingest"
	"sourire/hub/insight"
	"sourire/hub/site"
	"sourire/hub/store/sqlstore"
	"sourire/hub/store/storetest"
	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// world is a hub without network: a store, an ingester, a read model, a clock.
type world struct {
	store *sqlstore.Store
	in    *insight.Insight
	g     *ingest.Ingester
	now   time.Time
}

func newWorld(t *testing.T, wrap func(insight.Store) insight.Store) *world {
	t.Helper()
	w := &world{now: time.Date(2026, 8, 3, 12, 0, 0, 0, time.UTC)}
	var err error
	if w.store, err = sqlstore.Open(context.Background(), filepath.Join(t.TempDir(), "hub.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.store.Close() })
	clock := func() time.Time { return w.now }
	w.g = storetest.Ingester(t, w.store, clock)
	var s insight.Store = w.store
	if wrap != nil {
		s = wrap(s)
	}
	w.in = insight.New(s, insight.Options{Now: clock})
	return w
}

func asked(touchpoint, scale string) feedback.Asked {
	return feedback.Asked{Site: "lyon", Touchpoint: feedback.TouchpointID(touchpoint), Survey: "s", Scale: feedback.ScaleID(scale)}
}

func (w *world) view(t *testing.T) insight.View {
	t.Helper()
	v, err := w.in.Site(context.Background(), "lyon", site.Day{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// kiosk returns one that boots at 10:00 today, asking.
func (w *world) kiosk(t *testing.T, id string, a feedback.Asked) *storetest.Kiosk {
	at := time.Date(2026, 8, 3, 10, 0, 0, 0, time.UTC)
	k := storetest.NewKiosk(t, w.g, feedback.KioskID(id), at)
	k.Asks(at, a)
	return k
}

// presses makes presses ten seconds apart and returns when it is over.
func presses(k *storetest.Kiosk, at time.Time, ratings ...int) time.Time {
	for _, r := range ratings {
		k.Press(at, r)
		at = at.Add(10 * time.Second)
	}
	k.Send()
	return at
}

func TestInsight_figuresMoveByFive(t *testing.T) {
	w := newWorld(t, nil)
	k := w.kiosk(t, "k1", asked("exit", "smiley3"))
	at := presses(k, w.now.Add(-time.Hour), 2, 2, 2, 0)
	v := w.view(t)
	if m := v.Moments[0]; !m.Figures.Few || m.Figures.N != 4 || m.Figures.Steps != nil || v.Total.Presses != 4 || v.Life.Stored != 4 {
		t.Errorf("under five: got %+v, total %+v", m.Figures, v.Total)
	}
	at = presses(k, at, 0)
	first := w.view(t)
	if f := first.Moments[0].Figures; f.Few || f.N != 5 || f.Share != 0.6 || f.Steps[0] != 2 {
		t.Errorf("at five: got %+v", f)
	}
	at = presses(k, at, 1, 1, 1, 1)
	v = w.view(t)
	if f := v.Moments[0].Figures; f.N != 5 || v.Total.Presses != 5 || v.Life.Stored != 9 || v.Life.Unseen() != 4 || v.Life.Version != first.Life.Version {
		t.Errorf("at nine: got %d ratings of %d presses, life %d", f.N, v.Total.Presses, v.Life.Stored)
	}
	at = presses(k, at, 1)
	l, err := w.in.Life(t.Context(), "lyon")
	if err != nil || l.Version == first.Life.Version || l.Stored != 10 || l.Shown != 10 || l.Stuck {
		t.Errorf("at ten: got %+v, %v", l, err)
	}
	if f := w.view(t).Moments[0].Figures; f.N != 10 || f.Share != 0.3 {
		t.Errorf("at ten: got %+v", f)
	}
	// What is set aside hides no face: it moves at once.
	k.Record(at, feedback.Test{On: true})
	presses(k, at, 0)
	v = w.view(t)
	if c := v.Moments[0].Cell; c.Aside[visit.Test] != 1 || c.Ratings() != 10 || c.Presses != c.Ratings()+c.Repeats()+c.AsidePresses {
		t.Errorf("a test press: got %+v", c)
	}
	// The day over, everything is shown, once and for all.
	w.now = w.now.Add(24 * time.Hour)
	v, err = w.in.Site(t.Context(), "lyon", v.Day)
	if err != nil || v.Today || v.Moments[0].Figures.N != 10 || v.Moments[0].Trend[29].Figures.N != 10 {
		t.Errorf("the day after: got %+v, %v", v.Moments, err)
	}
}

// Two figures that readers saw in succession never differ by fewer than five
// ratings, however presses arrive, and always add up.
func TestInsight_noSmallSteps(t *testing.T) {
	w := newWorld(t, nil)
	checks := 0
	rapid.Check(t, func(rt *rapid.T) {
		checks++ // each has a site of its own in one store
		id := feedback.SiteID(fmt.Sprintf("site-%d", checks))
		a := asked("exit", "smiley3")
		a.Site = id
		k := w.kiosk(t, "k-"+string(id), a)
		at := presses(k, w.now.Add(-time.Hour), 2)
		var before insight.Figures
		for range rapid.IntRange(3, 12).Draw(rt, "rounds") {
			for range rapid.IntRange(0, 4).Draw(rt, "presses") {
				k.Press(at, rapid.IntRange(0, 2).Draw(rt, "face"))
				at = at.Add(time.Duration(rapid.SampledFrom([]int{300, 1000, 4000}).Draw(rt, "gap")) * time.Millisecond)
			}
			k.Send()
			v, err := w.in.Site(t.Context(), id, site.Day{})
			if err != nil {
				rt.Fatal(err)
			}
			m := v.Moments[0]
			if v.Total.Presses+v.Life.Unseen() != v.Life.Stored || m.Stuck {
				rt.Fatalf("%d presses are shown and %d not, of %d", v.Total.Presses, v.Life.Unseen(), v.Life.Stored)
			}
			if c := m.Cell; c.Presses != c.Ratings()+c.Repeats()+c.AsidePresses || m.Figures.N != c.Ratings() {
				rt.Fatalf("does not add up: %+v", c)
			}
			f := m.Figures
			if f.Few {
				continue
			}
			if f.N < 5 {
				rt.Fatalf("figures of %d ratings", f.N)
			}
			if before.Steps != nil {
				var came, went int64
				for i := range f.Steps {
					came += max(0, f.Steps[i]-before.Steps[i])
					went += max(0, before.Steps[i]-f.Steps[i])
				}
				if moved := max(came, went); moved != 0 && moved < 5 {
					rt.Fatalf("a step of %d: %v, %v", moved, before.Steps, f.Steps)
				}
			}
			before = f
		}
	})
}

func TestInsight_scalesStandSideBySide(t *testing.T) {
	w := newWorld(t, nil)
	k := w.kiosk(t, "k1", asked("exit", "smiley3"))
	at := presses(k, w.now.Add(-time.Hour), 2, 2, 2, 2, 2)
	k.Asks(at, asked("exit", "nps"))
	presses(k, at, 10, 9, 0, 0, 0, 0)
	v := w.view(t)
	if len(v.Moments) != 2 || v.Moments[0].Figures.N != 6 || v.Moments[0].Figures.Tally.Negative != 4 || v.Moments[1].Figures.Share != 1 {
		t.Errorf("got %+v", v.Moments)
	}
	if v.Total.Ratings() != 11 || v.Total.Presses != 11 {
		t.Errorf("total: got %+v", v.Total)
	}
}

func TestInsight_clusteringFromOpenDaysBefore(t *testing.T) {
	w := newWorld(t, nil)
	boot := w.now.Add(-40 * 24 * time.Hour)
	k := storetest.NewKiosk(t, w.g, "k1", boot)
	k.Asks(boot, asked("exit", "smiley3"))
	for day := range 20 { // 30 of 40 happy, then 20 of 60, as in change's known answers
		at := boot.Add(time.Duration(day) * 24 * time.Hour)
		happy, all := 30, 40
		if day%2 == 1 {
			happy, all = 20, 60
		}
		for i := range all {
			rating := 0
			if i < happy {
				rating = 2
			}
			k.Press(at, rating)
			at = at.Add(10 * time.Second)
		}
	}
	k.Asks(w.now.Add(-time.Hour), asked("till", "smiley3"))
	presses(k, w.now.Add(-time.Hour), 2, 2, 2, 2, 0)
	v := w.view(t)
	want := 16.666666666666668 * 10 / 19
	for _, m := range v.Moments {
		if m.Spread.Phi < want-1e-9 || m.Spread.Phi > want+1e-9 {
			t.Errorf("%s: got φ %v, want %v", m.Asked.Touchpoint, m.Spread.Phi, want)
		}
	}
	exit, till := v.Moments[0], v.Moments[1]
	if exit.Spread.Days != 20 || exit.Spread.Others != 0 || till.Spread.Days != 0 || till.Spread.Others != 1 {
		t.Errorf("got %+v and %+v", exit.Spread, till.Spread)
	}
	if f := till.Figures; f.NEff != 5/till.Spread.Phi || f.Interval.Low > 0.8 || f.Interval.High < 0.8 {
		t.Errorf("got %+v", f)
	}
	if p := exit.Trend[5]; p.Figures.N != 40 && p.Figures.N != 60 || p.Day.String() != "2026-07-10" {
		t.Errorf("trend: got %+v", p)
	}
}

func TestInsight_completeUpTo(t *testing.T) {
	w := newWorld(t, nil)
	k1, k2 := w.kiosk(t, "k1", asked("exit", "smiley3")), w.kiosk(t, "k2", asked("till", "smiley3"))
	last := presses(k1, w.now.Add(-time.Hour), 2).Add(-10 * time.Second)
	presses(k2, w.now.Add(-time.Hour), 2)
	see := func(s ...fleet.Sighting) insight.Life {
		t.Helper()
		for i := range s {
			s[i].Online, s[i].LastAt = true, s[i].HeardAt
		}
		if err := w.store.PutSightings(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		return w.view(t).Life
	}
	heard := w.now.Add(-time.Minute)
	l := see(fleet.Sighting{Kiosk: "k1", Epoch: 1, Next: k1.Next(), HeardAt: heard.Add(-time.Second)},
		fleet.Sighting{Kiosk: "k2", Epoch: 1, Next: k2.Next(), HeardAt: heard})
	if !l.UpTo.Equal(heard.Add(-time.Second)) || l.HeldBy != "k1" {
		t.Errorf("all delivered: got %v by %s", l.UpTo, l.HeldBy)
	}
	l = see(fleet.Sighting{Kiosk: "k1", Epoch: 1, Next: k1.Next() + 3, Queued: 3, HeardAt: heard})
	if !l.UpTo.Equal(last) || l.HeldBy != "k1" || l.Waiting != 3 || l.Stored != 2 {
		t.Errorf("three wait: got %v by %s, %d waiting, %d stored", l.UpTo, l.HeldBy, l.Waiting, l.Stored)
	}
	l = see(fleet.Sighting{Kiosk: "k1", Epoch: 2, Next: k1.Next(), HeardAt: heard})
	if !l.UpTo.Equal(last) {
		t.Errorf("another epoch: got %v, want the mark's instant", l.UpTo)
	}
	w.now = w.now.Add(insight.RetiredAfter + time.Hour)
	l = see(fleet.Sighting{Kiosk: "k2", Epoch: 1, Next: k2.Next(), HeardAt: w.now.Add(-10 * time.Minute)})
	if l.HeldBy != "k2" || l.Kiosks[0].Condition != insight.Retired || l.Kiosks[1].Condition != insight.Late {
		t.Errorf("k1 gone for weeks: got %+v", l)
	}
}

// An import of a history says nothing of what kiosks still hold: what is complete
// does not wait for it.
func TestInsight_importsAreNotWaitedFor(t *testing.T) {
	w := newWorld(t, nil)
	presses(w.kiosk(t, "import-lyon", asked("exit", "smiley3")), w.now.Add(-1000*time.Hour), 2)
	k := w.kiosk(t, "k1", asked("exit", "smiley3"))
	presses(k, w.now.Add(-time.Hour), 2)
	if l := w.view(t).Life; l.HeldBy != "k1" || l.Kiosks[0].Condition != insight.Retired {
		t.Errorf("got held by %s, %+v", l.HeldBy, l.Kiosks)
	}
}

func TestInsight_overviewAndUnknown(t *testing.T) {
	w := newWorld(t, nil)
	if all, err := w.in.Sites(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("got %v, %v", all, err)
	}
	nice, err := site.New("nice", "nice Étoile", "Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.in.Configure(t.Context(), []site.Site{nice}); err != nil {
		t.Fatal(err)
	}
	presses(w.kiosk(t, "k1", asked("exit", "smiley3")), w.now.Add(-time.Hour), 2, 2, 2, 2, 2)
	all, err := w.in.Sites(t.Context())
	if err != nil || len(all) != 2 || all[0].Site.Name != "lyon" || all[0].Moments[0].Figures.N != 5 || all[0].Moments[0].Trend != nil || len(all[1].Moments) != 0 {
		t.Errorf("got %+v, %v", all, err)
	}
	if _, err := w.in.Site(t.Context(), "oslo", site.Day{}); !errors.Is(err, insight.ErrUnknownSite) {
		t.Errorf("got %v", err)
	}
	v, err := w.in.Site(t.Context(), "lyon", site.Day{Year: 2030, Month: 1, Day: 1})
	if err != nil || !v.Today {
		t.Errorf("a day to come: got %v, %v", v.Day, err)
	}
}

// refusing is a store that does not take figures.
type refusing struct{ insight.Store }

func (refusing) Publish(context.Context, ...insight.Move) ([]bool, error) {
	return nil, errors.New("disk full")
}

func TestInsight_storeRefusesWrites(t *testing.T) {
	w := newWorld(t, func(s insight.Store) insight.Store { return refusing{s} })
	presses(w.kiosk(t, "k1", asked("exit", "smiley3")), w.now.Add(-time.Hour), 2, 2, 2, 2, 2)
	v := w.view(t)
	m := v.Moments[0]
	if v.Trouble == nil || m.Figures.N != 0 || !m.Stuck || v.Life.Stored != 5 || v.Life.Unseen() != 5 || !v.Life.Stuck {
		t.Errorf("got %v, %+v, %d stored", v.Trouble, m.Figures, v.Life.Stored)
	}
}

// Bad records are named, and tell a page that is open of them.
func TestInsight_badRecords(t *testing.T) {
	w := newWorld(t, nil)
	k := w.kiosk(t, "k1", asked("exit", "smiley3"))
	at := presses(k, w.now.Add(-time.Hour), 2)
	before := w.view(t).Life
	presses(k, at, 9, 9) // no such face
	l := w.view(t).Life
	if before.Bad != 0 || l.Bad != 2 || l.Kiosks[0].Bad != 2 || l.Stored != 1 || l.Version == before.Version {
		t.Errorf("got %+v after %+v", l, before)
	}
}

// reads counts what is asked of a store, by the number of questions.
type reads struct {
	insight.Store
	asked []int // of lookBack days
	moved []int // by a transaction
}

func (r *reads) Publish(ctx context.Context, moves ...insight.Move) ([]bool, error) {
	r.moved = append(r.moved, len(moves))
	return r.Store.Publish(ctx, moves...)
}

func (r *reads) Read(ctx context.Context, qs ...insight.Question) ([]insight.Answer, error) {
	n := 0
	for _, q := range qs {
		if q.Days > insight.TrendDays {
			n++
		}
	}
	if n > 0 {
		r.asked = append(r.asked, n)
	}
	return r.Store.Read(ctx, qs...)
}

// The factors of all sites are read once, at the start; overviews renew a few of
// them at a time, over the hours and over midnight, until nobody has asked for
// more than a day.
func TestInsight_factorsAreRenewedInTurn(t *testing.T) {
	var r *reads
	w := newWorld(t, func(s insight.Store) insight.Store { r = &reads{Store: s}; return r })
	const sites = 10
	for i := range sites {
		a := asked("exit", "smiley3")
		a.Site = feedback.SiteID(fmt.Sprintf("site-%d", i))
		presses(w.kiosk(t, fmt.Sprintf("k%d", i), a), w.now.Add(-time.Hour), 2, 2, 2, 2, 0)
	}
	overview := func() {
		t.Helper()
		if _, err := w.in.Sites(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	got := func(what string, want ...int) {
		t.Helper()
		if !slices.Equal(r.asked, want) {
			t.Errorf("%s: factors read of %v sites, want %v", what, r.asked, want)
		}
		r.asked = nil
	}
	if err := w.in.Configure(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	got("at the start", sites)
	overview()
	got("the first overview")
	if !slices.Equal(r.moved, []int{sites}) {
		t.Errorf("the first overview has moved %v figures on, want those of all sites at once", r.moved)
	}
	w.now = w.now.Add(50 * time.Minute)
	overview()
	got("within the hour")
	w.now = w.now.Add(11 * time.Minute)
	for range 3 {
		overview()
	}
	got("after an hour, three at once", 2)
	for range sites {
		w.now = w.now.Add(11 * time.Second)
		overview()
	}
	got("until all are renewed", 2, 2, 2, 2)
	w.now = time.Date(2026, 8, 4, 0, 0, 1, 0, time.UTC)
	overview()
	got("after midnight", 2)
	if _, err := w.in.Site(t.Context(), "site-9", site.Day{}); err != nil {
		t.Fatal(err)
	}
	got("a site after midnight")
	w.now = w.now.Add(27 * time.Hour)
	overview()
	got("after more than a day", sites)
	w.now = w.now.Add(-2 * time.Hour)
	overview()
	got("after the clock was set back", 2)
}
