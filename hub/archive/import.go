package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"sourire/hub/fleet"
	"sourire/hub/ingest"
	"sourire/hub/insight"
	"sourire/hub/site"
	"sourire/internal/feedback"
	"sourire/internal/wire"
)

// Journals is what an import asks a store about what it has.
type Journals interface {
	Marks(ctx context.Context, keys []ingest.Key) ([]ingest.Mark, error)
	HashAt(ctx context.Context, key ingest.Key, seq feedback.Seq) (feedback.Hash, bool, error)
	Cut(ctx context.Context) (Cut, error)
}

// Places keeps sites.
type Places interface {
	Sites(ctx context.Context) ([]insight.Place, error)
	PutSites(ctx context.Context, sites []site.Site) error
}

// Target is the store that an import goes into. Nobody else may write to it.
type Target struct {
	Ingester *ingest.Ingester // nil in a dry run
	Journals Journals
	Places   Places
	Fleet    fleet.Store
}

// ImportOptions say how an import is made; the zero value is useful.
type ImportOptions struct {
	DryRun   bool                // find out what would be done, and write nothing
	Progress func(records int64) // called as records are read: twice each
}

// Verdict is what an import does with a journal.
type Verdict int

// The verdicts.
const (
	Added   Verdict = iota // something of it is new
	Present                // the store has all of it
	Forked                 // the store holds another journal under its name; nothing was changed
)

// Finding is what an import found of a journal.
type Finding struct {
	Key     ingest.Key
	Verdict Verdict
	// Records that are added, and those of them that say nothing and went to
	// quarantine.
	Records, Quarantined int64
	Why                  string // of a fork
	// Differs says what of it is not as it was where it came from.
	Differs string
}

// Report tells what an import did.
type Report struct {
	Manifest Manifest
	Journals []Finding
	Sites    int // that the store did not know
	Kiosks   int // sightings that are newer than those of the store
}

// Added counts the records that are new.
func (r Report) Added() (n int64) {
	for _, f := range r.Journals {
		n += f.Records
	}
	return n
}

// Forked counts the journals that were left alone.
func (r Report) Forked() (n int) {
	for _, f := range r.Journals {
		if f.Verdict == Forked {
			n++
		}
	}
	return n
}

// Import takes the export in the folder dir into a store. It first proves all of
// the export, and asks the store about every journal; only then it writes. What
// the store has is recognised by number and hash, and a journal of which it holds
// another version is left alone.
func Import(ctx context.Context, dir string, to Target, o ImportOptions) (Report, error) {
	a, err := openExport(dir)
	if err != nil {
		return Report{}, err
	}
	im := &importer{a: a, to: to, o: o, report: Report{Manifest: a.manifest}}
	if err := im.judge(ctx); err != nil {
		return im.report, err
	}
	if err := im.beside(ctx); err != nil {
		return im.report, err
	}
	if o.DryRun {
		return im.report, nil
	}
	if err := im.records(ctx); err != nil {
		return im.report, err
	}
	if err := im.heard(ctx); err != nil {
		return im.report, err
	}
	return im.report, im.compare(ctx)
}

type importer struct {
	a      *opened
	to     Target
	o      ImportOptions
	report Report
	marks  []ingest.Mark // of the journals, before
}

