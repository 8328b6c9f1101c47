package e2e

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"sourire/hub/insight"
	"sourire/hub/rollup"
	"sourire/hub/site"
	"sourire/hub/store/sqlstore"
	"sourire/hub/verify"
	"sourire/internal/postgrestest"
	"sourire/internal/sqlite"
)

// bigOn opens a store and beside it the bare database, in which a test counts
// without the hub's help.
func bigOn(t *testing.T, postgres bool, settings ...string) (s *sqlstore.Store, bare *sql.DB, path string) {
	t.Helper()
	var err error
	if postgres {
		address := postgrestest.Start(t, settings...).Database()
		if s, err = sqlstore.Dial(t.Context(), address, sqlstore.Options{}); err == nil {
			bare, err = sql.Open("pgx", address)
		}
	} else {
		path = filepath.Join(t.TempDir(), "hub.db")
		if s, err = sqlstore.Open(t.Context(), path); err == nil {
			var db *sqlite.DB
			if db, err = sqlite.Open(path, sqlite.Options{}); err == nil {
				bare = db.Read
				t.Cleanup(func() { _ = db.Write.Close() })
			}
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = bare.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, bare, path
}

// Whatever is asked of a chain of 200 sites in ten zones, the answer is what the
// visits say when they are counted one by one, and the visits are what the records
// say; on both databases.
func TestBig_equalsVisits(t *testing.T) {
	for _, postgres := range []bool{false, true} {
		t.Run(fmt.Sprintf("postgres=%v", postgres), func(t *testing.T) {
			s, bare, _ := bigOn(t, postgres)
			f := newBigFleet(t, 200, 30, 200_000)
			clock := &bigClock{}
			if _, err := f.fill(t.Context(), s, clock, nil); err != nil {
				t.Fatal(err)
			}
			if f.made < 150_000 || f.made > 300_000 {
				t.Errorf("got %d presses, want about 200000", f.made)
			}
			bigEqual(t, f, s, bare, clock, 70, 3)
			report, err := verify.Run(t.Context(), s, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			var presses int64
			for _, x := range report.Findings {
				presses += x.Presses
			}
			if !report.OK() || presses != f.made {
				t.Errorf("verify: got %d presses, want %d; %v", presses, f.made, report.Problems)
			}
		})
	}
}

// bigEqual asks everything of so many sites, each on its day today and on some
// other days, and of the overview, and counts the same from visits. Nothing may
// have been shown of today before.
func bigEqual(t *testing.T, f *bigFleet, s insight.Store, bare *sql.DB, clock *bigClock, sites, days int) {
	t.Helper()
	in := insight.New(s, insight.Options{Now: clock.now})
	end := site.Site{Zone: f.sites[0].Zone}.Today(f.end).Number()
	of := f.sites[len(f.sites)-sites:]
	recent, err := countVisits(t.Context(), bare, end-150, end+1, f.sites...)
	if err != nil {
		t.Fatal(err)
	}
	median := bigMedian(recent, f.sites, clock.now())
	all, err := in.Sites(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != len(f.sites) {
		t.Fatalf("got %d sites, want %d", len(all), len(f.sites))
	}
	shown := 0
	for _, x := range all {
		want := recent.moments(x.Site, x.Day, 1, median)
		shown += len(want)
		if !same(t, "overview, "+string(x.Site.ID), x.Moments, want) {
			return
		}
	}
	if shown < len(f.sites)/2 {
		t.Errorf("the overview shows %d moments of %d sites: too few to mean anything", shown, len(f.sites))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, x := range of {
		counted := recent
		ask := []site.Day{{}}
		if len(of) < len(f.sites) || f.days <= 150 {
			if counted, err = countVisits(t.Context(), bare, f.first.Number()-1, end+1, x); err != nil {
				t.Fatal(err)
			}
			for range days {
				ask = append(ask, f.first.Add(rng.IntN(f.days)))
			}
		}
		for _, day := range ask {
			v, err := in.Site(t.Context(), x.ID, day)
			if err != nil {
				t.Fatal(err)
			}
			want := counted.moments(x, v.Day, insight.TrendDays, median)
			if !same(t, fmt.Sprintf("%s on %s", x.ID, v.Day), v.Moments, want) {
				return
			}
			var total rollup.Cell
			for _, m := range want {
				total = total.Plus(m.Cell)
			}
			if v.Total != total || !v.Undated.IsZero() {
				t.Errorf("%s on %s: got total %+v and undated %+v, visits say %+v and nothing", x.ID, v.Day, v.Total, v.Undated, total)
			}
		}
		l, err := in.Life(t.Context(), x.ID)
		if err != nil {
			t.Fatal(err)
		}
		var stored int64
		for asked, by := range counted {
			if asked.Site == x.ID {
				stored += by[x.Today(clock.now()).Number()].Presses
			}
		}
		if l.Stored != stored || l.Shown != stored || len(l.Kiosks) == 0 || l.Waiting != 0 {
			t.Errorf("%s: got %d presses stored, %d shown, %d kiosks, %d waiting; visits say %d", x.ID, l.Stored, l.Shown, len(l.Kiosks), l.Waiting, stored)
		}
	}
}
