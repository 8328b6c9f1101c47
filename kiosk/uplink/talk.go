package uplink

import (
	"context"
	"fmt"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/link"
	"sourire/internal/sqlite"
	"sourire/internal/wire"
	"sourire/kiosk/journal"
)

// room for everything in a batch but its records and texts.
const envelopeBytes = 1024

// talk holds the conversation: every epoch is asked about once, then what is
// new goes out as it comes.
func (c *connection) talk(ctx context.Context) error {
	c.limit = wire.MaxRecords
	ask := true
	for {
		for _, e := range c.u.o.Journal.Epochs() {
			if !ask && e.Acked == e.Next-1 {
				continue
			}
			if err := c.sync(ctx, e, ask); err != nil {
				return err
			}
		}
		ask = false
		if c.behind() {
			continue // presses came meanwhile, or a fork has begun a new epoch
		}
		c.u.note(func(s *Status) { s.Settled, s.Trouble = true, "" })
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.again:
			ask = true
		case <-c.u.o.Changed:
		}
	}
}

// behind reports whether something is not acknowledged.
func (c *connection) behind() bool {
	for _, e := range c.u.o.Journal.Epochs() {
		if e.Acked < e.Next-1 {
			return true
		}
	}
	return false
}

// sync brings one epoch up to date; with ask it begins with the question where
// the hub is.
func (c *connection) sync(ctx context.Context, e journal.Epoch, ask bool) error {
	c.u.note(func(s *Status) { s.Settled = false })
	at := move{after: e.Acked, ask: ask}
	idle, refusals := 0, 0 // in a row
	for !at.done {
		limit := journal.Limit{}
		if !at.ask {
			limit = journal.Limit{Records: c.limit, Bytes: wire.MaxBytes - envelopeBytes}
		}
		b, err := c.batch(ctx, e.ID, at.after+1, limit)
		if err != nil {
			return err
		}
		if !at.ask && len(b.Records) == 0 {
			return nil
		}
		ack, err := c.exchange(ctx, b)
		if err != nil {
			return err
		}
		if at, err = c.obey(ctx, e, b, ack); err != nil {
			return err
		}
		switch {
		case at.refused:
			if refusals++; !c.bear(ctx, refusals, b, ack) {
				return ctx.Err()
			}
			continue
		case at.progress:
			idle, refusals = 0, 0
			c.u.progress = true
			continue
		}
		if idle++; idle >= c.u.o.Times.Tries {
			return fmt.Errorf("%w: the hub stays at record %d of epoch %v", errStuck, ack.Through, e.ID)
		}
		if idle > 1 && !sleep(ctx, c.backoff(idle)) {
			return ctx.Err()
		}
	}
	return nil
}

// move is what an answer makes of an epoch.
type move struct {
	after    feedback.Seq // go on behind this record
	ask      bool         // with a question, for nothing vouches for it yet
	progress bool
	refused  bool
	done     bool // the epoch has been left
}

// obey does what the answer to a request says. See the package comment.
func (c *connection) obey(ctx context.Context, e journal.Epoch, b wire.Batch, ack wire.Ack) (move, error) {
	last, through := b.Last(), ack.Through
	switch {
	case ack.Refused == wire.RefusedFork:
		return c.fork(ctx, e, b, through, ack.Why)
	case ack.Refused != "":
		return move{after: b.First - 1, ask: len(b.Records) == 0, refused: true}, nil
	case through >= b.Next && e.Current:
		return c.fork(ctx, e, b, b.Next-1, fmt.Sprintf("the hub has %d records, this kiosk wrote %d", through, b.Next-1))
	}
	c.limit = min(2*c.limit, wire.MaxRecords)
	through = min(through, b.Next-1) // of a closed epoch the hub may have more
	switch {
	case through > last:
		if err := c.verified(e, b, last); err != nil {
			return move{}, err
		}
		return move{after: through, ask: true, progress: true}, nil
	case through == last:
		return move{after: last, progress: len(b.Records) > 0}, c.verified(e, b, last)
	default:
		if err := c.u.o.Journal.Rewind(e.ID, through); err != nil {
			return move{}, journalError{err}
		}
		return move{after: through}, nil
	}
}

