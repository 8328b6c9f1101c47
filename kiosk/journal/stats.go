package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/sqlite"
)

// Stats is how a journal is.
type Stats struct {
	Kiosk         feedback.KioskID
	Epochs        []Epoch // oldest first
	Queue         int64   // records not acknowledged
	QueuedPresses int64
	Presses       int64     // made on this kiosk since the journal was created
	Held          int64     // records held, acknowledged or not
	Bytes         int64     // used in the file
	DaysLeft      float64   // of capacity, acknowledged records making room, at this kiosk's own pace
	AckedAt       time.Time // of the last acknowledgement of something new; zero when unknown
	SeenAt        time.Time // when the program was last known to run; zero when unknown
	Asked         feedback.PlanApplied
	Session       int64
}

// Stats looks at the journal.
func (j *Journal) Stats(ctx context.Context) (Stats, error) {
	j.mu.Lock()
	epochs := append([]row(nil), j.epochs...)
	ackedAt := j.ackedAt
	j.mu.Unlock()
	s, err := stats(ctx, j.db.Read, epochs)
	if err != nil {
		return s, fmt.Errorf("journal: %w", err)
	}
	s.AckedAt = instantOf(ackedAt)
	s.Asked, _, err = j.Plan(ctx)
	if err != nil {
		return s, err
	}
	r, err := j.room(ctx)
	if err != nil {
		return s, fmt.Errorf("journal: %w", err)
	}
	s.Bytes = r.used
	s.DaysLeft, err = daysLeft(ctx, j.db.Read, j.Now(), s, r)
	if err != nil {
		return s, fmt.Errorf("journal: %w", err)
	}
	return s, nil
}

// stats counts what the epochs hold.
func stats(ctx context.Context, db *sql.DB, epochs []row) (Stats, error) {
	var s Stats
	var seenAt int64
	err := db.QueryRowContext(ctx, "SELECT kiosk, seen_at, session FROM journal").Scan(&s.Kiosk, &seenAt, &s.Session)
	if err != nil {
		return s, err
	}
	s.SeenAt = instantOf(seenAt)
	for _, e := range epochs {
		s.Epochs = append(s.Epochs, e.Epoch)
		s.Held += int64(e.Next - e.Oldest)
		s.Queue += int64(e.Next - 1 - e.Acked)
		s.Presses = max(s.Presses, e.total)
		acked, err := pressesAt(ctx, db, e)
		if err != nil {
			return s, err
		}
		s.QueuedPresses += e.presses - acked
	}
	return s, nil
}

// pressesAt returns how many presses of an epoch are acknowledged.
func pressesAt(ctx context.Context, db *sql.DB, e row) (n int64, err error) {
	if e.Acked == e.Next-1 {
		return e.presses, nil
	}
	err = db.QueryRowContext(ctx, "SELECT presses FROM record WHERE epoch = ? AND seq <= ? ORDER BY seq DESC LIMIT 1",
		int64(e.ID), e.Acked).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) { // none of them is held: ask the oldest that is
		err = db.QueryRowContext(ctx, `SELECT presses - (substr(body, 1, 9) = CAST('["press",' AS BLOB)) FROM record
			WHERE epoch = ? ORDER BY seq LIMIT 1`, int64(e.ID)).Scan(&n)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return e.presses, nil
	}
	return n, err
}

// daysLeft divides the room that is left, or can be made, by this kiosk's own
// pace: the records held over the time that they span, and a usual one while there
// are too few of them.
func daysLeft(ctx context.Context, db *sql.DB, now time.Time, s Stats, r room) (float64, error) {
	perDay := float64(paceRecords)
	if !now.IsZero() && s.Held > 0 {
		var oldest sql.NullInt64
		err := db.QueryRowContext(ctx, "SELECT at FROM record WHERE epoch = ? AND at > 0 ORDER BY seq LIMIT 1",
			int64(s.Epochs[len(s.Epochs)-1].ID)).Scan(&oldest)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return 0, err
		}
		if span := now.Sub(instantOf(oldest.Int64)); oldest.Valid && span >= paceAfter {
			perDay = float64(s.Held) / span.Hours() * 24
		}
	}
	perRecord := 100.
	if s.Held >= paceRecords { // the schema weighs more than fewer do
		perRecord = float64(r.used) / float64(s.Held)
	}
	reclaimable := float64(s.Held-s.Queue) * perRecord
	return (float64(r.left()) + reclaimable) / perRecord / max(perDay, 1), nil
}

