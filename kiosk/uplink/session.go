package uplink

import (
	"context"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/link"
	"sourire/internal/wire"
	"sourire/kiosk/journal"
)

// session is one connection, driven by one goroutine; the link's goroutine only
// fills the channels.
type session struct {
	u      *Uplink
	conn   Conn
	number int64
	nonce  string

	acks  chan arrival
	hubs  chan wire.Hub
	plans chan []byte

	asked    map[feedback.Epoch]bool // the hub has said how far it is
	requests int64                   // made on this connection
	silence  int                     // requests in a row that nobody answered
	answered bool
	limit    int       // records in a batch
	birthAt  time.Time // when to announce oneself to a new hub; zero for never
	healthAt time.Time
}

// arrival is an answer and the instant at which it came.
type arrival struct {
	wire.Ack
	at time.Time
}

// errSilent says that nobody answers although the connection is open.
var errSilent = errors.New("connected, but no hub answers")

const sayTimeout = 5 * time.Second

// handle sorts what arrives. It runs on the link's goroutine and never blocks:
// what does not fit is asked for again.
func (s *session) handle(m link.Message) {
	switch m.Topic {
	case wire.HubState:
		if h, err := wire.Decode[wire.Hub](m.Payload); err == nil {
			select {
			case s.hubs <- h:
			default:
			}
		}
	case wire.Topic(s.u.o.Kiosk, wire.TopicAck):
		if a, err := wire.Decode[wire.Ack](m.Payload); err == nil {
			select {
			case s.acks <- arrival{a, time.Now()}:
			default:
			}
		}
	case wire.Topic(s.u.o.Kiosk, wire.TopicPlan):
		select {
		case s.plans <- m.Payload:
		default:
		}
	}
}

// say publishes what needs no answer.
func (s *session) say(ctx context.Context, m link.Message) error {
	ctx, cancel := context.WithTimeout(ctx, sayTimeout)
	defer cancel()
	return s.conn.Publish(ctx, m)
}

func (s *session) announce(ctx context.Context) error {
	birth := s.u.o.Birth(ctx)
	birth.V, birth.Session, birth.Online = wire.Version, s.number, true
	s.birthAt = time.Time{}
	s.healthAt = time.Now().Add(jitter(s.u.o.Times.Health))
	return s.say(ctx, link.Message{
		Topic: wire.Topic(s.u.o.Kiosk, wire.TopicState), Payload: wire.Encode(birth), QoS: 1, Retained: true,
	})
}

func (s *session) health(ctx context.Context) error {
	s.healthAt = time.Now().Add(jitter(s.u.o.Times.Health))
	if s.u.o.Health == nil {
		return nil
	}
	h := s.u.o.Health(ctx)
	h.V, h.Session = wire.Version, s.number
	return s.say(ctx, link.Message{Topic: wire.Topic(s.u.o.Kiosk, wire.TopicHealth), Payload: wire.Encode(h)})
}

// end leaves politely when the kiosk stops, saying what the will would have
// said, and else without a word, so that the will is published.
func (s *session) end(ctx context.Context) {
	if ctx.Err() == nil {
		s.conn.Abandon()
		return
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	gone := s.u.o.Birth(last)
	gone.V, gone.Session, gone.Online = wire.Version, s.number, false
	_ = s.conn.Publish(last, link.Message{
		Topic: wire.Topic(s.u.o.Kiosk, wire.TopicState), Payload: wire.Encode(gone), QoS: 1, Retained: true,
	})
	s.conn.Close()
}

// hold goes on until the connection is lost or useless, or ctx is done.
func (s *session) hold(ctx context.Context) error {
	for {
		e, work := s.next()
		if !work {
			if s.answered {
				s.u.note(func(st *Status) { st.Settled, st.Trouble = true, "" })
			}
			if err := s.idle(ctx); err != nil {
				return err
			}
			continue
		}
		s.u.note(func(st *Status) { st.Settled = false })
		if err := s.step(ctx, e); err != nil {
			return err
		}
	}
}

// next returns the oldest epoch that needs a request.
func (s *session) next() (journal.Epoch, bool) {
	for _, e := range s.u.o.Journal.Epochs() {
		if e.Acked < e.Next-1 || !s.asked[e.ID] && (e.Current || s.u.all) {
			return e, true
		}
	}
	s.u.all = false
	return journal.Epoch{}, false
}

// idle waits until there is something to do.
func (s *session) idle(ctx context.Context) error {
	t := time.NewTimer(s.untilTick())
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.conn.Lost():
		return s.conn.Err()
	case <-s.u.o.Changed:
		return nil
	case h := <-s.hubs:
		s.hub(h)
		return nil
	case p := <-s.plans:
		s.plan(ctx, p)
		return nil
	case <-t.C:
		return s.tick(ctx)
	}
}

func (s *session) untilTick() time.Duration {
	at := s.healthAt
	if !s.birthAt.IsZero() && s.birthAt.Before(at) {
		at = s.birthAt
	}
	return time.Until(at)
}

// tick says what is due.
func (s *session) tick(ctx context.Context) error {
	now := time.Now()
	if !s.birthAt.IsZero() && !now.Before(s.birthAt) {
		clear(s.asked)
		return s.announce(ctx)
	}
	if !now.Before(s.healthAt) {
		return s.health(ctx)
	}
	return nil
}

func (s *session) plan(ctx context.Context, p []byte) {
	if s.u.o.Plan != nil && len(p) > 0 {
		s.u.o.Plan(ctx, p)
	}
}

