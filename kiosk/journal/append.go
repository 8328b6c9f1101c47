package journal

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/sqlite"
	"sourire/internal/wire"
	"sourire/kiosk/clock"
)

// Remark is a comment with its text, to be appended: the journal draws the salt
// and keeps the text beside the record, which is a [feedback.Comment].
type Remark struct {
	Press feedback.Seq
	Text  string
}

// Kind returns KindComment.
func (Remark) Kind() feedback.Kind { return feedback.KindComment }

// Entry is a record under its key, as it is kept.
type Entry struct {
	Epoch  feedback.Epoch
	Seq    feedback.Seq
	Record feedback.Record
	Body   json.RawMessage
}

// request is one call of Append.
type request struct {
	now    clock.Reading
	at     At
	facts  []feedback.Fact
	remark []wire.Text // beside each fact; empty texts for none

	// Written by whoever commits it, before it releases the writer.
	settled bool
	entries []Entry
	err     error
}

// Append records facts that are happening now. When it returns they are on
// disk, all of them or, with an error, none (or, if the disk failed in the very
// commit, it is not known whether they are). ctx counts until the write begins.
func (j *Journal) Append(ctx context.Context, facts ...feedback.Fact) ([]Entry, error) {
	now := j.o.Clock.Now()
	return j.append(ctx, &request{now: now, at: At{Since: now.Since}, facts: facts})
}

// At says when facts happened, and among which records their numbers mean
// something.
type At struct {
	// Since is the time since this boot: an input knows better than its readers
	// when a finger came.
	Since time.Duration
	// Epoch in which the presses lie that the facts name, 0 for none. If the
	// journal has gone on to another, Append refuses with ErrEpoch.
	Epoch feedback.Epoch
}

// ErrEpoch marks facts that name presses of an epoch that is closed.
var ErrEpoch = errors.New("the journal has gone on to another epoch")

// AppendAt is Append for facts that happened at a time of their own.
func (j *Journal) AppendAt(ctx context.Context, at At, facts ...feedback.Fact) ([]Entry, error) {
	return j.append(ctx, &request{now: j.o.Clock.Now(), at: at, facts: facts})
}

// append puts the request among those that wait and commits all of them, unless
// the caller before has already done so.
func (j *Journal) append(ctx context.Context, r *request) ([]Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := r.prepare(); err != nil {
		return nil, fmt.Errorf("journal: append: %w", err)
	}
	began := time.Now()
	j.mu.Lock()
	j.waiting = append(j.waiting, r)
	j.mu.Unlock()

	j.writer.Lock()
	for !r.settled { // those before it may fill a commit of their own
		j.commitWaiting(context.WithoutCancel(ctx))
	}
	j.writer.Unlock()

	j.mu.Lock()
	j.slowest = max(j.slowest, time.Since(began))
	j.mu.Unlock()
	return r.entries, r.err
}

// prepare replaces remarks by comments and refuses what no hub would read.
func (r *request) prepare() error {
	r.at.Since = max(r.at.Since, 0)
	r.remark = make([]wire.Text, len(r.facts))
	facts := make([]feedback.Fact, len(r.facts))
	for i, fact := range r.facts {
		if m, ok := fact.(Remark); ok {
			if n := len([]rune(m.Text)); n > wire.MaxComment {
				return fmt.Errorf("a comment of %d characters, at most %d are allowed", n, wire.MaxComment)
			}
			text := wire.Text{Salt: make([]byte, 16), Text: m.Text}
			rand.Read(text.Salt) // never fails
			r.remark[i] = text
			fact = feedback.Comment{Press: m.Press, Digest: text.Digest()}
		}
		facts[i] = fact
		if n := len(wire.AppendRecord(nil, feedback.Record{Fact: fact})); n > wire.MaxRecord-40 {
			return fmt.Errorf("a record of kind %s with %d bytes, at most %d are allowed", fact.Kind(), n, wire.MaxRecord-40)
		}
	}
	r.facts = facts
	return nil
}

// maxGroup bounds a commit, so that nobody waits for ever longer ones.
const maxGroup = 1000

// commitWaiting commits the requests that wait, in order, in one transaction.
// j.writer is held; at least one request waits.
func (j *Journal) commitWaiting(ctx context.Context) {
	j.mu.Lock()
	group := j.waiting[:min(len(j.waiting), maxGroup)]
	j.waiting = j.waiting[len(group):]
	j.mu.Unlock()
	err := j.write(ctx, func(p *pen) error { return p.group(group) })
	if sqlite.IsFull(err) && j.makeRoom(ctx) {
		err = j.write(ctx, func(p *pen) error { return p.group(group) })
	}
	if err != nil {
		err = fmt.Errorf("journal: append: %w", j.explain(err))
	}
	for _, r := range group {
		if r.settled = true; err != nil {
			r.entries, r.err = nil, err
		}
	}
}

