// Package verify proves, for one kiosk or all, that what the hub shows is what
// the kiosks recorded: records received of records made, running hashes agree,
// gaps are declared, visits and roll-ups of both levels equal a recount from the
// records.
//
// It stands beside the line and reads the end of it. It writes nothing. It
// reads one snapshot of the store, so it may run while the hub serves.
//
// The recount goes the way of hub/ingest (wire.DecodeRecord, visit.State.Step,
// rollup.Delta) but from the first record, alone and in one piece: whatever
// depended on splits, repeats or restarts would differ. [Compare] holds the
// records against a ledger of what must have arrived, where there is one.
package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sourire/hub/ingest"
	"sourire/hub/rollup"
	"sourire/internal/feedback"
	"sourire/internal/visit"
	"sourire/internal/wire"
)

// Store gives one snapshot to read.
type Store interface {
	Snapshot(ctx context.Context, read func(Reader) error) error
}

// Reader reads a snapshot. hub/store/storetest holds the suite that every
// implementation passes.
type Reader interface {
	// Sources returns every journal, by kiosk and age.
	Sources(ctx context.Context) ([]Source, error)
	// Rows calls do for every record of a journal in the order of numbers, and
	// for every anchor.
	Rows(ctx context.Context, key ingest.Key, do func(ingest.Row) error) error
	Gaps(ctx context.Context, key ingest.Key) ([]ingest.Gap, error)
	Visits(ctx context.Context, key ingest.Key) ([]visit.Visit, error)
	// Cells returns all roll-ups.
	Cells(ctx context.Context) (rollup.Delta, error)
	// Days returns the days of all sites, and the calendar by which those of each
	// site stand: nil if this program knows another of that zone. A site without
	// one has no days.
	Days(ctx context.Context) (rollup.Days, map[feedback.SiteID]*rollup.Calendar, error)
	// Records counts the records that are stored outside of quarantine,
	// whatever journal they belong to.
	Records(ctx context.Context) (int64, error)
}

// Source is a journal and its mark.
type Source struct {
	Key    ingest.Key
	Mark   ingest.Mark
	Closed bool
}

// Finding is what was found of one journal.
type Finding struct {
	Source Source
	// Made counts the records that the kiosk is known to have made (those of a
	// closed journal that the next one repeats count there), Received
	// those stored, Quarantined the bad ones among them, Lost those declared
	// lost.
	Made, Received, Quarantined, Lost int64
	Presses                           int64
	Bad                               map[string]int64 // quarantined records by what is wrong with them
	Problems                          []string         // empty: everything agrees
}

// Waiting returns the records that the kiosk is known to hold and has not
// delivered.
func (f Finding) Waiting() int64 { return max(0, f.Made-f.Received-f.Lost) }

// Report is the outcome of a run.
type Report struct {
	Findings []Finding
	Problems []string     // of the store as a whole
	Cells    rollup.Delta // the recount
}

// OK reports whether no problem was found.
func (r Report) OK() bool {
	for _, f := range r.Findings {
		if len(f.Problems) > 0 {
			return false
		}
	}
	return len(r.Problems) == 0
}

// maxProblems is how many problems of one kind are spelled out.
const maxProblems = 5

