package storetest

import (
	"context"
	"fmt"
	"time"

	"sourire/hub/archive"
	"sourire/hub/ingest"
	"sourire/hub/rollup"
	"sourire/hub/upkeep"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// retained is what runs of retention have deleted, as somebody sees who looks at the
// store before and after: the visits as they counted then, and where they count
// since.
type retained struct {
	site   feedback.SiteID // of which alone it tells; "": of all
	floors map[ingest.Key]feedback.Seq
	visits map[ingest.Key]map[feedback.Seq]visit.Visit
	quick  []visit.Visit // count in cells
	gone   rollup.Days   // what cells counted that are deleted
}

// run makes a run of retention and notes what it deleted. zone is that in which the
// days of all sites stand.
func (r *retained) run(ctx context.Context, store IngestStore, o upkeep.Options, zone *time.Location) (upkeep.Deleted, error) {
	before, _, err := visitsAndFloors(ctx, store)
	if err != nil {
		return nil, err
	}
	o.Store = store
	d, err := upkeep.New(o).Once(ctx)
	if err != nil {
		return d, err
	}
	return d, r.look(ctx, store, before, o, zone)
}

// look notes what is there no longer.
func (r *retained) look(ctx context.Context, store IngestStore, before map[ingest.Key]map[feedback.Seq]visit.Visit, o upkeep.Options, zone *time.Location) error {
	after, floors, err := visitsAndFloors(ctx, store)
	if err != nil {
		return err
	}
	if r.visits == nil {
		r.visits, r.gone = make(map[ingest.Key]map[feedback.Seq]visit.Visit), make(rollup.Days)
	}
	r.floors = floors
	for key, visits := range before {
		for seq, v := range visits {
			if _, ok := after[key][seq]; ok || r.site != "" && v.Asked.Site != r.site {
				continue
			}
			if r.visits[key] == nil {
				r.visits[key] = make(map[feedback.Seq]visit.Visit)
			}
			r.visits[key][seq] = v
			r.quick = append(r.quick, v)
		}
	}
	limits := o.Keep.Limits(o.Now())
	var stay []visit.Visit
	for _, v := range r.quick {
		if v.At > 0 && !limits.Quarters.IsZero() && rollup.BucketOf(v.At) < rollup.BucketOf(limits.Quarters.UnixMilli()) {
			countDay(r.gone, v, zone)
			continue
		}
		stay = append(stay, v)
	}
	r.quick = stay
	for k := range r.gone {
		if !limits.Days.IsZero() && int64(k.Day) < limits.Days.Unix()/86400-1 {
			delete(r.gone, k)
		}
	}
	return nil
}

// differs says how the visits that are kept of a journal and those that were
// deleted differ from those of a fold, "" when they do not. A clock that became known
// later has dated only those that were kept.
func (r *retained) differs(key ingest.Key, kept, want map[feedback.Seq]visit.Visit) string {
	for seq, w := range want {
		have, ok := kept[seq]
		if gone, was := r.visits[key][seq]; was && !ok {
			w.At, w.Within, w.Aside = gone.At, gone.Within, gone.Aside
			have, ok = gone, true
		}
		if !ok || have != w {
			return fmt.Sprintf("%v: got visit %+v, in one delivery %+v, floor %d", key, have, w, r.floors[key])
		}
	}
	if got := len(kept) + len(r.visits[key]); got != len(want) {
		return fmt.Sprintf("%v: got %d visits kept and %d deleted, in one delivery %d, floor %d", key, len(kept), len(r.visits[key]), len(want), r.floors[key])
	}
	return ""
}

// cells returns what visits count that are deleted.
func (r *retained) cells() rollup.Delta {
	out := make(rollup.Delta)
	for _, v := range r.quick {
		count(out, v)
	}
	return out
}

// days returns what of days is of visits that are deleted.
func (r *retained) days(zone *time.Location) rollup.Days {
	out := make(rollup.Days)
	for k, c := range r.gone {
		out[k] = c
	}
	for _, v := range r.quick {
		countDay(out, v, zone)
	}
	return out
}

// forget takes from what a journal comes to what is deleted of it.
func (r *retained) forget(key ingest.Key, want folded) {
	for seq := range want.rows {
		if seq <= r.floors[key] {
			delete(want.rows, seq)
			delete(want.bad, seq)
		}
	}
	for seq := range r.visits[key] {
		delete(want.visits, seq)
	}
}

// visitsAndFloors reads the visits that are kept, and where the records begin that
// are.
func visitsAndFloors(ctx context.Context, store verify.Store) (map[ingest.Key]map[feedback.Seq]visit.Visit, map[ingest.Key]feedback.Seq, error) {
	visits, floors := make(map[ingest.Key]map[feedback.Seq]visit.Visit), make(map[ingest.Key]feedback.Seq)
	err := store.Snapshot(ctx, func(r verify.Reader) error {
		sources, err := r.Sources(ctx)
		if err != nil {
			return err
		}
		for _, s := range sources {
			list, err := r.Visits(ctx, s.Key)
			if err != nil {
				return err
			}
			visits[s.Key] = make(map[feedback.Seq]visit.Visit)
			for _, v := range list {
				visits[s.Key][v.Seq] = v
			}
			err = r.Rows(ctx, s.Key, func(row ingest.Row) error {
				if row.State != nil {
					floors[s.Key] = row.Seq
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return visits, floors, err
}

// exportRetained takes a store of which the oldest is deleted into an empty one: that
// has what is kept, says of the rest that it was deleted, and goes on.
func exportRetained(b *bench, to ArchiveStore) {
	b.Helper()
	d := b.kiosk("k1", 40)
	b.send(d, 1, 20, 20)
	all := b.kiosk("k2", 5)
	b.send(all, 1, 8, 8)
	b.now = b.now.Add(40 * oneDay)
	b.send(d, 21, 40, 40)
	b.retain(days(30, 60, 0))
	first := b.now.Format(time.DateOnly)
	e := trip{tester: b.T, dir: b.TempDir()}
	m := e.export(archiveStore(b.T, b.store), "first")
	if m.Counts.Deleted != 28 || m.Counts.Records != 20 || len(m.Problems) != 0 || m.CompleteFrom < first {
		b.Errorf("got %+v, want 28 records deleted and it complete from %s on", m, first)
	}
	for _, f := range e.take("first", to).Journals {
		if f.Verdict == archive.Forked || f.Differs != "" {
			b.Errorf("got %+v", f)
		}
	}
	report, err := verify.Run(b.Context(), to, "", nil)
	if err != nil || !report.OK() || len(report.Findings) != 2 || report.Findings[0].Deleted != 20 || report.Findings[0].Presses != 20 {
		b.Errorf("got %+v, %v", report, err)
	}
	g := Ingester(b, to, func() time.Time { return b.now })
	o := g.Ingest(b.Context(), []ingest.Batch{d.batch(1, d.last()), all.batch(1, 8)})
	if o[0].Err != nil || o[0].Ack.Through != d.last() || o[0].Stored != 3 || o[1].Stored != 0 || o[1].Ack.Refused != "" {
		b.Errorf("got %+v, want the kiosks to go on", o)
	}
}
