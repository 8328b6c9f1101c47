package archive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"sourire/hub/ingest"
	"sourire/internal/durable"
	"sourire/internal/feedback"
	"sourire/internal/run"
	"sourire/internal/visit"
)

// ExportOptions say how an export is made. Zone is needed.
type ExportOptions struct {
	Zone     *time.Location   // of sites without a zone of their own
	Now      func() time.Time // nil means time.Now
	Progress func(records int64)
}

// ErrExists says that the folder of an export is there already.
var ErrExists = errors.New("an export never replaces anything")

// ErrReread says that a journal was read again, after an upgrade, while it was
// exported.
var ErrReread = errors.New("the hub is just reading its journals again after an upgrade, export again in a minute")

// ErrDeleting says that records were deleted, for their period was over, while they
// were exported.
var ErrDeleting = errors.New("the hub is just deleting records whose period is over, export again in a minute")

// checkEvery records a line of records.jsonl carries the running hash.
const checkEvery = 500

// maxProblems are spelled out in a manifest.
const maxProblems = 20

// exporter writes one export.
type exporter struct {
	o        ExportOptions
	store    Store
	cut      Cut
	dir      string // the unfinished folder
	zones    map[feedback.SiteID]*time.Location
	manifest Manifest
	open     []*output

	records, comments *output
	visits            *output
	visitTable        *Table
	spool             *spool
	tally             *tally
	line              []byte
}

// Export writes everything that the store holds into a new folder at dir, which
// appears when it is whole. What does not agree with its hashes is exported too,
// and told in the manifest's Problems.
func Export(ctx context.Context, store Store, dir string, o ExportOptions) (m Manifest, err error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return m, fmt.Errorf("export to %s: %w", dir, err)
	}
	if _, err := os.Lstat(abs); err == nil {
		return m, fmt.Errorf("export to %s: it exists already, name a folder that does not: %w", dir, ErrExists)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("export to %s: %w", dir, err)
	}
	part, err := os.MkdirTemp(filepath.Dir(abs), filepath.Base(abs)+".*.part")
	if err != nil {
		return m, fmt.Errorf("export to %s: %w", dir, err)
	}
	e := &exporter{o: o, store: store, dir: part}
	defer func() {
		for _, f := range e.open {
			_ = f.file.Close()
		}
		if e.spool != nil {
			_ = e.spool.file.Close()
		}
		if err != nil {
			err = errors.Join(err, os.RemoveAll(part))
		}
	}()
	if err := e.all(ctx); err != nil {
		return m, fmt.Errorf("export to %s: %w", dir, err)
	}
	if err := durable.Rename(part, abs); err != nil {
		return m, fmt.Errorf("export to %s: %w", dir, err)
	}
	return e.manifest, nil
}

func (e *exporter) create(name string) (*output, error) {
	o, err := create(e.dir, name)
	if err == nil {
		e.open = append(e.open, o)
	}
	return o, err
}

func (e *exporter) all(ctx context.Context) (err error) {
	if e.cut, err = e.store.Cut(ctx); err != nil {
		return err
	}
	e.manifest = Manifest{
		Format: Format, Version: Version, Program: "sourire-hub " + run.Version(), Store: e.cut.StoreID,
		ExportedAt: e.o.Now().UTC(), Zone: e.o.Zone.String(), VisitRule: visit.Rule, Problems: []string{},
	}
	if err := e.beside(ctx); err != nil {
		return err
	}
	if err := e.journals(ctx); err != nil {
		return err
	}
	if err := e.rollups(); err != nil {
		return err
	}
	return e.finish()
}