// Run verifies the journals of one kiosk, or of all when kiosk is "". Roll-ups
// are compared only when all are verified, for kiosks share them. progress, if
// not nil, is called as records are read.
func Run(ctx context.Context, store Store, kiosk feedback.KioskID, progress func(records int64)) (Report, error) {
	var report Report
	err := store.Snapshot(ctx, func(r Reader) error {
		sources, err := r.Sources(ctx)
		if err != nil {
			return err
		}
		report.Cells = make(rollup.Delta)
		found, damaged := false, 0
		var records int64
		for _, s := range sources {
			if kiosk != "" && s.Key.Kiosk != kiosk {
				continue
			}
			found = true
			f, err := recount(ctx, r, s, report.Cells, progress)
			if damage, ok := errors.AsType[*ingest.DamageError](err); ok {
				f.Problems = append(f.Problems, damage.Error())
				damaged++
			} else if err != nil {
				return fmt.Errorf("kiosk %s epoch %s: %w", s.Key.Kiosk, s.Key.Epoch, err)
			}
			report.Findings = append(report.Findings, f)
			records += f.Received - f.Quarantined
		}
		if kiosk != "" {
			if !found {
				return fmt.Errorf("kiosk %s: %w", kiosk, ErrNoKiosk)
			}
			return nil
		}
		if damaged > 0 { // whatever else disagrees may come of that
			report.Problems = append(report.Problems, fmt.Sprintf("roll-ups were not compared, for of %d journals not all can be read", damaged))
			return nil
		}
		stored, err := r.Cells(ctx)
		if err != nil {
			return err
		}
		report.Problems = compareCells(stored, report.Cells)
		days, zones, err := r.Days(ctx)
		if err != nil {
			return err
		}
		report.Problems = append(report.Problems, compareDays(days, report.Cells, zones)...)
		all, err := r.Records(ctx)
		if err == nil && all != records {
			report.Problems = append(report.Problems, fmt.Sprintf(
				"%d records are stored and the journals have %d: some are stored twice, or belong to no journal", all, records))
		}
		return err
	})
	return report, err
}

// ErrNoKiosk says that the store has never heard of a kiosk.
var ErrNoKiosk = errors.New("this hub has never heard of it")

// recounter folds one journal anew.
type recounter struct {
	f       Finding
	at      ingest.Point
	state   visit.State
	effects visit.Effects
	gaps    []ingest.Gap
}

func (c *recounter) problem(format string, args ...any) {
	if len(c.f.Problems) < maxProblems {
		c.f.Problems = append(c.f.Problems, fmt.Sprintf(format, args...))
	}
}

func recount(ctx context.Context, r Reader, s Source, cells rollup.Delta, progress func(int64)) (Finding, error) {
	c := &recounter{f: Finding{Source: s, Made: int64(max(s.Mark.Through, s.Mark.Heard-1))}}
	var err error
	if c.gaps, err = r.Gaps(ctx, s.Key); err != nil {
		return c.f, err
	}
	for _, g := range c.gaps {
		c.f.Lost += int64(g.Last - g.First + 1)
		c.f.Made = max(c.f.Made, int64(g.Last))
	}
	err = r.Rows(ctx, s.Key, func(row ingest.Row) error {
		c.row(row)
		if progress != nil && row.Body != nil {
			progress(1)
		}
		return nil
	})
	if err != nil {
		return c.f, err
	}
	if s.Closed { // what came neither here nor is lost stands in its child
		c.f.Made = c.f.Received + c.f.Lost
	}
	if c.at != s.Mark.Point {
		c.problem("the records end at %d with hash %s, the mark says %d with %s",
			c.at.Through, c.at.Hash, s.Mark.Through, s.Mark.Hash)
	}
	stored, err := r.Visits(ctx, s.Key)
	if err != nil {
		return c.f, err
	}
	c.compare(stored)
	for _, v := range c.effects.Changes() {
		cells.Add(v)
	}
	return c.f, nil
}

// row takes the next record of the journal.
func (c *recounter) row(row ingest.Row) {
	if row.Seq <= c.at.Through {
		c.problem("record %d is stored twice", row.Seq)
		return
	}
	if row.Body == nil { // an anchor
		c.jump(row.Seq)
		c.at = ingest.Point{Through: row.Seq, Hash: row.Checkpoint}
		return
	}
	if c.lost(row.Seq) {
		c.problem("record %d is stored and declared lost", row.Seq)
	}
	if row.Seq != c.at.Through+1 {
		c.problem("records %d to %d are missing and no anchor stands after them", c.at.Through+1, row.Seq-1)
		c.jump(row.Seq - 1)
	}
	c.at = ingest.Point{Through: row.Seq, Hash: c.at.Hash.Next(row.Body)}
	if row.Checked && row.Checkpoint != c.at.Hash {
		c.problem("the hash after record %d is %s, stored was %s", row.Seq, c.at.Hash, row.Checkpoint)
	}
	c.f.Received++
	r, err := wire.DecodeRecord(row.Body)
	if row.Bad {
		c.bad(row.Seq, r, err)
		return
	}
	if err == nil {
		err = c.state.Step(row.Seq, r, &c.effects)
	}
	if err != nil {
		c.problem("record %d is stored as good but: %v", row.Seq, err)
		return
	}
	if r.Fact.Kind() == feedback.KindPress {
		c.f.Presses++
	}
}