// judge proves the export and compares each journal with what the store has.
func (im *importer) judge(ctx context.Context) error {
	keys := make([]ingest.Key, len(im.a.sources))
	for i, s := range im.a.sources {
		keys[i] = s.key()
	}
	var err error
	if im.marks, err = im.to.Journals.Marks(ctx, keys); err != nil {
		return fmt.Errorf("marks: %w", err)
	}
	im.a.wanted = make(map[ingest.Key]feedback.Seq)
	for i, s := range im.a.sources {
		if m := im.marks[i]; m.Through > 0 {
			im.a.wanted[s.key()] = min(m.Through, s.Through)
		}
	}
	if err := im.a.check(ctx, im.o.Progress); err != nil {
		return err
	}
	for i, s := range im.a.sources {
		f := Finding{Key: s.key()}
		m := im.marks[i]
		theirs, known := im.a.found[s.key()]
		ours := m.Hash
		if m.Through > s.Through {
			var stored bool
			if ours, stored, err = im.to.Journals.HashAt(ctx, s.key(), s.Through); err != nil {
				return fmt.Errorf("%s epoch %s: %w", s.Kiosk, s.Epoch, err)
			}
			known = known && stored
		}
		switch {
		case m.Through > 0 && known && ours != theirs:
			f.Verdict = Forked
			f.Why = fmt.Sprintf("the hash after record %d is %s here and %s in the export", min(m.Through, s.Through), ours, theirs)
		case m.Through >= s.Through:
			f.Verdict = Present
		}
		im.report.Journals = append(im.report.Journals, f)
	}
	return nil
}

// beside takes over the sites that are new and what newer kiosks said.
func (im *importer) beside(ctx context.Context) error {
	have, err := im.to.Places.Sites(ctx)
	if err != nil {
		return fmt.Errorf("sites: %w", err)
	}
	named := make(map[feedback.SiteID]bool)
	for _, p := range have {
		named[p.ID] = p.Zone != ""
	}
	var sites []site.Site
	err = readLines(im.a, fileSites, func(l *siteLine) error {
		if l.Zone == "" || named[l.ID] {
			return nil
		}
		x, err := site.New(l.ID, l.Name, l.Zone)
		if err != nil {
			return &DamagedError{fileSites, err.Error()}
		}
		sites = append(sites, x)
		return nil
	})
	if err != nil {
		return err
	}
	seen, err := im.to.Fleet.Sightings(ctx)
	if err != nil {
		return fmt.Errorf("kiosks: %w", err)
	}
	last := make(map[feedback.KioskID]time.Time)
	for _, k := range seen {
		last[k.Kiosk] = k.LastAt
	}
	var news []fleet.Sighting
	err = readLines(im.a, fileKiosks, func(l *kioskLine) error {
		if at, ok := last[l.Kiosk]; !ok || l.LastAt.After(at) {
			news = append(news, fleet.Sighting(*l))
		}
		return nil
	})
	if err != nil {
		return err
	}
	im.report.Sites, im.report.Kiosks = len(sites), len(news)
	if im.o.DryRun {
		return nil
	}
	if err := im.to.Places.PutSites(ctx, sites); err != nil {
		return fmt.Errorf("sites: %w", err)
	}
	if err := im.to.Fleet.PutSightings(ctx, news); err != nil {
		return fmt.Errorf("kiosks: %w", err)
	}
	return nil
}

// batchRecords are taken in at once: 2,000 records in a transaction take in a
// million in half the time of 500.
const batchRecords = 2_000

// feed gathers the records of one journal into batches.
type feed struct {
	im      *importer
	place   int // of the journal
	finding *Finding
	at      ingest.Point // of what was read
	batch   ingest.Batch
}

// records reads records.jsonl again and takes in what is new.
func (im *importer) records(ctx context.Context) error {
	texts, err := openComments(im.a)
	if err != nil {
		return err
	}
	defer texts.file.Close()
	f := &feed{im: im, place: -1}
	var l recordLine
	err = im.a.scan(ctx, fileRecords, func(line []byte, n int64) error {
		if err := l.parse(line); err != nil {
			return &DamagedError{fileRecords, fmt.Sprintf("line %d: %v", n, err)}
		}
		if err := f.line(ctx, &l, texts); err != nil {
			return err
		}
		if im.o.Progress != nil {
			im.o.Progress(1)
		}
		return nil
	})
	if err == nil {
		err = f.flush(ctx)
	}
	if err != nil {
		return fmt.Errorf("the import has stopped, what is stored stays and the same command goes on: %w", err)
	}
	return nil
}

