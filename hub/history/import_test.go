package history_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sourire/hub/history"
	"sourire/hub/ingest"
	"sourire/hub/store/sqlstore"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// rig is a store that histories are taken into.
type rig struct {
	store *sqlstore.Store
	g     *ingest.Ingester
	o     history.Options
}

func now() time.Time { return time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC) }

func newRig(t *testing.T) *rig {
	t.Helper()
	s, err := sqlstore.Open(context.Background(), filepath.Join(t.TempDir(), "hub.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	term, err := s.TakeOver(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	return &rig{
		store: s, g: ingest.New(s, ingest.Options{StoreID: "s", Term: term, Now: now}),
		o: history.Options{Zone: paris, Now: now},
	}
}

func (r *rig) take(file string, m history.Mapping) (history.Report, error) {
	return history.Import(context.Background(), file, m, r.store, r.g, r.o)
}

// proved returns the sums of the roll-ups, after verify has found nothing.
func (r *rig) proved(t interface {
	Helper()
	Fatalf(string, ...any)
},
) (ratings, aside int64) {
	t.Helper()
	report, err := verify.Run(context.Background(), r.store, "", nil)
	if err != nil || !report.OK() {
		t.Fatalf("verify: %v, %+v", err, report)
	}
	for _, c := range report.Cells {
		ratings, aside = ratings+c.Ratings(), aside+c.SetAside()
	}
	return ratings, aside
}

func simple() history.Mapping {
	return history.Mapping{
		Time: []string{"time"}, Rating: "rating", Site: "lyon", Touchpoint: "exit", Survey: "visit", Scale: "smiley3",
	}
}

func data(name string) string { return filepath.Join("testdata", name) }

func copied(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(data(name))
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestImport_french(t *testing.T) {
	r := newRig(t)
	m := simple()
	m.Time, m.Rating, m.Location, m.Site = []string{"date", "heure"}, "Note", "Lieu", ""
	m.Ratings = map[string]int{"Pas content": 0, "bof": 1, "CONTENT": 2}
	got, err := r.take(data("french_with_bom_and_quotes.csv"), m)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Dropped, []string{"E-mail"}) || got.Dates != history.DayFirst {
		t.Errorf("got dropped %q, dates %s", got.Dropped, got.Dates)
	}
	if len(got.Places) != 2 || got.Places[0].Place.Site != "foret-de-senart" || got.Places[1].Place.Site != "gare-nord" {
		t.Fatalf("got places %+v", got.Places)
	}
	if f := got.Places[0]; f.Key.Kiosk != "import-foret-de-senart" || f.Visits[visit.Counted] != 2 || f.First.UTC().Format(time.RFC3339) != "2024-03-05T14:04:00Z" {
		t.Errorf("got %+v", f)
	}
	if ratings, aside := r.proved(t); ratings != 3 || aside != 0 {
		t.Errorf("got %d ratings and %d set aside, want 3 and 0", ratings, aside)
	}
	again, err := r.take(data("french_with_bom_and_quotes.csv"), m)
	if err != nil || again.Places[0].Verdict != history.Recognised || again.Places[1].Verdict != history.Recognised {
		t.Errorf("the second time: got %+v, %v", again.Places, err)
	}
	if ratings, _ := r.proved(t); ratings != 3 {
		t.Errorf("got %d ratings after the second time", ratings)
	}
	m.Ratings["bof"] = 0
	if other, err := r.take(data("french_with_bom_and_quotes.csv"), m); !errors.Is(err, history.ErrOverlaps) || other.Places[0].Verdict != history.Overlaps {
		t.Errorf("another mapping: got %+v, %v", other.Places, err)
	}
	r.o.Overlap = true
	if _, err := r.take(data("french_with_bom_and_quotes.csv"), m); err != nil {
		t.Error(err)
	}
	if ratings, _ := r.proved(t); ratings != 6 {
		t.Errorf("got %d ratings counted beside each other, want 6", ratings)
	}
}

func TestImport_refuses(t *testing.T) {
	for _, c := range []struct {
		file   string
		change func(*history.Mapping)
		want   []string // parts of the error
		reason map[history.Reason]int64
		lines  []int // of the examples
		rows   int64
	}{
		{"bad_cells.csv", nil, nil, map[history.Reason]int64{history.BadRating: 3, history.BadTime: 6, history.FarTime: 2}, []int{3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 16}, 4},
		{"broken_quotes.csv", nil, nil, map[history.Reason]int64{history.BadLine: 4}, []int{2, 6, 7, 8}, 3},
		{"time_that_does_not_exist.csv", nil, nil, map[history.Reason]int64{history.SkippedTime: 1, history.DoubleTime: 1}, []int{3, 5}, 4},
		{"day_or_month.csv", nil, []string{"--dates", "03/04/2024"}, nil, nil, 0},
		{"day_and_month.csv", nil, []string{"--dates"}, nil, nil, 0},
		{"day_and_month.csv", func(m *history.Mapping) { m.Dates = history.DayFirst }, nil, map[history.Reason]int64{history.BadTime: 1}, []int{3}, 1},
		{"empty.csv", nil, []string{"empty.csv", "titles"}, nil, nil, 0},
		{"utf16.csv", nil, []string{"UTF-8"}, nil, nil, 0},
		{"column_twice.csv", nil, []string{`"time"`, "twice"}, nil, nil, 0},
		{"windows1252.csv", nil, []string{`"time"`, `"date", "café", "note"`}, nil, nil, 0},
		{"day_or_month.csv", func(m *history.Mapping) { m.Scale = "stars" }, []string{"stars", "smiley3"}, nil, nil, 0},
		{"day_or_month.csv", func(m *history.Mapping) { m.Site = "" }, []string{"location column"}, nil, nil, 0},
		{"day_or_month.csv", func(m *history.Mapping) { m.Ratings = map[string]int{"good": 3} }, []string{"good", "0 to 2"}, nil, nil, 0},
		{"day_or_month.csv", func(m *history.Mapping) { m.Zone = "Mars" }, []string{"Mars", "Europe/Paris"}, nil, nil, 0},
		{"absent.csv", nil, []string{"absent.csv"}, nil, nil, 0},
		{"broken_quotes.csv", func(m *history.Mapping) { m.Presses = true }, nil, map[history.Reason]int64{history.BadLine: 4, history.BadTime: 3}, []int{2, 3, 4, 6, 7, 8, 9}, 0},
	} {
		t.Run(c.file, func(t *testing.T) {
			r := newRig(t)
			r.o.Examples = 20
			m := simple()
			if c.change != nil {
				c.change(&m)
			}
			file := data(c.file)
			if c.reason != nil {
				file = copied(t, c.file)
			}
			got, err := r.take(file, m)
			for _, w := range c.want {
				if err == nil || !strings.Contains(err.Error(), w) {
					t.Errorf("got %v, want it to name %q", err, w)
				}
			}
			if c.reason == nil {
				return
			}
			if !errors.Is(err, history.ErrRefused) {
				t.Errorf("got %v, want ErrRefused", err)
			}
			if ratings, aside := r.proved(t); ratings+aside != 0 {
				t.Errorf("got %d ratings and %d set aside of a file that was refused", ratings, aside)
			}
			var lines []int
			for _, x := range got.Examples {
				lines = append(lines, x.Line)
			}
			if fmt.Sprint(got.Refused) != fmt.Sprint(c.reason) || !slices.Equal(lines, c.lines) {
				t.Errorf("got %v of lines %v, want %v of %v: %+v", got.Refused, lines, c.reason, c.lines, got.Examples)
			}
			r.o.SkipBad = true
			if got, err = r.take(file, m); err != nil {
				t.Fatal(err)
			}
			if ratings, _ := r.proved(t); ratings != c.rows {
				t.Errorf("got %d ratings, want %d", ratings, c.rows)
			}
			text, err := os.ReadFile(file + ".refused.csv")
			if err != nil || got.File != file+".refused.csv" {
				t.Fatalf("got the file %q, %v", got.File, err)
			}
			if n := strings.Count(string(text), "\n"); n < 1+len(c.lines) || strings.Contains(string(text), "fine") {
				t.Errorf("got refused lines %s", text)
			}
		})
	}
}

func TestImport_americanTabs(t *testing.T) {
	r := newRig(t)
	m := simple()
	m.Time, m.Rating, m.Scale, m.Zone = []string{"When"}, "Stars", "csat5", "America/New_York"
	got, err := r.take(data("american_tabs.csv"), m)
	if err != nil || got.Dates != history.MonthFirst {
		t.Fatalf("got %+v, %v", got, err)
	}
	if f := got.Places[0]; f.Last.UTC().Format(time.RFC3339) != "2024-12-24T05:00:00Z" || f.Zone != "America/New_York" {
		t.Errorf("got %+v", f)
	}
	sites, err := r.store.Sites(context.Background())
	if err != nil || len(sites) != 1 || sites[0].Zone != "America/New_York" {
		t.Errorf("got sites %+v, %v", sites, err)
	}
}

func TestImport_dryRunWritesNothing(t *testing.T) {
	r := newRig(t)
	r.o.DryRun, r.o.SkipBad = true, true
	file := copied(t, "bad_cells.csv")
	got, err := r.take(file, simple())
	if err != nil || got.Places[0].Visits[visit.Counted] != 4 || got.RefusedLines() != 11 {
		t.Errorf("got %+v, %v", got, err)
	}
	if ratings, aside := r.proved(t); ratings+aside != 0 {
		t.Error("a dry run has written")
	}
	if entries, err := os.ReadDir(filepath.Dir(file)); err != nil || len(entries) != 1 {
		t.Errorf("got %v beside the file, %v", entries, err)
	}
}

// A refused line that is there already is never replaced.
func TestImport_keepsRefusedFile(t *testing.T) {
	r := newRig(t)
	r.o.SkipBad = true
	file := copied(t, "bad_cells.csv")
	if err := os.WriteFile(file+".refused.csv", []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.take(file, simple()); err == nil || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("got %v", err)
	}
	if ratings, _ := r.proved(t); ratings != 0 {
		t.Error("it was imported")
	}
	if b, err := os.ReadFile(file + ".refused.csv"); err != nil || string(b) != "mine" {
		t.Errorf("got %q, %v", b, err)
	}
}

// A crowd in one minute, or in one second, is counted person by person.
func TestImport_rowsOfOneMinute(t *testing.T) {
	for _, at := range []string{"2024-05-06 10:00", "2024-05-06 10:00:07", "2024-05-06 10:00:07.5"} {
		r := newRig(t)
		var b strings.Builder
		b.WriteString("time,rating\n")
		for i := range 100 {
			fmt.Fprintf(&b, "%s,%d\n", at, i%3)
		}
		file := filepath.Join(t.TempDir(), "crowd.csv")
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := r.take(file, simple()); err != nil {
			t.Fatal(err)
		}
		if ratings, aside := r.proved(t); ratings != 100 || aside != 0 {
			t.Errorf("%s: got %d ratings and %d set aside, want 100 and 0", at, ratings, aside)
		}
		if at == "2024-05-06 10:00" {
			continue
		}
		raw := newRig(t)
		m := simple()
		m.Presses = true
		if _, err := raw.take(file, m); err != nil {
			t.Fatal(err)
		}
		if ratings, aside := raw.proved(t); ratings != 0 || aside == 0 {
			t.Errorf("%s as raw presses: got %d ratings and %d set aside, want play", at, ratings, aside)
		}
	}
}

// breaking fails after some transactions.
type breaking struct {
	ingest.Store
	left int
}

func (b *breaking) Apply(ctx context.Context, term int64, changes []ingest.Change) ([]error, error) {
	if b.left--; b.left < 0 {
		return nil, errors.New("the disk is full")
	}
	return b.Store.Apply(ctx, term, changes)
}

// Any history gives one rating for each row, dated as written, whatever the order
// of its lines, however often it is run and wherever it was cut short.
func TestImport_any(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := newRig(t)
		var b strings.Builder
		b.WriteString("place,time,who,rating\n")
		n := rapid.IntRange(1, 400).Draw(rt, "rows")
		at := time.Date(2024, 3, 30, 0, 0, 0, 0, time.UTC)
		rows := make([]string, 0, n)
		for range n {
			at = at.Add(time.Duration(rapid.OneOf(rapid.Int64Range(0, 3000), rapid.Int64Range(0, 7_200_000)).Draw(rt, "gap")) * time.Millisecond)
			layout := rapid.SampledFrom([]string{"2006-01-02 15:04Z07:00", "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.000Z07:00"}).Draw(rt, "layout")
			rows = append(rows, fmt.Sprintf("P%d,%s,=secret,%d\n", rapid.IntRange(1, 3).Draw(rt, "place"), at.Format(layout), rapid.IntRange(0, 2).Draw(rt, "rating")))
		}
		b.WriteString(strings.Join(rapid.Permutation(rows).Draw(rt, "order"), ""))
		file := filepath.Join(t.TempDir(), "any.csv")
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			rt.Fatal(err)
		}
		m := simple()
		m.Location, m.Site = "place", ""
		good := r.g
		r.g = ingest.New(&breaking{r.store, rapid.IntRange(0, 3).Draw(rt, "cut after")}, ingest.Options{StoreID: "s", Term: 1, Now: now})
		if _, err := r.take(file, m); err != nil && !strings.Contains(err.Error(), "disk is full") {
			rt.Fatal(err)
		}
		r.g = good
		for range 2 {
			if _, err := r.take(file, m); err != nil {
				rt.Fatal(err)
			}
			if ratings, aside := r.proved(rt); ratings != int64(n) || aside != 0 {
				rt.Fatalf("got %d ratings and %d set aside of %d rows", ratings, aside, n)
			}
		}
		checkDates(rt, r, rows)
	})
}

