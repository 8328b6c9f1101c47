package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"sourire/hub/fleet"
	"sourire/hub/ingest"
	"sourire/hub/insight"
	"sourire/hub/site"
	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// InsightStore is a store as the suite of insight.Store in hub/store/storetest
// needs it: with the ways in which rows get there.
type InsightStore interface {
	insight.Store
	ingest.Store
	fleet.Store
	TakeOver(ctx context.Context) (int64, error)
}

// Ingester returns an ingester that has taken the store over.
func Ingester(tb testing.TB, s interface {
	ingest.Store
	TakeOver(ctx context.Context) (int64, error)
}, now func() time.Time,
) *ingest.Ingester {
	tb.Helper()
	term, err := s.TakeOver(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return ingest.New(s, ingest.Options{StoreID: "test", Term: term, Now: now})
}

// Insight holds a store to the contract of insight.Store. open returns an empty
// store that is closed when the test ends.
func Insight(t *testing.T, open func(t *testing.T) InsightStore) {
	t.Run("Sites", func(t *testing.T) { insightSites(t, open(t)) })
	t.Run("Read", func(t *testing.T) { insightRead(t, open(t)) })
	t.Run("Kiosks", func(t *testing.T) { insightKiosks(t, open(t)) })
	t.Run("Kiosks with bad records", func(t *testing.T) { insightBad(t, open(t)) })
	t.Run("Publish", func(t *testing.T) { insightPublish(t, open(t)) })
}

func start() time.Time { return time.Date(2026, 3, 28, 22, 0, 0, 0, time.UTC) }

func exit(at feedback.SiteID) feedback.Asked {
	return feedback.Asked{Site: at, Touchpoint: "exit", Survey: "s", Scale: "smiley3"}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

func insightSites(t *testing.T, s InsightStore) {
	ctx := t.Context()
	if got := must(s.Sites(ctx))(t); len(got) != 0 {
		t.Errorf("an empty store has sites %v", got)
	}
	lyon := must(site.New("lyon", "Lyon", "Europe/Paris"))(t)
	nice := must(site.New("nice", "", "Europe/Paris"))(t)
	if err := s.PutSites(ctx, []site.Site{nice, lyon}); err != nil {
		t.Fatal(err)
	}
	lyon.Name = "Lyon Part-Dieu"
	if err := s.PutSites(ctx, []site.Site{lyon}); err != nil {
		t.Fatal(err)
	}
	k := NewKiosk(t, Ingester(t, s, start), "k1", start())
	for _, at := range []feedback.SiteID{"delhi", "lyon"} {
		k.Asks(start(), exit(at))
		k.Press(start().Add(time.Minute), 2)
	}
	k.Send()
	want := []insight.Place{{ID: "delhi"}, {ID: "lyon", Name: "Lyon Part-Dieu", Zone: "Europe/Paris"}, {ID: "nice", Name: "nice", Zone: "Europe/Paris"}}
	if got := must(s.Sites(ctx))(t); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func insightRead(t *testing.T, s InsightStore) {
	ctx := t.Context()
	stored := start().Add(72 * time.Hour)
	k := NewKiosk(t, Ingester(t, s, func() time.Time { return stored }), "k1", start())
	k.Asks(start(), exit("lyon"))
	paris := must(site.New("lyon", "Lyon", "Europe/Paris"))(t)
	last := site.Day{Year: 2026, Month: time.March, Day: 30}
	// Midnight in Paris is 23:00 UTC until the 29th and 22:00 after; a press on
	// either side of each border, over 2 s apart so that each is a visit.
	instants := []string{
		"2026-03-28T22:59:56Z", "2026-03-28T23:00:00Z", "2026-03-29T21:59:56Z",
		"2026-03-29T22:00:00Z", "2026-03-30T21:59:56Z", "2026-03-30T22:00:00Z",
	}
	for _, at := range instants {
		k.Press(must(time.Parse(time.RFC3339, at))(t), 2)
	}
	k.Asks(stored, exit("nice"))
	k.Press(stored, 0)
	k.Reboot(stored.Add(time.Hour), false) // no clock: undated
	k.Asks(stored.Add(time.Hour), exit("lyon"))
	k.Press(stored.Add(2*time.Hour), 1)
	k.Send()
	q := insight.Question{Site: paris, Last: last, Days: 3, Undated: true}
	a := must(s.Read(ctx, q))(t)[0]
	got := make([]int64, 3)
	for _, d := range a.Days {
		if d.Asked != exit("lyon") || d.Cell.Presses != d.Cell.Steps[2] {
			t.Errorf("got %+v", d)
		}
		got[d.Day] += d.Cell.Steps[2]
	}
	if want := []int64{1, 2, 2}; !slices.Equal(got, want) {
		t.Errorf("presses by day: got %v, want %v", got, want)
	}
	if len(a.Undated) != 1 || a.Undated[0].Day != -1 || a.Undated[0].Cell.Aside[visit.Undated] != 1 || a.Undated[0].Cell.Presses != 1 {
		t.Errorf("undated: got %+v", a.Undated)
	}
	if pressed := must(time.Parse(time.RFC3339, instants[5]))(t); !a.PressedAt.Equal(pressed) || !a.StoredAt.Equal(stored) {
		t.Errorf("got pressed %v and stored %v, want %v and %v", a.PressedAt, a.StoredAt, pressed, stored)
	}
	if a.Shown.At != 0 || a.Shown.Body != nil {
		t.Errorf("something is shown: %+v", a.Shown)
	}
	oslo := must(site.New("oslo", "", "Europe/Oslo"))(t)
	empty := must(s.Read(ctx, insight.Question{Site: oslo, Last: last, Days: 3, Undated: true, Shown: "2026-03-30"}))(t)[0]
	if len(empty.Days)+len(empty.Undated) != 0 || empty.Shown.At != 0 || !empty.PressedAt.IsZero() {
		t.Errorf("a site without presses: got %+v", empty)
	}
}

func insightKiosks(t *testing.T, s InsightStore) {
	ctx := t.Context()
	g := Ingester(t, s, start)
	k1 := NewKiosk(t, g, "k1", start())
	k1.Asks(start(), exit("lyon"))
	k1.Send()
	k1.Press(start().Add(time.Minute), 2)
	k1.Press(start().Add(2*time.Minute), 2)
	k1.Lose()
	k1.Press(start().Add(3*time.Minute), 2)
	k1.Send()
	k2 := NewKiosk(t, g, "k2", start())
	k2.Asks(start(), exit("nice"))
	k2.Send()
	heard, last := start().Add(time.Hour), start().Add(2*time.Hour)
	if err := s.PutSightings(ctx, []fleet.Sighting{
		{Kiosk: "k1", Session: 3, Online: true, Version: "1.2", Epoch: k1.Epoch, Next: k1.Next(), Queued: 7, HeardAt: heard, LastAt: last},
		{Kiosk: "k9", Session: 1}, // nothing recorded: at no site
	}); err != nil {
		t.Fatal(err)
	}
	got := must(s.Kiosks(ctx, "lyon"))(t)
	if len(got) != 1 {
		t.Fatalf("got %d kiosks at lyon, want 1", len(got))
	}
	k := got[0]
	if k.ID != "k1" || k.Epoch != k1.Epoch || k.Through != k1.Next()-1 || k.State.Asked == nil || !k.StoredAt.Equal(start()) {
		t.Errorf("got %+v", k)
	}
	want := insight.Pulse{Online: true, Version: "1.2", Epoch: k1.Epoch, Next: k1.Next(), Queued: 7, HeardAt: heard, LastAt: last}
	if k.Pulse == nil || *k.Pulse != want {
		t.Errorf("pulse: got %+v, want %+v", k.Pulse, want)
	}
	gap := insight.Gap{Kiosk: "k1", Epoch: k1.Epoch, First: 4, Last: 5, Why: ingest.GapPruned, At: start()}
	if !slices.Equal(k.Gaps, []insight.Gap{gap}) {
		t.Errorf("gaps: got %+v, want %+v", k.Gaps, gap)
	}
	all := must(s.Kiosks(ctx, ""))(t)
	if len(all) != 2 || all[0].ID != "k1" || all[1].ID != "k2" || all[1].Pulse != nil {
		t.Errorf("all kiosks: got %+v", all)
	}
}

// insightBad counts bad records of all journals of a kiosk, closed ones included,
// and of nobody else.
func insightBad(t *testing.T, s InsightStore) {
	ctx := t.Context()
	g := Ingester(t, s, start)
	k1, k2 := NewKiosk(t, g, "k1", start()), NewKiosk(t, g, "k2", start())
	k1.Asks(start(), exit("lyon"))
	k1.Verbatim([]byte(`{"b":1,"s":1,"t":"of another age"}`))
	k1.Press(start().Add(time.Minute), 9) // no such face
	k1.Send()
	k2.Asks(start(), exit("lyon"))
	k2.Send()
	anew := NewKiosk(t, g, "k1", start())
	anew.Epoch = 2
	anew.Asks(start(), exit("lyon"))
	anew.Verbatim([]byte(`{"b":1,"s":1,"t":"of another age"}`))
	anew.Send()
	for _, at := range []feedback.SiteID{"lyon", ""} {
		got := must(s.Kiosks(ctx, at))(t)
		if len(got) != 2 || got[0].Epoch != 2 || got[0].Bad != 3 || got[1].Bad != 0 {
			t.Errorf("at %q: got %+v, want two kiosks with 3 and 0 bad records", at, got)
		}
	}
	if got := must(s.Kiosks(ctx, "nice"))(t); len(got) != 0 {
		t.Errorf("at nice: got %+v", got)
	}
}

func insightPublish(t *testing.T, s InsightStore) {
	ctx := t.Context()
	lyon := must(site.New("lyon", "", "Europe/Paris"))(t)
	put := func(day, body string, at, was int64, want bool) {
		t.Helper()
		if got := must(s.Publish(ctx, insight.Move{Snapshot: insight.Snapshot{Site: "lyon", Day: day, Body: []byte(body), At: at}, Was: was}))(t); got[0] != want {
			t.Errorf("%s at %d over %d: got %v, want %v", day, at, was, got, want)
		}
	}
	shown := func(day, body string, at int64) {
		t.Helper()
		a := must(s.Read(ctx, insight.Question{Site: lyon, Last: site.Day{Year: 2026, Month: time.March, Day: 29}, Days: 1, Shown: day}))(t)[0]
		if string(a.Shown.Body) != body || a.Shown.At != at {
			t.Errorf("%s: got %q at %d, want %q at %d", day, a.Shown.Body, a.Shown.At, body, at)
		}
	}
	put("2026-03-29", "none", 9, 8, false) // nothing is shown that could be of 8
	put("2026-03-29", "a", 10, 0, true)
	put("2026-03-29", "late", 11, 0, false)
	shown("2026-03-29", "a", 10)
	put("2026-03-29", "b", 12, 10, true)
	put("2026-03-29", "late", 13, 10, false)
	shown("2026-03-29", "b", 12)
	put("2026-03-30", "c", 20, 0, true)
	shown("2026-03-30", "c", 20)
	shown("2026-03-29", "", 0) // earlier days are forgotten

	// Several at once, in whatever order; one that is late does not hold up others.
	move := func(at feedback.SiteID, body string, is, was int64) insight.Move {
		return insight.Move{Snapshot: insight.Snapshot{Site: at, Day: "2026-03-30", Body: []byte(body), At: is}, Was: was}
	}
	if got := must(s.Publish(ctx, move("nice", "n", 30, 0), move("lyon", "late", 31, 10), move("delhi", "d", 32, 0)))(t); !slices.Equal(got, []bool{true, false, true}) {
		t.Errorf("three at once: got %v, want all but the late one", got)
	}
	if got := must(s.Publish(ctx, move("nice", "late", 40, 31), move("lyon", "d", 41, 20)))(t); !slices.Equal(got, []bool{false, true}) {
		t.Errorf("two at once: got %v, want all but the late one", got)
	}
	shown("2026-03-30", "d", 41)
}
