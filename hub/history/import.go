package history

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sourire/hub/ingest"
	"sourire/hub/site"
	"sourire/internal/feedback"
	"sourire/internal/visit"
	"sourire/internal/wire"
)

// Options say how a history is taken in. Zone is needed.
type Options struct {
	Zone *time.Location // of sites without a zone of their own
	// Zones are those of sites, beside those that the store knows.
	Zones    map[feedback.SiteID]*time.Location
	DryRun   bool             // find out what would be done, and write nothing
	SkipBad  bool             // leave refused lines out; without it they stop the import
	Overlap  bool             // count beside earlier imports of the same time
	Examples int              // of refused lines, of each reason; 0: 3
	Progress func(rows int64) // called as rows are read, and again as they are stored
	Now      func() time.Time // nil means time.Now
	fixed    *time.Location   // of all times, when the mapping names a zone
}

func (o Options) zone(s feedback.SiteID) *time.Location {
	if o.fixed != nil {
		return o.fixed
	}
	if z, ok := o.Zones[s]; ok {
		return z
	}
	return o.Zone
}

// ErrRefused says that lines were refused and nothing was written.
var ErrRefused = errors.New("lines are refused, so nothing was imported: mend them, or leave them out with --skip-bad")

// ErrOverlaps says that a place has another import of the same time.
var ErrOverlaps = errors.New("it would be counted beside an earlier import of the same time, so nothing was imported")

// Verdict is what an import does with a place.
type Verdict int

// The verdicts.
const (
	Added      Verdict = iota // none of it was there
	Resumed                   // an import that was cut short goes on
	Recognised                // all of it is there already: nothing is added
	Overlaps                  // another import of the place has the same time
)

// Finding is what an import found of a place.
type Finding struct {
	Key         ingest.Key
	Place       Place
	Texts       []string // the location texts that mean it
	Zone        string
	First, Last time.Time
	Rows        int64
	Visits      [visit.Asides]int64 // by reason; those of visit.Counted count
	Verdict     Verdict
	Other       Span  // of Overlaps: the other import
	Records     int64 // that were added
}

// Report tells what an import did, or would do.
type Report struct {
	Lines    int64 // without the titles
	Read     []string
	Dropped  []string // titles of columns that were not read
	Dates    string   // the order of day and month
	Refused  map[Reason]int64
	Examples []Refusal // in the order of lines
	Places   []Finding
	File     string // where the refused lines are; "" when there is none
}

// RefusedLines counts the lines that were refused.
func (r Report) RefusedLines() (n int64) {
	for _, k := range r.Refused {
		n += k
	}
	return n
}

// importer takes one file in.
type importer struct {
	reading
	store    Store
	ingester *ingest.Ingester
	report   Report
	refused  *refusedFile
	known    map[feedback.SiteID]bool // sites of the store
}

// Import takes a file in, through g, which a dry run does not need.
func Import(ctx context.Context, file string, m Mapping, store Store, g *ingest.Ingester, o Options) (report Report, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Examples == 0 {
		o.Examples = 3
	}
	if err := m.check(); err != nil {
		return report, err
	}
	if m.Zone != "" {
		if o.fixed, err = time.LoadLocation(m.Zone); err != nil {
			return report, fmt.Errorf("zone %q is no IANA time zone: write one like Europe/Paris", m.Zone)
		}
	}
	im := &importer{store: store, ingester: g, known: make(map[feedback.SiteID]bool)}
	im.m, im.o = m, o
	im.m.Ratings, im.m.Places = foldKeys(m.Ratings), foldKeys(m.Places)
	im.scale, _ = feedback.ParseScale(string(m.Scale)) // check has seen to that
	im.report.Refused = make(map[Reason]int64)
	if o.SkipBad && !o.DryRun {
		if im.refused, err = stageRefused(file); err != nil {
			return report, err
		}
		defer im.refused.drop()
	}
	err = im.run(ctx, file)
	return im.report, err
}

func foldKeys[V any](m map[string]V) map[string]V {
	if m == nil {
		return nil
	}
	out := make(map[string]V, len(m))
	for k, v := range m {
		out[folded(k)] = v
	}
	return out
}

func (im *importer) run(ctx context.Context, file string) error {
	if err := im.zones(ctx); err != nil {
		return err
	}
	im.refuse = im.keep
	if err := im.scanDates(ctx, file); err != nil {
		return err
	}
	if im.refused != nil {
		if err := im.refused.titles(im.columns.read); err != nil {
			return err
		}
	}
	if err := im.read(ctx, file); err != nil {
		return err
	}
	im.report.Lines, im.report.Read, im.report.Dropped, im.report.Dates = im.lines, im.columns.read, im.dropped, im.m.Dates
	if err := im.judge(ctx); err != nil {
		return err
	}
	switch {
	case im.o.DryRun:
		return nil
	case im.all(Recognised):
		return nil
	case im.report.RefusedLines() > 0 && !im.o.SkipBad:
		return ErrRefused
	case im.any(Overlaps) && !im.o.Overlap:
		return ErrOverlaps
	}
	return im.write(ctx)
}

// keep counts a refused line, and keeps it as an example or in the file.
func (im *importer) keep(x Refusal) error {
	im.report.Refused[x.Reason]++
	if im.report.Refused[x.Reason] <= int64(im.o.Examples) {
		im.report.Examples = append(im.report.Examples, x)
	}
	if im.refused != nil {
		return im.refused.add(x)
	}
	return nil
}

func (im *importer) all(v Verdict) bool {
	return len(im.report.Places) > 0 && !slices.ContainsFunc(im.report.Places, func(f Finding) bool { return f.Verdict != v })
}