func (p *pen) group(group []*request) error {
	for _, r := range group {
		if err := p.clock(r.now); err != nil {
			return err
		}
		r.entries, r.err = make([]Entry, 0, len(r.facts)), nil
		if r.at.Epoch != 0 && r.at.Epoch != p.row.ID {
			r.err = fmt.Errorf("journal: append: %w", ErrEpoch)
			continue
		}
		stamp := feedback.Stamp{Boot: p.time.boot, Since: r.at.Since.Milliseconds()}
		for i, fact := range r.facts {
			e, err := p.add(feedback.Record{Stamp: stamp, Fact: fact})
			if err == nil && fact.Kind() == feedback.KindComment {
				err = p.addText(e.Seq, r.remark[i])
			}
			if err != nil {
				return err
			}
			r.entries = append(r.entries, e)
		}
	}
	return nil
}

// write runs do with a pen at the head of the current epoch, in one durable
// transaction, and takes over into memory what it wrote. j.writer is held.
func (j *Journal) write(ctx context.Context, do func(*pen) error) error {
	if j.stale {
		if err := j.load(ctx); err != nil {
			return err
		}
		j.stale = false
	}
	j.mu.Lock()
	p := &pen{ctx: ctx, row: j.current(), time: j.time, at: j.instant(j.o.Clock.Now())}
	j.mu.Unlock()
	err := j.db.Update(ctx, func(tx *sql.Tx) error {
		p.tx = tx
		if err := do(p); err != nil {
			return err
		}
		return p.finish()
	})
	if err != nil {
		j.stale = true
		return err
	}
	j.mu.Lock()
	last := &j.epochs[len(j.epochs)-1]
	p.row.Acked = last.Acked // it may have moved meanwhile
	grown := p.row.Next > last.Next
	*last, j.time = p.row, p.time
	j.mu.Unlock()
	if grown {
		j.notify()
	}
	return nil
}

// pen writes records at the head of one epoch, inside a transaction.
type pen struct {
	ctx  context.Context
	tx   *sql.Tx
	row  row
	time bootTime
	at   int64 // the instant, as far as it is known
	// again says that what is written was made before: it is not a new press.
	again bool
}

// add encodes and writes one record.
func (p *pen) add(r feedback.Record) (Entry, error) {
	return p.put(r, wire.AppendRecord(nil, r))
}

// put writes one record whose bytes are body.
func (p *pen) put(r feedback.Record, body []byte) (Entry, error) {
	e := Entry{Epoch: p.row.ID, Seq: p.row.Next, Record: r, Body: body}
	kind := r.Fact.Kind()
	if kind == feedback.KindPress {
		p.row.presses++
		if !p.again {
			p.row.total++
		}
	}
	_, err := p.tx.ExecContext(p.ctx, "INSERT INTO record (epoch, seq, before, body, at, presses) VALUES (?, ?, ?, ?, ?, ?)",
		int64(e.Epoch), e.Seq, p.row.Head[:], body, p.at, p.row.presses)
	if err != nil {
		return e, fmt.Errorf("record %d: %w", e.Seq, err)
	}
	if isLandmark(kind) {
		if err := putLandmark(p.ctx, p.tx, kind, landmark{Entry: e, before: p.row.Head[:]}); err != nil {
			return e, err
		}
		p.time.note(r)
	}
	p.row.Head = p.row.Head.Next(body)
	p.row.Next++
	return e, nil
}

func (p *pen) addText(seq feedback.Seq, t wire.Text) error {
	_, err := p.tx.ExecContext(p.ctx, "INSERT INTO comment (epoch, seq, salt, text) VALUES (?, ?, ?, ?)",
		int64(p.row.ID), seq, t.Salt, t.Text)
	return err
}

// finish writes the row of the epoch.
func (p *pen) finish() error {
	_, err := p.tx.ExecContext(p.ctx, "UPDATE epoch SET oldest = ?, next = ?, head = ?, acked = ?, presses = ?, total = ? WHERE id = ?",
		p.row.Oldest, p.row.Next, p.row.Head[:], p.row.Acked, p.row.presses, p.row.total, int64(p.row.ID))
	return err
}

// begin inserts a new epoch and writes its first record.
func (p *pen) begin(now clock.Reading, began feedback.EpochBegan) error {
	var id [8]byte
	for p.row.ID == 0 {
		rand.Read(id[:]) // never fails
		for _, b := range id {
			p.row.ID = p.row.ID<<8 | feedback.Epoch(b)
		}
	}
	p.row.Oldest, p.row.Next, p.row.Current = 1, 1, true
	if _, err := p.tx.ExecContext(p.ctx, "UPDATE epoch SET closed = 1"); err != nil {
		return err
	}
	_, err := p.tx.ExecContext(p.ctx, `INSERT INTO epoch (id, closed, oldest, next, head, acked, presses, total)
		VALUES (?, 0, 1, 1, ?, 0, 0, ?)`, int64(p.row.ID), p.row.Head[:], p.row.total)
	if err != nil {
		return err
	}
	_, err = p.add(feedback.Record{
		Stamp: feedback.Stamp{Boot: p.time.boot, Since: now.Since.Milliseconds()}, Fact: began,
	})
	return err
}
