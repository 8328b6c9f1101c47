package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

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
// Oldest equals First: that is how the hub learns of a gap. Landmarks are held
// longer than the records around them: each such is a batch of its own, so that
// the hub knows what held behind the gap.
func (j *Journal) Batch(ctx context.Context, id feedback.Epoch, from feedback.Seq, limit Limit) (wire.Batch, error) {
	e, err := j.epoch(id)
	if err != nil {
		return wire.Batch{}, err
	}
	b := wire.Batch{Epoch: id, First: max(from, e.Oldest), Oldest: e.Oldest, Next: e.Next}
	if b.First > e.Next {
		return b, fmt.Errorf("journal: record %d of epoch %v: %w", from, id, ErrNotHeld)
	}
	err = j.db.View(ctx, func(tx *sql.Tx) error { return fill(ctx, tx, &b, from, limit) })
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
func fill(ctx context.Context, tx *sql.Tx, b *wire.Batch, from feedback.Seq, limit Limit) error {
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
	if from < b.First && limit.Records > 0 {
		landmarks, err := readLandmarks(ctx, tx, b.Epoch, from-1, b.First)
		if err != nil {
			return err
		}
		for _, l := range landmarks {
			if len(l.before) == len(b.Before) {
				b.First, b.Oldest, b.Before = l.Seq, l.Seq, feedback.Hash(l.before)
				b.Records = append(b.Records, l.Body)
				return nil
			}
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
// from the one before the oldest record on, but not inside a hole; and at a
// landmark.
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
	// The next record knows it; at the beginning of a hole, the record itself.
	// In place of a record that is gone, a landmark does as well.
	rows, err := q.QueryContext(ctx, `SELECT seq, before, body FROM record WHERE epoch = ?1 AND seq IN (?2, ?3)
		UNION ALL SELECT seq, before, body FROM landmark WHERE epoch = ?1 AND seq IN (?2, ?3)`, int64(id), seq, seq+1)
	if err != nil {
		return feedback.Hash{}, err
	}
	defer rows.Close()
	for rows.Next() {
		var at feedback.Seq
		var before, body []byte
		if err := rows.Scan(&at, &before, &body); err != nil {
			return feedback.Hash{}, err
		}
		switch {
		case len(before) != len(feedback.Hash{}):
		case at == seq:
			return feedback.Hash(before).Next(body), nil
		default:
			return feedback.Hash(before), nil
		}
	}
	if err := rows.Err(); err != nil {
		return feedback.Hash{}, err
	}
	return feedback.Hash{}, ErrNotHeld
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

// landmarkKinds are the kinds of records that say what holds from there on.
var landmarkKinds = []feedback.Kind{
	feedback.KindEpoch, feedback.KindPlan, feedback.KindWall, feedback.KindClockFix, feedback.KindTest, feedback.KindCleaning, feedback.KindBoot,
}

func isLandmark(k feedback.Kind) bool { return slices.Contains(landmarkKinds, k) }

// landmark is a record that says what holds from there on, kept a second time
// with the hash before it, so that it can be sent when the record is gone.
type landmark struct {
	Entry
	before []byte
}

func putLandmark(ctx context.Context, tx *sql.Tx, kind feedback.Kind, l landmark) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO landmark (epoch, kind, seq, before, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
		int64(l.Epoch), string(kind), l.Seq, l.before, []byte(l.Body))
	return err
}

// readLandmarks returns those above one record and below another, in order.
func readLandmarks(ctx context.Context, q querier, id feedback.Epoch, above, below feedback.Seq) ([]landmark, error) {
	rows, err := q.QueryContext(ctx, "SELECT seq, before, body FROM landmark WHERE epoch = ? AND seq > ? AND seq < ? ORDER BY seq",
		int64(id), above, below)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []landmark
	for rows.Next() {
		l := landmark{Entry: Entry{Epoch: id}}
		if err := rows.Scan(&l.Seq, &l.before, &l.Body); err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, rows.Err()
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

// endsWithBoot reports whether what a kind of landmark says ends when the
// program starts again.
func endsWithBoot(k feedback.Kind) bool {
	return k == feedback.KindTest || k == feedback.KindCleaning
}

// inForce is readLandmark, but nil when a start of the program has ended it.
func inForce(ctx context.Context, q querier, id feedback.Epoch, kind feedback.Kind, seq feedback.Seq) ([]byte, error) {
	body, err := readLandmark(ctx, q, id, kind, seq)
	if body == nil || err != nil || !endsWithBoot(kind) {
		return body, err
	}
	var ended bool
	err = q.QueryRowContext(ctx, `SELECT coalesce(max(seq) FILTER (WHERE kind = ?3) > max(seq) FILTER (WHERE kind = ?2), 0)
		FROM landmark WHERE epoch = ?1 AND kind IN (?2, ?3) AND seq <= ?4`, int64(id), string(kind), string(feedback.KindBoot), seq).Scan(&ended)
	if ended || err != nil {
		return nil, err
	}
	return body, nil
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