// bad counts a record in quarantine by what this version has against it.
func (c *recounter) bad(seq feedback.Seq, r feedback.Record, err error) {
	if err == nil {
		state := c.state.Clone()
		err = state.Step(seq, r, &visit.Effects{})
	}
	why := "this version can read it, and will when the hub is started anew"
	if err != nil {
		why = err.Error()
	}
	if c.f.Bad == nil {
		c.f.Bad = make(map[string]int64)
	}
	c.f.Bad[why]++
	c.f.Quarantined++
}

// lost reports whether a record is declared lost.
func (c *recounter) lost(seq feedback.Seq) bool {
	return slices.ContainsFunc(c.gaps, func(g ingest.Gap) bool { return g.First <= seq && seq <= g.Last })
}

// jump checks that the records up to last are declared lost.
func (c *recounter) jump(last feedback.Seq) {
	c.state.Barrier = true
	for seq := c.at.Through + 1; seq <= last; {
		next := seq
		for _, g := range c.gaps {
			if g.First <= seq && seq <= g.Last {
				next = g.Last + 1
			}
		}
		if next == seq {
			c.problem("record %d is missing and not declared lost", seq)
			return
		}
		seq = next
	}
}

func (c *recounter) compare(stored []visit.Visit) {
	have := make(map[feedback.Seq]visit.Visit, len(stored))
	for _, v := range stored {
		have[v.Seq] = v
	}
	for _, ch := range c.effects.Changes() {
		v, ok := have[ch.After.Seq]
		switch {
		case !ok:
			c.problem("visit %d is not stored", ch.After.Seq)
		case v != *ch.After:
			c.problem("visit %d is stored as %s, the recount gives %s", v.Seq, sayVisit(v), sayVisit(*ch.After))
		}
		delete(have, ch.After.Seq)
	}
	for seq := range have {
		c.problem("visit %d is stored and no record makes it", seq)
	}
}

func compareCells(stored, want rollup.Delta) []string {
	var out []string
	add := func(format string, args ...any) {
		if len(out) < maxProblems {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	for k, c := range want {
		if got := stored[k]; got != c {
			add("%s: stored %s; the recount gives %s", sayKey(k), sayCell(got), sayCell(c))
		}
	}
	for k, c := range stored {
		if _, ok := want[k]; !ok && !c.IsZero() {
			add("%s counts %d presses that no record makes: %s", sayKey(k), c.Presses, sayCell(c))
		}
	}
	return out
}

// compareDays holds the days against those of a recount. Where another zone
// database is at work than that of who summed them up, nothing is compared: then
// they are not read either, and are summed up anew at the hub's next start.
func compareDays(stored rollup.Days, cells rollup.Delta, zones map[feedback.SiteID]*rollup.Calendar) []string {
	want := cells.Days(func(s feedback.SiteID) *rollup.Calendar { return zones[s] })
	var out []string
	add := func(format string, args ...any) {
		if len(out) < maxProblems {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	for k, c := range want {
		if got := stored[k]; got != c {
			add("%s: stored %s; the recount gives %s", sayDay(k), sayCell(got), sayCell(c))
		}
	}
	for k, c := range stored {
		if zone, known := zones[k.Asked.Site]; known && zone == nil {
			continue
		}
		if _, ok := want[k]; !ok && !c.IsZero() {
			add("%s counts %d presses that no record makes: %s", sayDay(k), c.Presses, sayCell(c))
		}
	}
	return out
}