func (f *feed) line(ctx context.Context, l *recordLine, texts *comments) error {
	if f.place < 0 || f.im.a.sources[f.place].key() != l.key() {
		if err := f.flush(ctx); err != nil {
			return err
		}
		for f.place++; f.im.a.sources[f.place].key() != l.key(); {
			f.place++ // check has seen that it comes
		}
		f.at = ingest.Point{}
		f.finding = &f.im.report.Journals[f.place]
	}
	if l.LostFrom > 0 {
		if err := f.flush(ctx); err != nil {
			return err
		}
		f.at = ingest.Point{Through: l.Seq, Hash: *l.Hash}
		if f.finding.Verdict != Added || l.Seq <= f.im.marks[f.place].Through {
			return nil
		}
		loss := ingest.Loss{Gap: ingest.Gap{First: l.LostFrom, Last: l.Seq, Why: l.Why}, Hash: *l.Hash}
		if s := f.im.a.sources[f.place]; l.Why == ingest.GapDeleted && l.Seq == s.Deleted {
			loss.State = s.Floor
			loss.Began = feedback.EpochBegan{ParentLast: s.ParentLast, Again: s.Again}
			if s.Parent != "" {
				if err := loss.Began.Parent.UnmarshalText([]byte(s.Parent)); err != nil {
					return &DamagedError{fileSources, err.Error()}
				}
			}
		}
		_, err := f.im.to.Ingester.Declare(ctx, l.key(), loss)
		return err
	}
	before := f.at
	f.at = ingest.Point{Through: l.Seq, Hash: f.at.Hash.Next(l.body())}
	text, err := texts.of(l)
	if err != nil {
		return err
	}
	if f.finding.Verdict != Added || l.Seq <= f.im.marks[f.place].Through {
		return nil
	}
	b := &f.batch
	if len(b.Records) == 0 {
		*b = ingest.Batch{Kiosk: l.Kiosk, Batch: wire.Batch{
			V: wire.Version, Re: wire.Re{Nonce: "import", Number: int64(l.Seq)}, Epoch: l.Epoch, First: l.Seq,
			Before: before.Hash, Oldest: 1, Next: f.im.claimed(f.place), Records: b.Records, Texts: b.Texts[:0],
		}}
	}
	b.Records = append(b.Records, slices.Clone(l.body()))
	if text != nil {
		b.Texts = append(b.Texts, *text)
	}
	if len(b.Records) == batchRecords {
		return f.flush(ctx)
	}
	return nil
}

// claimed returns the next that a journal is said to have claimed while its
// records come in. One that is over may have claimed more after it was closed,
// which then was not declared lost; that is told in the end.
func (im *importer) claimed(place int) feedback.Seq {
	s := im.a.sources[place]
	if over := im.a.closed[s.key()]; s.Closed && s.Heard-1 > max(s.Through, over) {
		return over + 1
	}
	return s.Heard
}

// flush takes in what was gathered.
func (f *feed) flush(ctx context.Context) error {
	if len(f.batch.Records) == 0 {
		return nil
	}
	b := f.batch
	f.batch.Records, f.batch.Texts = nil, nil
	out := f.im.to.Ingester.Ingest(ctx, []ingest.Batch{b})[0]
	switch {
	case out.Err != nil:
		return out.Err
	case out.Ack.Refused != "":
		return fmt.Errorf("%s epoch %s: the store refuses records %d to %d: %s", b.Kiosk, b.Epoch, b.First, b.Last(), out.Ack.Why)
	case out.Ack.Through < b.Last():
		return fmt.Errorf("%s epoch %s: the store has records up to %d and does not take %d", b.Kiosk, b.Epoch, out.Ack.Through, b.First)
	}
	f.finding.Records += int64(out.Stored + out.Bad)
	f.finding.Quarantined += int64(out.Bad)
	return nil
}

