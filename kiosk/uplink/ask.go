package uplink

import (
	"context"
	"errors"
	"time"

	"sourire/internal/link"
	"sourire/internal/wire"
)

// ask makes a request and waits for its answer. It returns nil without an error
// when none came in time: then the caller asks again. After too many of these
// the error is errSilent, and the connection is to be thrown away.
func (s *session) ask(ctx context.Context, b wire.Batch) (*wire.Ack, error) {
	s.requests++
	b.Re = wire.Re{Nonce: s.nonce, Number: s.requests}
	payload, err := wire.EncodeBatch(b)
	var envelope *wire.EnvelopeError
	switch {
	case errors.As(err, &envelope) && s.limit > 1:
		s.limit /= 2 // long comments beside the records: send fewer
		return nil, nil
	case err != nil:
		return nil, journalError{err}
	}
	patience := s.patience()
	began := time.Now()

	// The request is QoS 1, but its PUBACK is nobody's concern: the publishing
	// ends with the answer, or with our patience.
	sending, cancel := context.WithTimeout(ctx, patience)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_ = s.conn.Publish(sending, link.Message{
			Topic: wire.Topic(s.u.o.Kiosk, wire.TopicJournal), Payload: payload, QoS: 1,
		})
	}()
	defer func() { cancel(); <-sent }()

	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.conn.Lost():
			return nil, s.conn.Err()
		case h := <-s.hubs:
			s.hub(h)
		case p := <-s.plans:
			s.plan(ctx, p)
		case <-timeout.C:
			return nil, s.unanswered()
		case a := <-s.acks:
			if a.Re != b.Re || a.Store == s.u.store && a.Term < s.u.term {
				continue // late, doubled, foreign, or of a hub that was superseded
			}
			return s.take(ctx, a, a.at.Sub(began))
		}
	}
}

// patience is how long to wait for an answer: the longer the more often none
// came.
func (s *session) patience() time.Duration {
	d := s.u.o.Times.Answer << min(s.silence, 10)
	return jitter(min(d, s.u.o.Times.AnswerMax))
}

func (s *session) unanswered() error {
	if s.silence++; s.silence >= s.u.o.Times.Tries {
		return errSilent
	}
	s.u.note(func(st *Status) { st.Trouble = errSilent.Error() })
	return nil
}

// maxRoundTrip is the longest in which an answer tells the time.
const maxRoundTrip = 2 * time.Second

// take notes what every answer to us says.
func (s *session) take(ctx context.Context, a arrival, roundTrip time.Duration) (*wire.Ack, error) {
	s.silence, s.answered = 0, true
	s.learn(a.Store, a.Term)
	s.u.note(func(st *Status) {
		st.Answered = a.at
		if a.Refused == "" {
			st.Trouble = ""
		}
	})
	if s.u.o.HubTime != nil && roundTrip <= maxRoundTrip {
		if err := s.u.o.HubTime(ctx, time.UnixMilli(a.At), roundTrip); err != nil && ctx.Err() == nil {
			s.u.log.Warn("the hub's time could not be noted", "error", err)
		}
	}
	return &a.Ack, nil
}