func (im *importer) any(v Verdict) bool {
	return slices.ContainsFunc(im.report.Places, func(f Finding) bool { return f.Verdict == v })
}

// zones learns the zones of the sites that the store knows.
func (im *importer) zones(ctx context.Context) error {
	zones := make(map[feedback.SiteID]*time.Location)
	places, err := im.store.Sites(ctx)
	if err != nil {
		return fmt.Errorf("sites: %w", err)
	}
	for _, p := range places {
		if z, err := time.LoadLocation(p.Zone); err == nil && p.Zone != "" {
			zones[p.ID], im.known[p.ID] = z, true
		}
	}
	for id, z := range im.o.Zones { // the settings come after what they once were
		zones[id] = z
	}
	im.o.Zones = zones
	return nil
}

// judge finds out what is to be done with each place.
func (im *importer) judge(ctx context.Context) error {
	for _, s := range im.sources {
		f := Finding{
			Key:   ingest.Key{Kiosk: im.m.kioskOf(s.place), Epoch: im.m.epoch(im.sum, s.place, s.zone.String())},
			Place: s.place, Texts: s.texts, Zone: s.zone.String(), Rows: int64(len(s.rows)),
			First: time.UnixMilli(s.rows[0].at), Last: time.UnixMilli(s.rows[len(s.rows)-1].at),
		}
		t, err := newJournal(im.m, s).tally()
		if err != nil {
			return fmt.Errorf("%s: %w", f.Key.Kiosk, err)
		}
		f.Visits = t.Visits
		if err := im.compare(ctx, &f, t.Records); err != nil {
			return err
		}
		im.report.Places = append(im.report.Places, f)
	}
	return nil
}

// compare asks the store what it has of a place.
func (im *importer) compare(ctx context.Context, f *Finding, records int64) error {
	marks, err := im.store.Marks(ctx, []ingest.Key{f.Key})
	if err != nil {
		return fmt.Errorf("marks: %w", err)
	}
	switch through := int64(marks[0].Through); {
	case through >= records:
		f.Verdict = Recognised
		return nil
	case through > 0:
		f.Verdict = Resumed
		return nil
	}
	spans, err := im.store.Spans(ctx, f.Key.Kiosk)
	if err != nil {
		return fmt.Errorf("earlier imports of %s: %w", f.Key.Kiosk, err)
	}
	for _, other := range spans {
		if other.Epoch != f.Key.Epoch && !other.Last.Before(f.First) && !f.Last.Before(other.First) {
			f.Verdict, f.Other = Overlaps, other
		}
	}
	return nil
}

// write takes everything in.
func (im *importer) write(ctx context.Context) error {
	if im.refused != nil && im.report.RefusedLines() > 0 {
		var err error
		if im.report.File, err = im.refused.publish(); err != nil {
			return err
		}
	}
	var sites []site.Site
	for _, s := range im.sources {
		if im.known[s.place.Site] {
			continue
		}
		im.known[s.place.Site] = true
		name := s.texts[0]
		if im.m.Site != "" {
			name = ""
		}
		x, err := site.New(s.place.Site, name, s.zone.String())
		if err != nil {
			return err
		}
		sites = append(sites, x)
	}
	if err := im.store.PutSites(ctx, sites); err != nil {
		return fmt.Errorf("sites: %w", err)
	}
	for i, s := range im.sources {
		f := &im.report.Places[i]
		if f.Verdict == Recognised {
			continue
		}
		if err := im.pour(ctx, f, newJournal(im.m, s)); err != nil {
			return fmt.Errorf("the import has stopped, what is stored stays and the same command goes on: %s: %w", f.Key.Kiosk, err)
		}
	}
	return nil
}

// batchRecords are taken in at once.
const batchRecords = 2_000

// pour sends the journal of a place to the ingester.
func (im *importer) pour(ctx context.Context, f *Finding, j *journal) error {
	marks, err := im.store.Marks(ctx, []ingest.Key{f.Key})
	if err != nil {
		return fmt.Errorf("marks: %w", err)
	}
	var at ingest.Point
	b := ingest.Batch{Kiosk: f.Key.Kiosk, Batch: wire.Batch{V: wire.Version, Re: wire.Re{Nonce: "import"}, Epoch: f.Key.Epoch, Oldest: 1}}
	flush := func() error {
		if len(b.Records) == 0 {
			return nil
		}
		b.Next = b.Last() + 1
		out := im.ingester.Ingest(ctx, []ingest.Batch{b})[0]
		switch {
		case out.Err != nil:
			return out.Err
		case out.Ack.Refused != "" || out.Ack.Through < b.Last() || out.Bad > 0:
			return fmt.Errorf("the store does not take records %d to %d: %s", b.First, b.Last(), out.Ack.Why)
		}
		f.Records += int64(out.Stored)
		if im.o.Progress != nil {
			im.o.Progress(int64(out.Pressed))
		}
		b.Records = nil
		return nil
	}
	err = j.each(func(_ feedback.Record, body []byte) error {
		before := at
		at = ingest.Point{Through: at.Through + 1, Hash: at.Hash.Next(body)}
		if at.Through <= marks[0].Through {
			if at.Through == marks[0].Through && at.Hash != marks[0].Hash {
				return fmt.Errorf("the store holds another journal under this name")
			}
			return nil
		}
		if len(b.Records) == 0 {
			b.First, b.Before = at.Through, before.Hash
		}
		if b.Records = append(b.Records, slices.Clone(body)); len(b.Records) == batchRecords {
			return flush()
		}
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}