func instantOf(milli int64) time.Time {
	if milli == 0 {
		return time.Time{}
	}
	return time.UnixMilli(milli)
}

// TakeSlowest returns how long the slowest Append since the last call took.
func (j *Journal) TakeSlowest() time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	d := j.slowest
	j.slowest = 0
	return d
}

// Inspect looks at a journal that another process may be writing, and changes
// nothing. Path, and for the room MaxBytes, DiskFree and Clock, are what it needs of
// the options. What it says of acknowledgements is as of the last record or minute.
// An error about damage wraps sqlite.ErrDamaged and says how it is mended: by Open.
func Inspect(ctx context.Context, o Options) (Stats, error) {
	s, err := lookInto(ctx, o.withDefaults())
	if sqlite.IsDamaged(err) {
		err = damage{o.Path, err}
	}
	return s, err
}

// damage is what whoever looks at a damaged journal is told. What SQLite says, to
// put a backup in its place, would cost a kiosk the presses that can be read.
type damage struct {
	path string
	err  error
}

// Error says what to do.
func (d damage) Error() string {
	return fmt.Sprintf("journal: %s is damaged: leave it where it is and start the kiosk (run): it keeps and sends what can be read, and sets the file aside", d.path)
}

// Unwrap returns ErrDamaged and what was wrong.
func (d damage) Unwrap() []error { return []error{sqlite.ErrDamaged, d.err} }

func lookInto(ctx context.Context, o Options) (Stats, error) {
	if err := checkEmptied(o.Path); err != nil {
		return Stats{}, err
	}
	db, err := sqlite.Open(o.Path, sqlite.Options{MustExist: true, Readers: 1})
	if err != nil {
		return Stats{}, fmt.Errorf("journal: %w", err)
	}
	s, err := inspect(ctx, db, o)
	if err := errors.Join(err, db.Close()); err != nil {
		return s, fmt.Errorf("journal: %s: %w", o.Path, err)
	}
	return s, nil
}

func inspect(ctx context.Context, db *sqlite.DB, o Options) (Stats, error) {
	epochs, err := readEpochs(ctx, db.Read)
	if err != nil {
		return Stats{}, err
	}
	s, err := stats(ctx, db.Read, epochs)
	if err != nil || len(epochs) == 0 {
		return s, err
	}
	var ackedAt int64
	if err := db.Read.QueryRowContext(ctx, "SELECT acked_at FROM journal").Scan(&ackedAt); err != nil {
		return s, err
	}
	s.AckedAt = instantOf(ackedAt)
	body, err := readLandmark(ctx, db.Read, epochs[len(epochs)-1].ID, feedback.KindPlan, maxSeq)
	if err == nil && body != nil {
		s.Asked, err = decodePlan(body)
	}
	if err != nil {
		return s, err
	}
	var pageSize int64
	if err := db.Read.QueryRowContext(ctx, "PRAGMA page_size").Scan(&pageSize); err != nil {
		return s, err
	}
	r, err := roomOf(ctx, db.Read, pageSize, o)
	if err != nil {
		return s, err
	}
	s.Bytes = r.used
	var now time.Time
	if o.Clock != nil {
		if c := o.Clock.Now(); c.Trusted {
			now = c.Wall
		}
	}
	s.DaysLeft, err = daysLeft(ctx, db.Read, now, s, r)
	return s, err
}