// verified moves the mark to a record whose hash the hub has compared.
func (c *connection) verified(e journal.Epoch, b wire.Batch, last feedback.Seq) error {
	if last < b.First-1 || last == 0 {
		return nil
	}
	if err := c.u.o.Journal.Ack(e.ID, last); err != nil {
		return journalError{err}
	}
	return nil
}

// bear takes the n-th refusal in a row: it sends less, or waits. It reports
// false when ctx is done.
func (c *connection) bear(ctx context.Context, n int, b wire.Batch, ack wire.Ack) bool {
	trouble := fmt.Sprintf("the hub refuses records from %d: %s (%s)", b.First, ack.Refused, ack.Why)
	news := false
	c.u.note(func(s *Status) { news = s.Trouble != trouble; s.Trouble = trouble })
	if news {
		c.u.o.Log.Warn("the hub refuses", "refusal", ack.Refused, "why", ack.Why, "first", b.First, "records", len(b.Records))
	}
	if ack.Refused == wire.RefusedUnreadable && len(b.Records) > 1 {
		c.limit = max(1, len(b.Records)/2)
		return true
	}
	if ack.Wait > 0 {
		return true // exchange has waited
	}
	return sleep(ctx, c.backoff(n))
}

// backoff is how long to wait before the n-th attempt in vain.
func (c *connection) backoff(n int) time.Duration {
	t := c.u.o.Times
	return jitter(min(t.Answer<<min(n, 10), t.AnswerMax))
}

// exchange sends a request until it is answered, each time under a new number,
// and returns the answer to the last. It obeys `wait` before it returns.
func (c *connection) exchange(ctx context.Context, b wire.Batch) (wire.Ack, error) {
	for range c.u.o.Times.Tries {
		c.number++
		b.V, b.Re = wire.Version, wire.Re{Nonce: c.nonce, Number: c.number}
		payload, err := wire.EncodeBatch(b)
		if err != nil { // what is on the card is no longer what was written
			return wire.Ack{}, journalError{fmt.Errorf("%w: %w", sqlite.ErrDamaged, err)}
		}
		sentAt := time.Now()
		c.send(ctx, link.Message{Topic: wire.Topic(c.u.o.Kiosk, wire.TopicJournal), Payload: payload, QoS: 1})
		ack, ok := c.await(ctx, b, jitter(c.u.patience))
		if ctx.Err() != nil {
			return ack, ctx.Err()
		}
		if !ok {
			c.u.patience = min(2*c.u.patience, c.u.o.Times.AnswerMax)
			continue
		}
		roundTrip := time.Since(sentAt)
		c.u.patience = min(max(c.u.o.Times.Answer, 3*roundTrip), c.u.o.Times.AnswerMax)
		c.answered(ctx, ack, roundTrip)
		wait := min(time.Duration(ack.Wait)*time.Second, maxWait)
		if ack.Wait > 0 && !sleep(ctx, jitter(wait)) {
			return ack, ctx.Err()
		}
		return ack, nil
	}
	return wire.Ack{}, fmt.Errorf("%w: the hub does not answer", errStuck)
}

// answered notes what every answer tells beside its number.
func (c *connection) answered(ctx context.Context, ack wire.Ack, roundTrip time.Duration) {
	c.u.reached()
	c.u.note(func(s *Status) {
		s.Answered = time.Now()
		if ack.Refused == "" {
			s.Trouble = ""
		}
	})
	if changed, _ := c.u.meet(ack.Store, ack.Term); changed {
		c.send(ctx, c.u.state(ctx, c.session, true))
		c.askAgain()
	}
	if ack.At <= 0 || c.u.o.HubTime == nil {
		return
	}
	if err := c.u.o.HubTime(ctx, time.UnixMilli(ack.At), roundTrip); err != nil && ctx.Err() == nil {
		// A full disk, say: the records that are there go on all the same.
		c.u.o.Log.Warn("the hub's time could not be noted", "why", err)
	}
}