// beside writes the files of what is not a record.
func (e *exporter) beside(ctx context.Context) error {
	places, err := e.store.Sites(ctx)
	if err != nil {
		return fmt.Errorf("sites: %w", err)
	}
	e.zones = make(map[feedback.SiteID]*time.Location)
	var sites, kiosks, refusals, sources, gaps []any
	for _, p := range places {
		sites = append(sites, siteLine{ID: p.ID, Name: p.Name, Zone: p.Zone})
		if zone, err := time.LoadLocation(p.Zone); err == nil && p.Zone != "" {
			e.zones[p.ID] = zone
		}
	}
	seen, err := e.store.Sightings(ctx)
	if err != nil {
		return fmt.Errorf("kiosks: %w", err)
	}
	for _, k := range seen {
		kiosks = append(kiosks, kioskLine(k))
	}
	for _, r := range e.cut.Refusals {
		refusals = append(refusals, refusalLine(r))
	}
	for _, s := range e.cut.Sources {
		sources = append(sources, lineOfSource(s))
		for _, g := range e.cut.Gaps[s.Key] {
			gaps = append(gaps, gapLine{s.Key.Kiosk, s.Key.Epoch, g.First, g.Last, g.Why, g.At.Format(day)})
			e.manifest.Counts.Lost += int64(g.Last - g.First + 1)
		}
	}
	e.manifest.Counts.Journals = int64(len(sources))
	for _, f := range []struct {
		name  string
		lines []any
	}{{fileSites, sites}, {fileKiosks, kiosks}, {fileRefusals, refusals}, {fileSources, sources}, {fileGaps, gaps}} {
		o, err := e.create(f.name)
		if err != nil {
			return err
		}
		for _, l := range f.lines {
			if err := o.line(l); err != nil {
				return err
			}
		}
	}
	return nil
}

// journals writes records, comments and visits.
func (e *exporter) journals(ctx context.Context) (err error) {
	for _, f := range []struct {
		name string
		to   **output
	}{{fileRecords, &e.records}, {fileComments, &e.comments}, {fileVisits, &e.visits}} {
		if *f.to, err = e.create(f.name); err != nil {
			return err
		}
	}
	e.tally = newTally(e.dir)
	if e.spool, err = newSpool(filepath.Join(e.dir, "visits.tmp")); err != nil {
		return err
	}
	e.visitTable = NewTable(e.visits)
	if err := e.visitTable.Row(visitTitles()...); err != nil {
		return err
	}
	for _, s := range e.cut.Sources {
		if err := e.journal(ctx, s); err != nil {
			return fmt.Errorf("kiosk %s epoch %s: %w", s.Key.Kiosk, s.Key.Epoch, err)
		}
	}
	spool := e.spool
	e.spool = nil
	return spool.close()
}

func (e *exporter) journal(ctx context.Context, s Source) error {
	f := newFolder(e.spool.add)
	at, err := e.floor(s, f)
	if err != nil {
		return err
	}
	for at.Through < s.Through {
		p, err := e.store.Page(ctx, s.Key, at.Through, s.Through)
		if err != nil {
			return err
		}
		if p.Rule != s.Rule || p.ReadBy != s.ReadBy {
			return ErrReread
		}
		if p.Floor != s.Floor.Through {
			return ErrDeleting
		}
		if len(p.Rows) > 0 && at == s.Floor.Point {
			e.completeFrom(s, p.Rows[0].StoredOn)
		}
		for _, row := range p.Rows {
			if at, err = e.row(s, f, at, row); err != nil {
				return err
			}
		}
		if p.Through > at.Through {
			return fmt.Errorf("a page ends at record %d and its rows at %d", p.Through, at.Through)
		}
		if e.o.Progress != nil {
			e.o.Progress(int64(len(p.Rows)))
		}
	}
	if at.Hash != s.Hash {
		e.problem("%s epoch %s: the running hash at record %d is %s, the mark says %s", s.Key.Kiosk, s.Key.Epoch, at.Through, at.Hash, s.Hash)
	}
	if err := f.end(); err != nil {
		return err
	}
	return e.spool.each(func(v visit.Visit) error { return e.visit(s.Key, f.dated(v)) })
}

// floor begins a journal whose oldest records were deleted.
func (e *exporter) floor(s Source, f *folder) (ingest.Point, error) {
	low := s.Floor
	if low.Through == 0 {
		return ingest.Point{}, nil
	}
	f.state = low.State.Clone()
	f.state.Resume(&f.effects)
	e.manifest.Counts.Deleted += int64(low.Through)
	for _, g := range e.cut.Gaps[s.Key] {
		e.manifest.Counts.Deleted -= int64(max(0, min(g.Last, low.Through)-g.First+1))
	}
	if low.Through == s.Through {
		e.completeFrom(s, s.StoredAt.UTC().AddDate(0, 0, 1))
	}
	l := recordLine{
		Kiosk: s.Key.Kiosk, Epoch: s.Key.Epoch, Seq: low.Through, Day: s.CreatedAt.UTC().Format(day),
		LostFrom: 1, Why: ingest.GapDeleted, Hash: &low.Hash,
	}
	e.line = l.append(e.line[:0], nil)
	e.records.rows++
	_, err := e.records.Write(e.line)
	return low.Point, err
}

