package storetest

import (
	"context"
	"errors"
	"maps"
	"time"

	"sourire/hub/ingest"
	"sourire/hub/rollup"
	"sourire/hub/site"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// counting are the columns of a count.
const counting = `s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, test, technician, cleaning, stuck, closed, play, undated, presses, aside_presses, mixed, insistent`

// rebuildCases are about days, and about deriving everything anew. After each the
// bench finds cells and days equal to a recount.
func rebuildCases() []ingestCase {
	var cases []ingestCase
	for _, c := range []struct{ name, query string }{
		{"a wrong cell", "UPDATE cell SET s1 = s1 + 3, presses = presses + 3"},
		{"a cell that is gone", "DELETE FROM cell"},
		{"a cell too many", `INSERT INTO cell (asked, bucket, ` + counting + `) SELECT asked, bucket + 500, ` + counting + ` FROM cell`},
		{"a wrong day", "UPDATE day SET s2 = s2 + 1"},
		{"a day that is gone", "DELETE FROM day"},
		{"a day too many", "UPDATE day SET day = day + 1000"},
		{"days without a zone", "DELETE FROM day_zone"},
		{"a visit of another rating", "UPDATE visit SET rating = 2 - rating, marks = 3 - marks"},
		{"visits that are gone", "DELETE FROM visit"},
		{"a visit too many", "UPDATE visit SET seq = seq + 1000"},
		{"a visit at another instant", "UPDATE visit SET since = since + 1, at = at - 86400000, boot = boot + 1"},
	} {
		cases = append(cases, ingestCase{c.name, func(b *bench) {
			d := written(b)
			b.send(d, 1, 8, 8)
			b.db.Exec(b, c.query)
			if report, err := verify.Run(b.Context(), b.store, "", nil); err != nil || report.OK() {
				b.Errorf("got %v and no problem from verify", err)
			}
			b.forget()
			b.rebuild(b.store)
			b.send(d, 9, 11, 11)
		}})
	}
	return append(cases,
		ingestCase{"what is right stays as it is", func(b *bench) {
			d := written(b)
			b.send(d, 1, 11, 11)
			added := &adding{Rebuilds: b.store}
			b.rebuild(added)
			if added.n != 0 {
				b.Errorf("%d differences were added", added.n)
			}
		}},
		ingestCase{"ingest goes on between recount and correction", func(b *bench) {
			d := written(b)
			b.send(d, 1, 8, 8)
			b.db.Exec(b, "UPDATE cell SET s1 = s1 + 3, presses = presses + 3")
			b.rebuild(&meddling{Rebuilds: b.store, meddle: func() { b.send(d, 9, 11, 11) }})
		}},
		ingestCase{"a forgotten state", func(b *bench) { // which verify does not compare
			d := written(b)
			b.send(d, 1, 8, 8)
			b.db.Exec(b, "UPDATE source SET state = '{}'")
			b.forget()
			b.rebuild(b.store)
			b.send(d, 9, 11, 11)
		}},
		ingestCase{"an interrupted rebuild goes on", rebuildInterrupted},
		ingestCase{"a superseded hub corrects nothing", func(b *bench) {
			d := written(b)
			b.send(d, 1, 11, 11)
			b.db.Exec(b, "UPDATE cell SET presses = presses + 1")
			old := b.ingester
			b.takeOver()
			if _, err := old.Rebuild(b.Context(), b.store, "v", nil); !ingest.Superseded(err) {
				b.Errorf("got %v, want superseded", err)
			}
			if r, err := b.store.LastRebuild(b.Context()); err != nil || !r.Pending() {
				b.Errorf("got %+v, %v, want it left to do", r, err)
			}
			b.rebuild(b.store)
		}},
		ingestCase{"a second request takes the place of the first", func(b *bench) {
			first := must(b.store.AskRebuild(b.Context()))(b)
			second := must(b.store.AskRebuild(b.Context()))(b)
			first.Phase = ingest.PhaseDone
			if err := b.store.NoteRebuild(b.Context(), first); err != nil {
				b.Fatal(err)
			}
			if r := must(b.store.LastRebuild(b.Context()))(b); r != second || !r.Pending() {
				b.Errorf("got %+v, want %+v", r, second)
			}
		}},
		ingestCase{"a zone that changes, and back", func(b *bench) {
			d := written(b)
			b.send(d, 1, 9, 9)
			for _, zone := range []string{"Pacific/Kiritimati", "America/Sao_Paulo", "UTC"} {
				b.zone("lyon", zone)
				b.days("lyon", zone)
			}
			b.send(d, 10, 11, 11)
		}},
		ingestCase{"the zone of all sites that nobody has put", func(b *bench) {
			d := written(b)
			b.send(d, 1, 9, 9)
			b.zone("nice", "UTC")
			if err := b.store.PutZone(b.Context(), mustZone(b, "Pacific/Kiritimati")); err != nil {
				b.Fatal(err)
			}
			b.days("lyon", "Pacific/Kiritimati")
			b.send(d, 10, 11, 11)
			b.days("lyon", "Pacific/Kiritimati")
			b.days("nice", "UTC")
			if err := b.store.PutZone(b.Context(), time.UTC); err != nil {
				b.Fatal(err)
			}
		}},
		ingestCase{"another zone database", func(b *bench) {
			d := written(b)
			b.send(d, 1, 9, 9)
			b.db.Exec(b, "UPDATE day_zone SET rules = 7, zone = 'Mars/Olympus'")
			b.db.Exec(b, "UPDATE day SET day = day + 1")
			b.db.Exec(b, "UPDATE term SET zoning = zoning + 1")
			if report, err := verify.Run(b.Context(), b.store, "", nil); err != nil || !report.OK() {
				b.Errorf("got %+v, %v: what is not read must not be complained of", report.Problems, err)
			}
			b.send(d, 10, 11, 11) // sums the days up by what this program knows, and adds
			for _, id := range []feedback.SiteID{"lyon", "nice"} {
				b.zone(id, "UTC")
			}
		}},
	)
}

func rebuildInterrupted(b *bench) {
	d := written(b)
	b.send(d, 1, 8, 8)
	b.db.Exec(b, "UPDATE cell SET presses = presses + 1")
	b.db.Exec(b, "UPDATE visit SET rating = 2 - rating")
	b.forget()
	ctx, cancel := context.WithCancel(b.Context())
	if _, err := b.ingester.Rebuild(ctx, &meddling{Rebuilds: b.store, meddle: cancel}, "v", nil); !errors.Is(err, context.Canceled) {
		b.Fatalf("got %v", err)
	}
	b.send(d, 9, 11, 11)
	r := must(b.store.LastRebuild(b.Context()))(b)
	if !r.Pending() {
		b.Errorf("got %+v, want it pending", r)
	}
	again := b.rebuild(b.store)
	if again.ID != r.ID {
		b.Errorf("got %+v, want that which was interrupted", again)
	}
}

// rebuild derives everything anew.
func (b *bench) rebuild(s ingest.Rebuilds) ingest.Rebuild {
	b.Helper()
	r, err := b.ingester.Rebuild(b.Context(), s, "v", nil)
	if err != nil || r.Phase != ingest.PhaseDone {
		b.Fatalf("got %+v, %v", r, err)
	}
	if stored := must(b.store.LastRebuild(b.Context()))(b); stored.Phase != ingest.PhaseDone || stored.ID != r.ID {
		b.Errorf("it is noted as %+v", stored)
	}
	return r
}

func mustZone(t failer, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// zone puts a site into a zone.
func (b *bench) zone(id feedback.SiteID, zone string) {
	b.Helper()
	if err := b.store.PutSites(b.Context(), []site.Site{{ID: id, Name: string(id), Zone: mustZone(b, zone)}}); err != nil {
		b.Fatal(err)
	}
}

// days compares the days of a site with its visits.
func (b *bench) days(id feedback.SiteID, zone string) {
	b.Helper()
	want := make(rollup.Days)
	b.read(func(r verify.Reader) error {
		sources, err := r.Sources(b.Context())
		if err != nil {
			return err
		}
		for _, s := range sources {
			visits, err := r.Visits(b.Context(), s.Key)
			if err != nil {
				return err
			}
			for _, v := range visits {
				if v.Asked.Site == id {
					countDay(want, v, mustZone(b, zone))
				}
			}
		}
		days, _, err := r.Days(b.Context())
		if got := daysAt(days, id); !maps.Equal(got, want) {
			b.Errorf("%s in %s: got days\n%+v, want\n%+v", id, zone, got, want)
		}
		return err
	})
}

// daysAt returns the days of one site.
func daysAt(days rollup.Days, id feedback.SiteID) rollup.Days {
	out := make(rollup.Days)
	for k, c := range days {
		if k.Asked.Site == id {
			out[k] = c
		}
	}
	return out
}

// countDay adds a visit to days, in words of its own and not those of rollup.
func countDay(days rollup.Days, v visit.Visit, zone *time.Location) {
	if v.At == 0 {
		return
	}
	y, m, d := time.UnixMilli(v.At).In(zone).Date()
	key := rollup.DayKey{Asked: v.Asked, Day: rollup.Day(time.Date(y, m, d, 12, 0, 0, 0, time.UTC).Sub(time.Unix(0, 0)) / (24 * time.Hour))}
	cells := make(rollup.Delta)
	count(cells, v)
	for _, c := range cells {
		days[key] = days[key].Plus(c)
	}
}

// meddling is a store in which something happens between the snapshot of a recount
// and what comes of it.
type meddling struct {
	ingest.Rebuilds
	meddle func()
}

func (m *meddling) Recount(ctx context.Context, do func(ingest.Recount) error) error {
	return m.Rebuilds.Recount(ctx, func(c ingest.Recount) error {
		if m.meddle != nil {
			m.meddle()
			m.meddle = nil
		}
		return do(c)
	})
}

// adding counts the differences that are added.
type adding struct {
	ingest.Rebuilds
	n int
}

func (a *adding) AddCells(ctx context.Context, term int64, cells rollup.Delta) error {
	a.n++
	return a.Rebuilds.AddCells(ctx, term, cells)
}