// hub takes the hub's own state: another store, or a higher term, is a hub that
// does not know this kiosk yet.
func (s *session) hub(h wire.Hub) {
	if s.learn(h.Store, h.Term) {
		s.birthAt = time.Now().Add(mrand.N(s.u.o.Times.Announce + 1))
	}
}

// learn notes whose word it is. It reports whether the hub has changed.
func (s *session) learn(store string, term int64) (changed bool) {
	u := s.u
	if store == u.store && term <= u.term {
		return false
	}
	changed = u.store != ""
	if changed && store != u.store {
		u.all = true
		clear(s.asked)
	}
	u.store, u.term = store, term
	u.note(func(st *Status) { st.Store, st.Term = store, term })
	return changed
}

// step makes one request for an epoch and obeys the answer.
func (s *session) step(ctx context.Context, e journal.Epoch) error {
	if time.Now().After(s.healthAt) || !s.birthAt.IsZero() && time.Now().After(s.birthAt) {
		return s.tick(ctx)
	}
	limit := journal.Limit{}
	if s.asked[e.ID] {
		limit = journal.Limit{Records: s.limit, Bytes: batchBytes}
	}
	b, err := s.batch(ctx, e.ID, e.Acked+1, limit)
	if err != nil {
		return err
	}
	a, err := s.ask(ctx, b)
	if err != nil || a == nil {
		return err
	}
	switch a.Refused {
	case "":
		return s.obey(ctx, e, b, *a)
	case wire.RefusedFork:
		s.u.log.Warn("the hub holds other records than this kiosk; a new epoch begins", "why", a.Why)
		return s.fork(ctx, b, a.Through, a.Why)
	case wire.RefusedUnreadable:
		s.limit = max(1, s.limit/2)
		s.refused(*a)
		return s.pause(ctx, s.u.o.Times.Answer)
	default: // busy, store, or a reason of a later version
		s.refused(*a)
		return s.pause(ctx, max(time.Duration(a.Wait)*time.Second, s.u.o.Times.Answer))
	}
}

func (s *session) refused(a wire.Ack) {
	s.u.note(func(st *Status) { st.Trouble = fmt.Sprintf("the hub refuses (%s): %s", a.Refused, a.Why) })
}

// batchBytes leaves room for the envelope around the records.
const batchBytes = wire.MaxBytes - 1024

func (s *session) batch(ctx context.Context, id feedback.Epoch, from feedback.Seq, limit journal.Limit) (wire.Batch, error) {
	b, err := s.u.o.Journal.Batch(ctx, id, from, limit)
	if err != nil {
		if ctx.Err() != nil {
			return b, ctx.Err()
		}
		return b, journalError{err}
	}
	return b, nil
}

// pause waits as the hub asked, hearing only the end.
func (s *session) pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(jitter(d))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.conn.Lost():
		return s.conn.Err()
	case <-t.C:
		return nil
	}
}

// obey moves the mark to where the hub is.
func (s *session) obey(ctx context.Context, e journal.Epoch, b wire.Batch, a wire.Ack) error {
	if a.Epoch != b.Epoch {
		return nil // an answer that contradicts itself
	}
	if a.Through >= b.Next && !e.Current {
		a.Through = b.Next - 1 // the rest is another branch's, or was lost here
	}
	if a.Through >= b.Next {
		why := fmt.Sprintf("the hub has record %d, this kiosk never made more than %d", a.Through, b.Next-1)
		s.u.log.Warn("the journal is older than what the hub has; a new epoch begins", "why", why)
		return s.fork(ctx, b, a.Through, why)
	}
	first := !s.asked[e.ID]
	s.asked[e.ID] = true
	var err error
	switch {
	case a.Through < e.Acked:
		err = s.u.o.Journal.Rewind(e.ID, a.Through)
	case a.Through > e.Acked:
		err = s.u.o.Journal.Ack(e.ID, a.Through)
	case !first && len(b.Records) > 0:
		// It answers and does not move: neither hammer it nor give it up.
		return s.pause(ctx, s.u.o.Times.Answer)
	}
	if err != nil {
		return journalError{err}
	}
	if len(b.Records) > 0 {
		s.limit = min(2*s.limit, wire.MaxRecords)
	}
	return nil
}

// fork finds the last record that both sides share and goes on in a new epoch
// after it. The running hash makes that a search by halving: who agrees at x
// agrees everywhere below.
func (s *session) fork(ctx context.Context, b wire.Batch, through feedback.Seq, why string) error {
	low := max(b.Oldest, 1) - 1 // what lies below is not held, and not ours to repeat
	high := min(through, b.Next-1)
	for low < high {
		x := low + (high-low+1)/2
		q, err := s.batch(ctx, b.Epoch, x+1, journal.Limit{})
		if err != nil {
			return err
		}
		a, err := s.ask(ctx, q)
		if err != nil {
			return err
		}
		switch {
		case a == nil || a.Refused != "" && a.Refused != wire.RefusedFork:
			if err := s.pause(ctx, s.u.o.Times.Answer); err != nil {
				return err
			}
		case a.Refused == wire.RefusedFork:
			high = x - 1
		default:
			low = x
		}
	}
	if _, err := s.u.o.Journal.Fork(ctx, b.Epoch, low, why); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return journalError{err}
	}
	s.asked[b.Epoch] = true
	return s.announce(ctx)
}