// checkDates compares the instants of the visits with those that are written.
func checkDates(rt *rapid.T, r *rig, rows []string) {
	var want, got []int64
	for _, row := range rows {
		text := strings.Split(row, ",")[1]
		for _, layout := range []string{"2006-01-02 15:04Z07:00", time.RFC3339Nano} {
			if at, err := time.Parse(layout, text); err == nil {
				want = append(want, at.UnixMilli())
			}
		}
	}
	err := r.store.Snapshot(context.Background(), func(read verify.Reader) error {
		sources, err := read.Sources(context.Background())
		if err != nil {
			return err
		}
		for _, s := range sources {
			visits, err := read.Visits(context.Background(), s.Key)
			if err != nil {
				return err
			}
			for _, v := range visits {
				got = append(got, v.At)
			}
			if !s.Key.Kiosk.Imported() || s.Mark.Heard != s.Mark.Through+1 {
				return fmt.Errorf("got %+v", s)
			}
		}
		return nil
	})
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		rt.Fatalf("got instants %v, want %v, %v", got, want, err)
	}
}

func TestImport_placesOfOneSite(t *testing.T) {
	r := newRig(t)
	m := simple()
	m.Time, m.Rating, m.Location = []string{"date"}, "note", "café"
	if got, err := r.take(data("windows1252.csv"), m); err != nil || got.Places[0].Place != (history.Place{Site: "lyon", Touchpoint: "gare"}) || got.Places[0].Key.Kiosk != "import-lyon-gare" {
		t.Errorf("got %+v, %v", got.Places, err)
	}
	m.Places = map[string]history.Place{"GARÉ": {Site: feedback.SiteID(strings.Repeat("a", 40)), Touchpoint: "exit"}}
	if got, err := r.take(data("windows1252.csv"), m); err != nil || len(got.Places[0].Key.Kiosk) != 40 {
		t.Errorf("got %+v, %v", got.Places, err)
	}
	m.Places = map[string]history.Place{"Nice": {Site: "nice", Touchpoint: "exit"}}
	if got, err := r.take(data("windows1252.csv"), m); !errors.Is(err, history.ErrRefused) || got.Refused[history.BadLocation] != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
}
