package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"sourire/internal/feedback"
	"sourire/internal/wire"
)

// maxSeq is above every sequence number.
const maxSeq = feedback.Seq(math.MaxInt64)

// Epochs returns every epoch held, oldest first; the last is the current one.
func (j *Journal) Epochs() []Epoch {
	j.mu.Lock()
	defer j.mu.Unlock()
	all := make([]Epoch, len(j.epochs))
	for i, r := range j.epochs {
		all[i] = r.Epoch
	}
	return all
}

// Head returns the current epoch.
func (j *Journal) Head() Epoch {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.current().Epoch
}

// epoch returns the row of an epoch.
func (j *Journal) epoch(id feedback.Epoch) (row, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range j.epochs {
		if r.ID == id {
			return r, nil
		}
	}
	return row{}, fmt.Errorf("journal: epoch %v: %w", id, ErrNotHeld)
}

// Limit bounds a batch.
type Limit struct {
	Records int // 0: none, the batch is a question
	Bytes   int // of the records and texts together; one record is always taken
}

// Batch returns the records of an epoch from number from on, as they are sent,
// with everything but V and Re. A question has from−1 ≤ the last record. Where
// records from on are no longer held, it begins with the first that is, and
// Oldest equals First: that is how the hub learns of a gap.
func (j *Journal) Batch(ctx context.Context, id feedback.Epoch, from feedback.Seq, limit Limit) (wire.Batch, error) {
	e, err := j.epoch(id)
	if err != nil {
		return wire.Batch{}, err
	}
	b := wire.Batch{Epoch: id, First: max(from, e.Oldest), Oldest: e.Oldest, Next: e.Next}
	if b.First > e.Next {
		return b, fmt.Errorf("journal: record %d of epoch %v: %w", from, id, ErrNotHeld)
	}
	err = j.db.View(ctx, func(tx *sql.Tx) error { return fill(ctx, tx, &b, limit) })
	if err != nil {
		return b, fmt.Errorf("journal: records from %d of epoch %v: %w", from, id, err)
	}
	if b.Before == (feedback.Hash{}) && b.First > 1 {
		b.Before, err = j.HashAt(ctx, id, b.First-1)
	}
	return b, err
}

// fill puts records into b, up to a limit or to the next hole, and none above
// b.Next: an append that was committed a moment ago is not yet in what Epochs
// tells, and a hub that acknowledged it would seem to know the future.
func fill(ctx context.Context, tx *sql.Tx, b *wire.Batch, limit Limit) error {
	holes, err := readHoles(ctx, tx, b.Epoch)
	if err != nil {
		return err
	}
	for _, h := range holes {
		if h.first <= b.First && b.First <= h.last {
			b.First = h.last + 1
		}
		if h.last < b.First {
			b.Oldest = max(b.Oldest, h.last+1)
		}
	}
	rows, err := tx.QueryContext(ctx, `SELECT r.seq, r.before, r.body, c.salt, c.text
		FROM record r LEFT JOIN comment c ON c.epoch = r.epoch AND c.seq = r.seq
		WHERE r.epoch = ? AND r.seq >= ? AND r.seq < ? ORDER BY r.seq LIMIT ?`, int64(b.Epoch), b.First, b.Next, limit.Records)
	if err != nil {
		return err
	}
	defer rows.Close()
	size := 0
	for want := b.First; rows.Next(); want++ {
		var seq feedback.Seq
		var before, body, salt []byte
		var text sql.NullString
		if err := rows.Scan(&seq, &before, &body, &salt, &text); err != nil {
			return err
		}
		if seq != want {
			break // a hole follows
		}
		size += len(body) + 1
		var t *wire.Text
		if text.Valid {
			t = &wire.Text{Seq: seq, Salt: salt, Text: text.String}
			size += len(wireText(*t)) + 1
		}
		if len(b.Records) > 0 && size > limit.Bytes {
			break
		}
		if len(b.Records) == 0 {
			copy(b.Before[:], before)
		}
		b.Records = append(b.Records, body)
		if t != nil {
			b.Texts = append(b.Texts, *t)
		}
	}
	return rows.Err()
}

