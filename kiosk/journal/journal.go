package journal

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/migration"
	"sourire/internal/sqlite"
	"sourire/kiosk/clock"
)

// ErrFull marks a record for which there is no room: nothing of it was kept.
var ErrFull = errors.New("the journal is full and nothing in it may be dropped")

// ErrNotHeld marks a question about a record that the journal does not hold.
var ErrNotHeld = errors.New("not held")

// ErrOtherKiosk marks a journal that was begun under another kiosk id.
var ErrOtherKiosk = errors.New("the journal belongs to another kiosk")

// Bounds that hold where Options say nothing.
const (
	DefaultKeep     = 30 * 24 * time.Hour
	DefaultMaxBytes = 1 << 30
	// minBytes is the least bound: below it the schema leaves too little room.
	minBytes = 256 << 10
	// DefaultReserve bytes of the disk are left to others: when less is free,
	// acknowledged records make room.
	DefaultReserve = 16 << 20
	// cacheKiB of pages are kept by each connection. An append touches a dozen
	// pages and whatever reads goes through in order: more would only be held.
	cacheKiB = 256
)

// Clock tells the time; *clock.System is one.
type Clock interface{ Now() clock.Reading }

// Options say where a journal is and whose. Path, Kiosk and Clock are needed.
type Options struct {
	Path     string // of the file
	Kiosk    feedback.KioskID
	Version  string // of the program, for the boot record
	Clock    Clock
	Keep     time.Duration // how long acknowledged records stay
	MaxBytes int64         // of the file
	Reserve  int64         // bytes of the disk that should stay free
	// DiskFree tells how many bytes are free where the file lies; nil means
	// that the disk has always room.
	DiskFree func() (int64, error)
}

func (o Options) withDefaults() Options {
	if o.Keep == 0 {
		o.Keep = DefaultKeep
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.Reserve == 0 {
		o.Reserve = DefaultReserve
	}
	o.MaxBytes = max(o.MaxBytes, minBytes)
	return o
}

// Journal is an open journal. Its methods may be used by several goroutines;
// Close comes after the last of them.
type Journal struct {
	o        Options
	db       *sqlite.DB
	pageSize int64
	changed  chan struct{}

	// writer is held during a transaction that writes, and guards stale.
	writer sync.Mutex
	// stale says that memory may differ from the file: a commit failed.
	stale bool

	mu      sync.Mutex
	waiting []*request    // appends that nobody has taken up
	epochs  []row         // oldest first; the last is the current one
	time    bootTime      // what the current epoch says of this boot
	slowest time.Duration // append since TakeSlowest
	ackedAt int64
}

// Epoch is what the journal holds of one epoch.
type Epoch struct {
	ID      feedback.Epoch
	Oldest  feedback.Seq  // the oldest record held; Next when there is none
	Next    feedback.Seq  // the number of the next record
	Acked   feedback.Seq  // the hub has everything up to here
	Head    feedback.Hash // the running hash after record Next−1
	Current bool          // records are appended here
}

// row is an epoch with what only the journal wants to know.
type row struct {
	Epoch
	presses int64
	total   int64
}

//go:embed schema
var schema embed.FS

// Open opens the journal at o.Path, or begins one. A damaged file, and so one of
// no length, is set aside under a dated name, and what can be read of it is salvaged. The start of the
// program is on disk when Open returns.
func Open(ctx context.Context, o Options) (*Journal, error) {
	o = o.withDefaults()
	if err := finishRescue(o, ""); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	var j *Journal
	err := checkEmptied(o.Path)
	if err == nil {
		j, err = open(ctx, o)
	}
	if errors.Is(err, sqlite.ErrDamaged) {
		if err := rescue(ctx, o, err); err != nil {
			return nil, fmt.Errorf("journal: salvage %s: %w", o.Path, err)
		}
		j, err = open(ctx, o)
	}
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if err := j.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("journal: %w", j.explain(err)), j.db.Close())
	}
	return j, nil
}

// open opens and checks the file, and writes nothing but the schema.
func open(ctx context.Context, o Options) (*Journal, error) {
	db, err := sqlite.Open(o.Path, sqlite.Options{CacheKiB: cacheKiB})
	if err != nil {
		return nil, err
	}
	j := &Journal{o: o, db: db, changed: make(chan struct{}, 1)}
	if err := j.check(ctx); err != nil {
		if sqlite.IsDamaged(err) && !errors.Is(err, sqlite.ErrDamaged) {
			err = fmt.Errorf("%w: %s: %w", sqlite.ErrDamaged, o.Path, err)
		}
		return nil, errors.Join(err, db.Close())
	}
	return j, nil
}

func (j *Journal) check(ctx context.Context) error {
	if err := j.db.QuickCheck(ctx); err != nil {
		return err
	}
	if err := migrate(ctx, j.db); err != nil {
		return err
	}
	var kiosk string
	err := j.db.Read.QueryRowContext(ctx, "SELECT kiosk FROM journal").Scan(&kiosk)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if kiosk != "" && kiosk != string(j.o.Kiosk) {
		return fmt.Errorf("%w: %s holds records of kiosk %q, and this is kiosk %q: give this one a data folder of its own, or its old id back",
			ErrOtherKiosk, j.o.Path, kiosk, j.o.Kiosk)
	}
	if err := j.db.Write.QueryRowContext(ctx, "PRAGMA page_size").Scan(&j.pageSize); err != nil {
		return err
	}
	if err := j.bound(ctx, j.o.MaxBytes); err != nil {
		return err
	}
	if err := j.load(ctx); err != nil {
		return err
	}
	for _, e := range j.epochs {
		if err := verify(ctx, j.db, e.Epoch); err != nil {
			return err
		}
	}
	return nil
}

