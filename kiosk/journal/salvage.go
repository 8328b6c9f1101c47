package journal

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"sourire/internal/durable"
	"sourire/internal/feedback"
	"sourire/internal/sqlite"
	"sourire/internal/wire"
)

// A rescue goes so that a power cut at any point of it loses nothing:
//
//  1. what can be read is written to FILE.fresh, which is then closed;
//  2. FILE becomes FILE.damaged-DATE: until now everything begins again;
//  3. FILE-wal follows it, and FILE.fresh becomes FILE: from now on
//     finishRescue does it.
const (
	freshSuffix   = ".fresh"
	damagedSuffix = ".damaged-"
	// keepDamaged files are kept for people to look at.
	keepDamaged = 3
	// maxUnreadable numbers in a row are tried before the rest is given up.
	maxUnreadable = 20_000
)

// rescue salvages a damaged file into a fresh one and puts that in its place.
func rescue(ctx context.Context, o Options, _ error) error {
	if err := standIn(o.Path); err != nil {
		return err
	}
	fresh := o.Path + freshSuffix
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(fresh + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := salvageInto(ctx, o, fresh); err != nil {
		return err
	}
	aside := damagedName(o)
	if err := durable.Rename(o.Path, aside); err != nil {
		return err
	}
	return finishRescue(o, aside)
}

// finishRescue puts a fresh file in the place of the damaged one, if that has
// been set aside already, as aside; "" where that was before a power cut, and only
// the clock, which may have been wrong, tells which was the last.
func finishRescue(o Options, aside string) error {
	_, err := os.Lstat(o.Path)
	_, errFresh := os.Lstat(o.Path + freshSuffix)
	if !errors.Is(err, fs.ErrNotExist) || errFresh != nil {
		return nil //nolint:nilerr // there is nothing to finish
	}
	if aside == "" {
		names, err := Damaged(o.Path)
		if err != nil {
			return err
		}
		aside = append([]string{damagedName(o)}, names...)[len(names)]
	}
	// The old log must not meet the fresh file; it goes with the one it is of.
	err = durable.Rename(o.Path+"-wal", aside+"-wal")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Remove(o.Path + "-shm"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := durable.Rename(o.Path+freshSuffix, o.Path); err != nil {
		return err
	}
	return dropDamaged(o)
}

// damagedName returns a name that is not taken. A kiosk without a clock dates it
// to 1970.
func damagedName(o Options) string {
	base := o.Path + damagedSuffix + o.Clock.Now().Wall.UTC().Format("20060102T150405Z")
	name := base
	for n := 2; ; n++ {
		if _, err := os.Lstat(name); err != nil {
			return name
		}
		name = fmt.Sprintf("%s-%d", base, n)
	}
}

// Damaged returns the files that were set aside, oldest first.
func Damaged(path string) ([]string, error) {
	names, err := filepath.Glob(path + damagedSuffix + "*Z*")
	if err != nil {
		return nil, err
	}
	age := map[string]time.Time{}
	names = slices.DeleteFunc(names, func(name string) bool {
		info, err := os.Stat(name)
		if err == nil {
			age[name] = info.ModTime()
		}
		return err != nil || filepath.Ext(name) == ".fresh" || len(name) > 4 && name[len(name)-4:] == "-wal"
	})
	slices.SortStableFunc(names, func(a, b string) int { return age[a].Compare(age[b]) })
	return names, nil
}

func dropDamaged(o Options) error {
	names, err := Damaged(o.Path)
	if err != nil {
		return err
	}
	for _, name := range names[:max(0, len(names)-keepDamaged)] {
		for _, suffix := range []string{"", "-wal"} {
			if err := os.Remove(name + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// salvageInto writes what can be read of the damaged file into a fresh one.
func salvageInto(ctx context.Context, o Options, fresh string) error {
	to, err := sqlite.Open(fresh, sqlite.Options{})
	if err != nil {
		return err
	}
	s := salvage{ctx: ctx, o: o, emptied: checkEmptied(o.Path) != nil}
	if err := migrate(ctx, to); err != nil {
		return errors.Join(err, to.Close())
	}
	if s.emptied { // opening it would cost the log
		return errors.Join(to.Update(ctx, s.write), to.Close())
	}
	if err := pad(o.Path); err != nil {
		return errors.Join(err, to.Close())
	}
	from, err := sqlite.Open(o.Path, sqlite.Options{MustExist: true})
	if err == nil {
		s.read(from.Read)
		_ = from.Close() // it is damaged, and set aside in a moment
	}
	return errors.Join(to.Update(ctx, s.write), to.Close())
}

// checkEmptied reports a file of no length as damaged, and one that is gone while
// its log is there. SQLite takes both for new ones, and deletes the log.
func checkEmptied(path string) error {
	info, err := os.Stat(path)
	if err == nil && info.Size() == 0 {
		return fmt.Errorf("%w: %s has no length", sqlite.ErrDamaged, path)
	}
	if _, logErr := os.Stat(path + "-wal"); errors.Is(err, fs.ErrNotExist) && logErr == nil {
		return fmt.Errorf("%w: %s is gone and its log is there", sqlite.ErrDamaged, path)
	}
	return nil // whoever opens it says what else is wrong
}

// standIn puts a file of no length where the journal is gone, so that it and its
// log are set aside like other damage.
func standIn(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return file.Close()
}

// Begun reports whether a journal was begun at a path, whole or not.
func Begun(path string) bool {
	return slices.ContainsFunc([]string{"", "-wal", freshSuffix}, func(suffix string) bool {
		_, err := os.Lstat(path + suffix)
		return !errors.Is(err, fs.ErrNotExist) // what else is wrong with it, its user says
	})
}

// pad gives a file that was cut short the length that its head announces, with
// zeros: SQLite reads nothing at all of a shorter one, and of this one all but
// the pages that are gone. Size of a page and their number stand at bytes 16 and
// 28 (sqlite.org/fileformat2.html, section 1.3).
func pad(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close() // what matters is what Truncate returns
	var head [32]byte
	if _, err := file.ReadAt(head[:], 0); err != nil || string(head[:15]) != "SQLite format 3" {
		return nil // nothing can be read of it
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	size := int64(binary.BigEndian.Uint16(head[16:])) * int64(binary.BigEndian.Uint32(head[28:]))
	if size <= info.Size() || size > maxPadded {
		return nil
	}
	return file.Truncate(size)
}

// maxPadded is above any bound that Options may give: the head itself may be
// damaged. The zeros take no room on the disk.
const maxPadded = 1 << 40

// Why the epoch after a rescue begins.
const (
	whyDamaged = "damaged"
	whyEmptied = "damaged, and nothing was left of it"
	whyUnsure  = "damaged, and what was asked behind a gap may have been something else"
)

// salvage is what could be read out of a damaged file.
type salvage struct {
	ctx     context.Context
	o       Options
	session int64
	seen    seen
	boots   map[feedback.Boot]string
	epochs  []*saved
	emptied bool // the file has no length, or is gone
}

// saved is what could be read of one epoch.
type saved struct {
	row
	known     bool // its row could be read
	records   []savedRecord
	landmarks []landmark
	partial   bool // some landmarks could not be read
	texts     []wire.Text
}

type savedRecord struct {
	seq     feedback.Seq
	before  feedback.Hash
	body    []byte
	at      int64
	presses int64
}

// read takes whatever it can; an error only means that there is less.
func (s *salvage) read(db *sql.DB) {
	_ = db.QueryRowContext(s.ctx, "SELECT session, seen_boot, seen_since, seen_at, acked_at FROM journal").
		Scan(&s.session, &s.seen.stamp.Boot, &s.seen.stamp.Since, &s.seen.at, &s.seen.ackedAt)
	s.boots = make(map[feedback.Boot]string)
	if rows, err := db.QueryContext(s.ctx, "SELECT n, kernel FROM boot"); err == nil {
		var n feedback.Boot
		var kernel string
		for rows.Next() && rows.Scan(&n, &kernel) == nil {
			s.boots[n] = kernel
		}
		_ = errors.Join(rows.Err(), rows.Close()) // then there are fewer
	}
	epochs, _ := readEpochs(s.ctx, db)
	for _, e := range epochs {
		s.epochs = append(s.epochs, &saved{row: e, known: true})
	}
	s.findEpochs(db)
	for _, e := range s.epochs {
		e.read(s.ctx, db)
	}
}

// findEpochs finds by their records the epochs whose rows could not be read.
func (s *salvage) findEpochs(db *sql.DB) {
	id := int64(-1 << 63)
	for {
		var next int64
		err := db.QueryRowContext(s.ctx, "SELECT epoch FROM record WHERE epoch >= ? ORDER BY epoch LIMIT 1", id).Scan(&next)
		if err != nil {
			return
		}
		if !slices.ContainsFunc(s.epochs, func(e *saved) bool { return e.ID == feedback.Epoch(next) }) {
			s.epochs = append(s.epochs, &saved{row: row{Epoch: Epoch{ID: feedback.Epoch(next)}}})
		}
		if next == 1<<63-1 {
			return
		}
		id = next + 1
	}
}

// read reads the records that are not known to be acknowledged, one by one, and
// steps over those that cannot be read.
func (e *saved) read(ctx context.Context, db *sql.DB) {
	for seq, failed := e.Acked+1, 0; failed < maxUnreadable; seq++ {
		var r savedRecord
		var before []byte
		err := db.QueryRowContext(ctx, "SELECT seq, before, body, at, presses FROM record WHERE epoch = ? AND seq >= ? ORDER BY seq LIMIT 1",
			int64(e.ID), seq).Scan(&r.seq, &before, &r.body, &r.at, &r.presses)
		if errors.Is(err, sql.ErrNoRows) || e.known && seq >= e.Next {
			break
		}
		if err != nil || len(before) != len(r.before) {
			failed++
			continue
		}
		failed = 0
		r.before = feedback.Hash(before)
		e.records = append(e.records, r)
		seq = r.seq
	}
	e.discard()
	for _, kind := range landmarkKinds {
		e.readLandmarks(ctx, db, kind)
	}
	for _, r := range e.records {
		t := wire.Text{Seq: r.seq}
		if db.QueryRowContext(ctx, "SELECT salt, text FROM comment WHERE epoch = ? AND seq = ?", int64(e.ID), r.seq).Scan(&t.Salt, &t.Text) == nil {
			e.texts = append(e.texts, t)
		}
	}
}

// readLandmarks reads the landmarks of one kind.
func (e *saved) readLandmarks(ctx context.Context, db *sql.DB, kind feedback.Kind) {
	rows, err := db.QueryContext(ctx, "SELECT seq, before, body FROM landmark WHERE epoch = ? AND kind = ?", int64(e.ID), string(kind))
	if err != nil {
		e.partial = true
		return
	}
	defer rows.Close()
	for rows.Next() {
		l := landmark{Entry: Entry{Epoch: e.ID}}
		if err = rows.Scan(&l.Seq, &l.before, &l.Body); err == nil {
			l.Record, err = wire.DecodeRecord(l.Body)
		}
		if err != nil || l.Record.Fact.Kind() != kind {
			e.partial = true
			continue
		}
		e.landmarks = append(e.landmarks, l)
	}
	e.partial = e.partial || rows.Err() != nil
}

// unsure reports whether records are missing among which something may have
// been applied that nothing tells of.
func (e *saved) unsure() bool {
	last := e.Acked
	holes := slices.ContainsFunc(e.records, func(r savedRecord) bool {
		missing := r.seq != last+1
		last = r.seq
		return missing
	})
	return e.partial && holes
}

// discard drops records that contradict the chain of hashes, and those that no
// longer say anything: their bytes were damaged where SQLite does not look.
func (e *saved) discard() {
	e.records = slices.DeleteFunc(e.records, func(r savedRecord) bool {
		_, err := wire.DecodeRecord(r.body)
		return err != nil
	})
	var kept []savedRecord
	for i, r := range e.records {
		after := r.before.Next(r.body)
		switch {
		case i+1 < len(e.records) && e.records[i+1].seq == r.seq+1:
			if e.records[i+1].before != after {
				continue
			}
		case e.known && r.seq == e.Next-1 && e.Head != after:
			continue
		}
		kept = append(kept, r)
	}
	e.records = kept
}

// write puts what was read into the fresh file: every epoch closed, under its
// own numbers.
func (s *salvage) write(tx *sql.Tx) error {
	why := whyDamaged
	switch {
	case s.emptied:
		why = whyEmptied
	case slices.ContainsFunc(s.epochs, (*saved).unsure):
		why = whyUnsure
	}
	_, err := tx.ExecContext(s.ctx, "INSERT INTO journal VALUES (1, ?, ?, ?, ?, ?, ?, ?)", string(s.o.Kiosk), why,
		s.session, s.seen.stamp.Boot, s.seen.stamp.Since, s.seen.at, s.seen.ackedAt)
	if err != nil {
		return err
	}
	for _, e := range s.epochs {
		if err := e.write(s.ctx, tx); err != nil {
			return fmt.Errorf("epoch %v: %w", e.ID, err)
		}
		for _, r := range e.records {
			if d, err := wire.DecodeRecord(r.body); err == nil {
				if _, ok := s.boots[d.Stamp.Boot]; !ok {
					s.boots[d.Stamp.Boot] = fmt.Sprintf("lost %d", d.Stamp.Boot)
				}
			}
		}
	}
	for n, kernel := range s.boots {
		if _, err := tx.ExecContext(s.ctx, "INSERT INTO boot VALUES (?, ?) ON CONFLICT DO NOTHING", n, kernel); err != nil {
			return err
		}
	}
	return nil
}

func (e *saved) write(ctx context.Context, tx *sql.Tx) error {
	e.settle()
	id := int64(e.ID)
	_, err := tx.ExecContext(ctx, `INSERT INTO epoch (id, closed, oldest, next, head, acked, presses, total)
		VALUES (?, 1, ?, ?, ?, ?, ?, ?)`, id, e.Oldest, e.Next, e.Head[:], e.Acked, e.presses, e.total)
	if err != nil {
		return err
	}
	want := e.Oldest
	for _, r := range e.records {
		if r.seq > want {
			if _, err := tx.ExecContext(ctx, "INSERT INTO hole VALUES (?, ?, ?)", id, want, r.seq-1); err != nil {
				return err
			}
		}
		want = r.seq + 1
		_, err := tx.ExecContext(ctx, "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?)", id, r.seq, r.before[:], r.body, r.at, r.presses)
		if err != nil {
			return err
		}
		// Its chain vouches for it, and for no copy: it comes first.
		if d, err := wire.DecodeRecord(r.body); err == nil && isLandmark(d.Fact.Kind()) {
			l := landmark{Entry: Entry{Epoch: e.ID, Seq: r.seq, Body: r.body}, before: r.before[:]}
			if err := putLandmark(ctx, tx, d.Fact.Kind(), l); err != nil {
				return err
			}
		}
	}
	for _, l := range e.landmarks {
		if err := putLandmark(ctx, tx, l.Record.Fact.Kind(), l); err != nil {
			return err
		}
	}
	for _, t := range e.texts {
		if _, err := tx.ExecContext(ctx, "INSERT INTO comment VALUES (?, ?, ?, ?)", id, t.Seq, t.Salt, t.Text); err != nil {
			return err
		}
	}
	return nil
}

// settle makes the row of the epoch agree with the records that are left.
func (e *saved) settle() {
	if len(e.records) == 0 {
		if !e.known {
			e.Oldest, e.Next = 1, 1
		}
		e.Oldest = e.Next
		e.Acked = e.Next - 1
		return
	}
	first, last := e.records[0], e.records[len(e.records)-1]
	e.Oldest, e.Next, e.Head = first.seq, last.seq+1, last.before.Next(last.body)
	e.presses = max(e.presses, last.presses)
	e.total = max(e.total, e.presses)
	e.Acked = max(e.Acked, e.Oldest-1)
}