func wireText(t wire.Text) []byte {
	b, _ := json.Marshal(t) // three plain fields
	return b
}

// HashAt returns the running hash after a record, or ErrNotHeld: a hash is known
// from the one before the oldest record on, but not inside a hole.
func (j *Journal) HashAt(ctx context.Context, id feedback.Epoch, seq feedback.Seq) (feedback.Hash, error) {
	e, err := j.epoch(id)
	if err != nil || seq == 0 {
		return feedback.Hash{}, err
	}
	if seq == e.Next-1 {
		return e.Head, nil
	}
	h, err := hashAt(ctx, j.db.Read, id, seq)
	if err != nil {
		return h, fmt.Errorf("journal: hash at %d of epoch %v: %w", seq, id, err)
	}
	return h, nil
}

// querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func hashAt(ctx context.Context, q querier, id feedback.Epoch, seq feedback.Seq) (feedback.Hash, error) {
	var before, body []byte
	// The next record knows it; at the beginning of a hole, the record itself.
	err := q.QueryRowContext(ctx, "SELECT before FROM record WHERE epoch = ? AND seq = ?", int64(id), seq+1).Scan(&before)
	if err == nil && len(before) == len(feedback.Hash{}) {
		return feedback.Hash(before), nil
	}
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		err = q.QueryRowContext(ctx, "SELECT before, body FROM record WHERE epoch = ? AND seq = ?", int64(id), seq).Scan(&before, &body)
	}
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return feedback.Hash{}, ErrNotHeld
	case err != nil:
		return feedback.Hash{}, err
	case len(before) != len(feedback.Hash{}):
		return feedback.Hash{}, ErrNotHeld
	}
	return feedback.Hash(before).Next(body), nil
}

// hole is a run of records that could not be salvaged.
type hole struct{ first, last feedback.Seq }

func readHoles(ctx context.Context, q querier, id feedback.Epoch) ([]hole, error) {
	rows, err := q.QueryContext(ctx, "SELECT first, last FROM hole WHERE epoch = ? ORDER BY first", int64(id))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []hole
	for rows.Next() {
		var h hole
		if err := rows.Scan(&h.first, &h.last); err != nil {
			return nil, err
		}
		all = append(all, h)
	}
	return all, rows.Err()
}

// isLandmark reports whether records of a kind say what holds from there on.
func isLandmark(k feedback.Kind) bool {
	switch k {
	case feedback.KindPlan, feedback.KindWall, feedback.KindClockFix, feedback.KindTest, feedback.KindCleaning, feedback.KindBoot:
		return true
	}
	return false
}

func putLandmark(ctx context.Context, tx *sql.Tx, e Entry) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO landmark (epoch, kind, seq, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
		int64(e.Epoch), string(e.Record.Fact.Kind()), e.Seq, []byte(e.Body))
	return err
}

// readLandmark returns the last record of a kind up to seq, nil if there is none.
func readLandmark(ctx context.Context, q querier, id feedback.Epoch, kind feedback.Kind, seq feedback.Seq) ([]byte, error) {
	var body []byte
	err := q.QueryRowContext(ctx, "SELECT body FROM landmark WHERE epoch = ? AND kind = ? AND seq <= ? ORDER BY seq DESC LIMIT 1",
		int64(id), string(kind), seq).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return body, err
}

// Plan returns the plan in force in the current epoch; ok is false while none
// was applied.
func (j *Journal) Plan(ctx context.Context) (p feedback.PlanApplied, ok bool, err error) {
	body, err := readLandmark(ctx, j.db.Read, j.Head().ID, feedback.KindPlan, maxSeq)
	if err != nil || body == nil {
		return p, false, err
	}
	p, err = decodePlan(body)
	return p, err == nil, err
}

func decodePlan(body []byte) (feedback.PlanApplied, error) {
	r, err := wire.DecodeRecord(body)
	p, ok := r.Fact.(feedback.PlanApplied)
	if err == nil && !ok {
		err = fmt.Errorf("a record of kind %s", r.Fact.Kind())
	}
	if err != nil {
		return p, fmt.Errorf("journal: the plan in force: %w", err)
	}
	return p, nil
}
