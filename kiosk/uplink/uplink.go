package uplink

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	mrand "math/rand/v2"
	"sync"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/link"
	"sourire/internal/wire"
	"sourire/kiosk/journal"
)

// Journal is what the uplink needs of the journal; *journal.Journal is one.
type Journal interface {
	Epochs() []journal.Epoch
	Batch(ctx context.Context, id feedback.Epoch, from feedback.Seq, limit journal.Limit) (wire.Batch, error)
	Ack(id feedback.Epoch, through feedback.Seq) error
	Rewind(id feedback.Epoch, through feedback.Seq) error
	Fork(ctx context.Context, id feedback.Epoch, common feedback.Seq, why string) (feedback.Epoch, error)
}

// Conn is a connection; *link.Conn is one.
type Conn interface {
	Publish(ctx context.Context, m link.Message) error
	Lost() <-chan struct{}
	Err() error
	Close()
	Abandon()
}

// Options make an uplink. Kiosk, Link.Address, Journal, Changed, Session and
// Birth are needed.
type Options struct {
	Kiosk   feedback.KioskID
	Link    link.Options // address and credentials; the rest is the uplink's
	Journal Journal
	// Changed tells that the journal has something new.
	Changed <-chan struct{}
	// Session draws the number of a new connection.
	Session func(context.Context) (int64, error)
	// Birth says how the kiosk is at the beginning of a session; V, Session
	// and Online are the uplink's.
	Birth func(context.Context) wire.State
	// Health says how it is, each Times.Health; V and Session are the uplink's.
	Health func(context.Context) wire.Health
	// Plan takes what came on the kiosk's plan topic. It must not block long.
	Plan func(context.Context, []byte)
	// HubTime takes the hub's time from an answer.
	HubTime func(ctx context.Context, at time.Time, roundTrip time.Duration) error
	// Dial opens a connection; nil means link.Dial.
	Dial  func(context.Context, link.Options) (Conn, error)
	Times Times
	Log   *slog.Logger // nil means slog.Default()
}

// Times are the uplink's waits; each is jittered. The zero value means the
// defaults.
type Times struct {
	Answer    time.Duration // for an answer, doubling while none comes; 1 s
	AnswerMax time.Duration // 60 s
	Redial    time.Duration // before dialling again, doubling while that fails; 0.5 s
	RedialMax time.Duration // 60 s
	Announce  time.Duration // within which to announce oneself to a new hub; 10 s
	Health    time.Duration // between two healths; 1 min
	Tries     int           // unanswered requests before the connection is thrown away; 5
}

func (t Times) withDefaults() Times {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&t.Answer, time.Second)
	set(&t.AnswerMax, time.Minute)
	set(&t.Redial, 500*time.Millisecond)
	set(&t.RedialMax, time.Minute)
	set(&t.Announce, 10*time.Second)
	set(&t.Health, time.Minute)
	if t.Tries == 0 {
		t.Tries = 5
	}
	return t
}

// Status is how the conversation goes.
type Status struct {
	Connected bool
	// Settled says that on this connection the hub confirmed that it has
	// everything.
	Settled  bool
	Answered time.Time // when the last answer came; zero for never
	Store    string    // the hub's store and term, as far as known
	Term     int64
	Trouble  string // why it does not go on, in words; "" when it does
}

// Uplink is the conversation. Run does everything.
type Uplink struct {
	o   Options
	log *slog.Logger

	// Owned by Run's goroutine.
	store string
	term  int64
	all   bool // every epoch held is to be asked about

	mu     sync.Mutex
	status Status // guarded by mu
}

// New returns an uplink that does nothing until Run.
func New(o Options) *Uplink {
	o.Times = o.Times.withDefaults()
	if o.Dial == nil {
		o.Dial = func(ctx context.Context, l link.Options) (Conn, error) {
			c, err := link.Dial(ctx, l)
			if err != nil {
				return nil, err // a nil *link.Conn is no nil Conn
			}
			return c, nil
		}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Uplink{o: o, log: o.Log, all: true}
}

// Status returns how the conversation goes.
func (u *Uplink) Status() Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.status
}

func (u *Uplink) note(do func(*Status)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	do(&u.status)
}

// Run holds the conversation until ctx is done. It returns an error only when
// the journal fails.
func (u *Uplink) Run(ctx context.Context) error {
	pause := u.o.Times.Redial
	for ctx.Err() == nil {
		s, err := u.open(ctx)
		if err == nil {
			err = s.hold(ctx)
			s.end(ctx)
			if s.answered {
				pause = u.o.Times.Redial
			}
		}
		u.note(func(st *Status) { st.Connected, st.Settled = false, false })
		if ctx.Err() != nil {
			return nil
		}
		var broken journalError
		if errors.As(err, &broken) {
			return broken.error
		}
		u.trouble(err)
		if !sleep(ctx, jitter(pause)) {
			return nil
		}
		pause = min(2*pause, u.o.Times.RedialMax)
	}
	return nil
}

func (u *Uplink) trouble(err error) {
	first := false
	u.note(func(st *Status) {
		first = st.Trouble != err.Error()
		st.Trouble = err.Error()
	})
	if first { // the same trouble once a minute for a month helps nobody
		u.log.Warn("the hub is out of reach; presses are kept", "why", err)
	}
}

// journalError marks a failure of the journal, with which nothing can go on.
type journalError struct{ error }

// Unwrap returns the journal's error.
func (e journalError) Unwrap() error { return e.error }

// open dials and says that the kiosk is here.
func (u *Uplink) open(ctx context.Context) (*session, error) {
	number, err := u.o.Session(ctx)
	if err != nil {
		return nil, journalError{fmt.Errorf("session number: %w", err)}
	}
	nonce := make([]byte, 8)
	_, _ = rand.Read(nonce) // never fails
	s := &session{
		u: u, number: number, nonce: hex.EncodeToString(nonce),
		acks: make(chan arrival, 16), hubs: make(chan wire.Hub, 16), plans: make(chan []byte, 4),
		asked: make(map[feedback.Epoch]bool), limit: wire.MaxRecords,
	}
	birth := u.o.Birth(ctx)
	will := birth
	will.V, will.Session, will.Online = wire.Version, number, false
	o := u.o.Link
	o.ClientID = string(u.o.Kiosk)
	o.Will = &link.Message{Topic: wire.Topic(u.o.Kiosk, wire.TopicState), Payload: wire.Encode(will), QoS: 1, Retained: true}
	o.Subscriptions = []string{
		wire.Topic(u.o.Kiosk, wire.TopicAck), wire.Topic(u.o.Kiosk, wire.TopicPlan), wire.HubState,
	}
	o.Handler = s.handle
	if s.conn, err = u.o.Dial(ctx, o); err != nil {
		return nil, err
	}
	if err := s.announce(ctx); err != nil {
		s.conn.Abandon()
		return nil, err
	}
	u.note(func(st *Status) { st.Connected = true })
	return s, nil
}

// sleep waits and reports whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// jitter returns d give or take a quarter.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + mrand.N(d/2+1)
}