func migrate(ctx context.Context, db *sqlite.DB) error {
	files, err := fs.Sub(schema, "schema")
	if err != nil {
		return err
	}
	steps, err := migration.Steps(files)
	if err != nil {
		return err
	}
	return sqlite.Migrate(ctx, db, steps)
}

// bound tells SQLite how large the file may become.
func (j *Journal) bound(ctx context.Context, bytes int64) error {
	var pages int64
	// It never becomes less than what the file has.
	return j.db.Write.QueryRowContext(ctx, fmt.Sprintf("PRAGMA max_page_count(%d)", bytes/j.pageSize)).Scan(&pages)
}

// load reads into memory what the file says of epochs and of this boot.
func (j *Journal) load(ctx context.Context) error {
	epochs, err := readEpochs(ctx, j.db.Read)
	if err != nil {
		return err
	}
	t := bootTime{}
	if n := len(epochs); n > 0 && epochs[n-1].Current {
		if t, err = j.readTime(ctx, epochs[n-1].ID); err != nil {
			return err
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range epochs { // marks in memory are newer
		k := slices.IndexFunc(j.epochs, func(r row) bool { return r.ID == epochs[i].ID })
		if k >= 0 {
			epochs[i].Acked = max(min(j.epochs[k].Acked, epochs[i].Next-1), epochs[i].Oldest-1)
		}
	}
	j.epochs, j.time = epochs, t
	return nil
}

func readEpochs(ctx context.Context, db *sql.DB) ([]row, error) {
	rows, err := db.QueryContext(ctx, "SELECT id, closed, oldest, next, head, acked, presses, total FROM epoch ORDER BY n")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []row
	for rows.Next() {
		var e row
		var id int64
		var closed bool
		var head []byte
		if err := rows.Scan(&id, &closed, &e.Oldest, &e.Next, &head, &e.Acked, &e.presses, &e.total); err != nil {
			return all, err
		}
		if len(head) != len(e.Head) {
			return all, fmt.Errorf("%w: the hash at the head of epoch %v has %d bytes", sqlite.ErrDamaged, feedback.Epoch(id), len(head))
		}
		e.ID, e.Current, e.Head = feedback.Epoch(id), !closed, feedback.Hash(head)
		all = append(all, e)
	}
	return all, rows.Err()
}

// verify follows the chain of hashes over what the hub may not have: SQLite
// itself does not notice a flipped bit inside a value.
func verify(ctx context.Context, db *sqlite.DB, e Epoch) error {
	holes, err := readHoles(ctx, db.Read, e.ID)
	if err != nil {
		return err
	}
	rows, err := db.Read.QueryContext(ctx, "SELECT seq, before, body FROM record WHERE epoch = ? AND seq > ? ORDER BY seq",
		int64(e.ID), e.Acked)
	if err != nil {
		return err
	}
	defer rows.Close()
	want := max(e.Oldest, e.Acked+1)
	var after feedback.Hash // zero until a record was seen
	broken := func(what string) error {
		return fmt.Errorf("%w: record %d of epoch %v %s", sqlite.ErrDamaged, want, e.ID, what)
	}
	for rows.Next() {
		var seq feedback.Seq
		var before, body []byte
		if err := rows.Scan(&seq, &before, &body); err != nil {
			return err
		}
		for _, h := range holes {
			if h.first <= want && want <= h.last { // the mark may lie inside
				want, after = h.last+1, feedback.Hash{}
			}
		}
		switch {
		case seq != want:
			return broken("is missing")
		case len(before) != len(after):
			return broken("has no hash")
		case after != feedback.Hash{} && feedback.Hash(before) != after:
			return broken("does not follow from those before it")
		}
		after = feedback.Hash(before).Next(body)
		want++
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if want != e.Next {
		return broken("is missing")
	}
	if after != (feedback.Hash{}) && after != e.Head {
		return broken("should follow a record with another hash")
	}
	return nil
}

// Close writes the marks down and closes the file.
func (j *Journal) Close() error {
	err := j.Renew(context.Background())
	if err := errors.Join(err, j.db.Close()); err != nil {
		return fmt.Errorf("journal: close: %w", err)
	}
	return nil
}

// Path returns the path of the file.
func (j *Journal) Path() string { return j.db.Path() }

// Changed tells that something was appended, or an epoch begun, since it last
// told so. It has one listener.
func (j *Journal) Changed() <-chan struct{} { return j.changed }

func (j *Journal) notify() {
	select {
	case j.changed <- struct{}{}:
	default:
	}
}

// current returns a copy of the current epoch's row. j.mu is held.
func (j *Journal) current() row { return j.epochs[len(j.epochs)-1] }

// explain gives an error of the disk the words that a person needs.
func (j *Journal) explain(err error) error {
	switch {
	case sqlite.IsFull(err):
		return fmt.Errorf("%w: free some space on the disk of %s or raise its bound (%d bytes): %w", ErrFull, j.o.Path, j.o.MaxBytes, err)
	case sqlite.IsReadOnly(err):
		return fmt.Errorf("%s is read-only, make it and its folder writable for this user: %w", j.o.Path, err)
	}
	return err
}