// await waits for the answer to the outstanding request. Whatever else arrives
// (late, doubled, foreign, garbage, of a hub that was superseded) is ignored.
func (c *connection) await(ctx context.Context, b wire.Batch, patience time.Duration) (wire.Ack, bool) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return wire.Ack{}, false
		case <-timer.C:
			return wire.Ack{}, false
		case payload := <-c.in.acks:
			ack, err := wire.Decode[wire.Ack](payload)
			if err != nil || ack.Re != b.Re || ack.Epoch != b.Epoch || ack.Through < 0 {
				continue
			}
			if c.u.outdated(ack.Store, ack.Term) {
				// A superseded hub falls silent. One that goes on and on, alone,
				// was put back from a copy: it is all the hub there is.
				if c.outdated++; c.outdated < c.u.o.Times.Tries {
					continue
				}
				c.u.adopt(ack.Store, ack.Term)
				c.askAgain()
			}
			c.outdated = 0
			return ack, true
		}
	}
}

// adopt takes a lower term for the present one.
func (u *Uplink) adopt(store string, term int64) {
	u.note(func(s *Status) { s.Store, s.Term = store, term })
	u.o.Log.Warn("the hub has gone back to an earlier term", "term", term)
}

// outdated reports whether a lower term of the same store speaks.
func (u *Uplink) outdated(store string, term int64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.status.Store == store && term < u.status.Term
}

// fork finds the last record that the hub and this kiosk share and leaves the
// epoch there. high is above or at it.
func (c *connection) fork(ctx context.Context, e journal.Epoch, b wire.Batch, high feedback.Seq, why string) (move, error) {
	low := b.Oldest - 1 // shared, for all that is known
	if b.Oldest > e.Oldest && len(b.Records) == 0 {
		low = e.Oldest - 1
	}
	high = min(high, b.Next-1)
	refusals := 0
	for low < high {
		mid := low + (high-low+1)/2
		question, err := c.batch(ctx, e.ID, mid+1, journal.Limit{})
		if err != nil {
			return move{}, err
		}
		// Inside a hole no hash is known: the question is asked behind it.
		at := question.First - 1
		if at > high {
			high = mid - 1
			continue
		}
		ack, err := c.exchange(ctx, question)
		switch {
		case err != nil:
			return move{}, err
		case ack.Refused == wire.RefusedFork:
			high = mid - 1
		case ack.Refused != "":
			if refusals++; !c.bear(ctx, refusals, question, ack) {
				return move{}, ctx.Err()
			}
		case ack.Through < at: // it has lost some meanwhile
			high = min(mid-1, max(low, ack.Through))
		default:
			low = at
		}
	}
	return move{done: true}, c.branch(ctx, e, low, why)
}

// branch goes on in a new epoch after a record of this one.
func (c *connection) branch(ctx context.Context, e journal.Epoch, common feedback.Seq, why string) error {
	id, err := c.u.o.Journal.Fork(ctx, e.ID, common, why)
	if err != nil {
		return c.failed(ctx, err)
	}
	c.u.o.Log.Warn("the journal goes on in a new epoch", "epoch", id, "parent", e.ID, "common", common, "why", why)
	c.u.progress = true
	c.send(ctx, c.u.state(ctx, c.session, true))
	return nil
}

// batch reads from the journal.
func (c *connection) batch(ctx context.Context, id feedback.Epoch, from feedback.Seq, limit journal.Limit) (wire.Batch, error) {
	b, err := c.u.o.Journal.Batch(ctx, id, from, limit)
	if err != nil {
		return b, c.failed(ctx, err)
	}
	return b, nil
}

// failed marks an error of the journal, unless it only says that ctx is done.
func (c *connection) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return journalError{err}
}