// completeFrom notes the first day of which a journal lacks nothing.
func (e *exporter) completeFrom(s Source, on time.Time) {
	if from := on.Format(day); s.Floor.Through > 0 && from > e.manifest.CompleteFrom {
		e.manifest.CompleteFrom = from
	}
}

// row writes a row of a journal and returns where it ends.
func (e *exporter) row(s Source, f *folder, at ingest.Point, row Row) (ingest.Point, error) {
	l := recordLine{Kiosk: s.Key.Kiosk, Epoch: s.Key.Epoch, Seq: row.Seq, Day: row.StoredOn.Format(day), Bad: row.Bad}
	if row.Body == nil {
		l.LostFrom, l.Why = e.lost(s.Key, at.Through+1, row.Seq)
		at = ingest.Point{Through: row.Seq, Hash: row.Hash}
		l.Hash = &row.Hash
	} else {
		if row.Seq != at.Through+1 {
			e.problem("%s epoch %s: records %d to %d are missing and not declared lost", s.Key.Kiosk, s.Key.Epoch, at.Through+1, row.Seq-1)
			f.state.Barrier = true
		}
		at = ingest.Point{Through: row.Seq, Hash: at.Hash.Next(row.Body)}
		if row.Checked && row.Hash != at.Hash {
			e.problem("%s epoch %s: the running hash after record %d is %s, stored was %s", s.Key.Kiosk, s.Key.Epoch, row.Seq, at.Hash, row.Hash)
		}
		if row.Seq%checkEvery == 0 || row.Seq == s.Through {
			l.Hash = &at.Hash
		}
		e.manifest.Counts.Records++
		if row.Bad != "" {
			e.manifest.Counts.Quarantined++
		}
	}
	e.line = l.append(e.line[:0], row.Body)
	e.records.rows++
	if _, err := e.records.Write(e.line); err != nil {
		return at, err
	}
	if row.Comment != nil {
		e.manifest.Counts.Comments++
		if err := e.comments.line(commentLine{s.Key.Kiosk, s.Key.Epoch, row.Seq, row.Comment.Salt, row.Comment.Text}); err != nil {
			return at, err
		}
	}
	fact, bad, err := f.row(row)
	if bad != nil {
		e.problem("%s epoch %s: record %d is stored as good but: %v", s.Key.Kiosk, s.Key.Epoch, row.Seq, bad)
	}
	if fact != nil && fact.Kind() == feedback.KindPress {
		e.manifest.Counts.Presses++
	}
	return at, err
}

// lost returns where the declared loss begins that ends at last, and why.
func (e *exporter) lost(key ingest.Key, first, last feedback.Seq) (feedback.Seq, string) {
	for _, g := range e.cut.Gaps[key] {
		if g.Last == last && g.Why != ingest.GapClosed {
			return min(max(g.First, first), last), g.Why
		}
	}
	e.problem("%s epoch %s: records %d to %d are missing and not declared lost", key.Kiosk, key.Epoch, first, last)
	return min(first, last), ingest.GapPruned
}

func (e *exporter) problem(format string, args ...any) {
	if p := &e.manifest.Problems; len(*p) < maxProblems {
		*p = append(*p, fmt.Sprintf(format, args...))
	}
}

// finish puts README and manifest into the folder, everything on the disk.
func (e *exporter) finish() error {
	text, err := e.create(fileReadme)
	if err != nil {
		return err
	}
	if _, err := text.Write([]byte(readme)); err != nil {
		return err
	}
	open := e.open
	e.open = nil
	for _, o := range open {
		f, err := o.end()
		if err != nil {
			return err
		}
		e.manifest.Files = append(e.manifest.Files, f)
	}
	b, err := json.MarshalIndent(e.manifest, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(e.dir, fileManifest), append(b, '\n'), 0o600)
}
