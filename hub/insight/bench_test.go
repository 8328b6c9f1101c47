package insight_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"sourire/hub/insight"
	"sourire/hub/site"
	"sourire/hub/store/sqlstore"
	"sourire/hub/store/storetest"
	"sourire/internal/feedback"
)

// BenchmarkInsight_Site reads the page of a site with three touchpoints, each
// with a rating in every quarter of twelve hours of 120 days (17,280 cells).
func BenchmarkInsight_Site(b *testing.B) {
	now := time.Date(2026, 8, 3, 20, 0, 0, 0, time.UTC)
	s, err := sqlstore.Open(b.Context(), filepath.Join(b.TempDir(), "hub.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	clock := func() time.Time { return now }
	g := storetest.Ingester(b, s, clock)
	for _, id := range []string{"one", "two", "three"} {
		boot := now.Add(-120 * 24 * time.Hour)
		k := storetest.NewKiosk(b, g, feedback.KioskID(id), boot)
		k.Asks(boot, asked(id, "smiley4"))
		for at := boot; at.Before(now); at = at.Add(15 * time.Minute) {
			if h := at.Hour(); h >= 8 && h < 20 {
				k.Press(at, 1+at.Minute()/15)
			}
		}
		k.Send()
	}
	in := insight.New(s, insight.Options{Now: clock})
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			if _, err := insight.New(s, insight.Options{Now: clock}).Site(b.Context(), "lyon", site.Day{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("warm", func(b *testing.B) {
		for b.Loop() {
			if _, err := in.Site(b.Context(), "lyon", site.Day{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("life", func(b *testing.B) {
		for b.Loop() {
			if _, err := in.Life(b.Context(), "lyon"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkInsight_Sites reads the overview of 200 sites that have a rating in
// eight quarters of each day of a year (584,000 cells).
func BenchmarkInsight_Sites(b *testing.B) {
	now := time.Date(2026, 8, 3, 20, 0, 0, 0, time.UTC)
	s, err := sqlstore.Open(b.Context(), filepath.Join(b.TempDir(), "hub.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	clock := func() time.Time { return now }
	g := storetest.Ingester(b, s, clock)
	for i := range 200 {
		boot := now.Add(-365 * 24 * time.Hour)
		a := asked("exit", "smiley4")
		a.Site = feedback.SiteID(fmt.Sprintf("site-%d", i))
		k := storetest.NewKiosk(b, g, feedback.KioskID(fmt.Sprintf("k%d", i)), boot)
		k.Asks(boot, a)
		for at := boot; at.Before(now); at = at.Add(15 * time.Minute) {
			if h := at.Hour(); h >= 8 && h < 10 {
				k.Press(at, 1+(at.Minute()/15+i)%4)
			}
		}
		k.Send()
	}
	in := insight.New(s, insight.Options{Now: clock})
	if err := in.Configure(b.Context(), nil); err != nil {
		b.Fatal(err)
	}
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			if _, err := insight.New(s, insight.Options{Now: clock}).Sites(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("warm", func(b *testing.B) {
		for b.Loop() {
			if _, err := in.Sites(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