// heard tells the store what the kiosks claimed to have made, by the question
// that a kiosk would ask.
func (im *importer) heard(ctx context.Context) error {
	for i, s := range im.a.sources {
		if im.report.Journals[i].Verdict == Forked || s.Heard <= s.Through+1 {
			continue
		}
		marks, err := im.to.Journals.Marks(ctx, []ingest.Key{s.key()})
		if err != nil {
			return fmt.Errorf("marks: %w", err)
		}
		m := marks[0]
		if m.Heard >= s.Heard {
			continue
		}
		out := im.to.Ingester.Ingest(ctx, []ingest.Batch{{Kiosk: s.Kiosk, Batch: wire.Batch{
			V: wire.Version, Re: wire.Re{Nonce: "import"}, Epoch: s.Epoch, First: m.Through + 1, Before: m.Hash, Oldest: 1, Next: s.Heard,
		}}})[0]
		if out.Err != nil {
			return out.Err
		}
	}
	return nil
}

// compare says of each journal what is not as it was where it came from.
func (im *importer) compare(ctx context.Context) error {
	cut, err := im.to.Journals.Cut(ctx)
	if err != nil {
		return err
	}
	here := make(map[ingest.Key]Source, len(cut.Sources))
	for _, s := range cut.Sources {
		here[s.Key] = s
	}
	gaps, deleted := make(map[ingest.Key][]ingest.Gap), make(map[ingest.Key]feedback.Seq)
	for _, s := range im.a.sources {
		deleted[s.key()] = s.Deleted
	}
	err = readLines(im.a, fileGaps, func(l *gapLine) error {
		key := ingest.Key{Kiosk: l.Kiosk, Epoch: l.Epoch}
		if l.Last <= deleted[key] {
			return nil // one with what was deleted
		}
		gaps[key] = append(gaps[key], ingest.Gap{First: l.First, Last: l.Last, Why: l.Why})
		return nil
	})
	if err != nil {
		return err
	}
	for i, s := range im.a.sources {
		f := &im.report.Journals[i]
		if f.Verdict == Forked || f.Verdict == Present {
			continue
		}
		now := here[s.key()]
		var got []ingest.Gap
		for _, g := range cut.Gaps[s.key()] {
			got = append(got, g.Gap)
		}
		switch {
		case now.Point != ingest.Point{Through: s.Through, Hash: s.Hash}:
			f.Differs = fmt.Sprintf("it ends at record %d, in the export at %d", now.Through, s.Through)
		case !slices.Equal(got, gaps[s.key()]):
			f.Differs = fmt.Sprintf("declared lost are %v, in the export %v", got, gaps[s.key()])
		case now.Closed != s.Closed:
			f.Differs = "whether it is over differs, for this hub knows other journals of the kiosk"
		}
	}
	return nil
}

// comments reads comments.jsonl, which check has proved, beside records.jsonl,
// whose order it has.
type comments struct {
	file  *os.File
	lines *json.Decoder
	next  *commentLine
}

func openComments(a *opened) (*comments, error) {
	f, err := os.Open(filepath.Join(a.dir, fileComments))
	if err != nil {
		return nil, err
	}
	return &comments{file: f, lines: json.NewDecoder(f)}, nil
}

// of returns the text of a record, if it has one.
func (c *comments) of(l *recordLine) (*wire.Text, error) {
	if c.next == nil {
		c.next = &commentLine{}
		if err := c.lines.Decode(c.next); err != nil && !errors.Is(err, io.EOF) {
			return nil, &DamagedError{fileComments, err.Error()}
		}
	}
	if c.next.Kiosk != l.Kiosk || c.next.Epoch != l.Epoch || c.next.Seq != l.Seq {
		return nil, nil
	}
	t := &wire.Text{Seq: c.next.Seq, Salt: c.next.Salt, Text: c.next.Text}
	c.next = nil
	return t, nil
}
