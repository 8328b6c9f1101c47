package uplink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/link"
	"sourire/internal/sqlite"
	"sourire/internal/wire"
	"sourire/kiosk/journal"
)

// Journal is what the conversation needs of a journal; *journal.Journal is one.
type Journal interface {
	// Epochs returns what is held, oldest first; the last is the current one.
	Epochs() []journal.Epoch
	Batch(ctx context.Context, id feedback.Epoch, from feedback.Seq, limit journal.Limit) (wire.Batch, error)
	Ack(id feedback.Epoch, through feedback.Seq) error
	Rewind(id feedback.Epoch, through feedback.Seq) error
	Fork(ctx context.Context, id feedback.Epoch, common feedback.Seq, why string) (feedback.Epoch, error)
}

// Conn is a connection to a broker; *link.Conn is one.
type Conn interface {
	Publish(ctx context.Context, m link.Message) error
	Lost() <-chan struct{}
	Err() error
	Close()
	Abandon()
}

// Dial opens a connection with link.Dial.
func Dial(ctx context.Context, o link.Options) (Conn, error) {
	c, err := link.Dial(ctx, o)
	if err != nil {
		return nil, err // a nil *link.Conn would not be a nil Conn
	}
	return c, nil
}

// Times are the waits of the conversation; each is jittered. Zero fields mean
// the defaults.
type Times struct {
	Answer    time.Duration // for an answer, doubling while none comes; 1 s
	AnswerMax time.Duration // 60 s
	Redial    time.Duration // before dialling again, doubling while that fails; 0.5 s
	RedialMax time.Duration // 60 s
	Announce  time.Duration // within which to announce oneself to a new hub; 10 s
	Health    time.Duration // between two healths; 1 min
	Tries     int           // requests without progress before the connection is thrown away; 8
}

const (
	// publishTimeout is the patience with a broker that withholds a PUBACK.
	publishTimeout = 30 * time.Second
	// maxWait is the longest wait that a hub may ask for.
	maxWait = 10 * time.Minute
)

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
		t.Tries = 8
	}
	return t
}

// Options make an uplink. Kiosk, Link.Address, Journal, Changed, Session and
// Birth are needed.
type Options struct {
	Kiosk   feedback.KioskID
	Link    link.Options // address and credentials; the rest is the uplink's
	Journal Journal
	// Changed tells that the journal has something new.
	Changed <-chan struct{}
	// Session draws the number of a new connection; it rises.
	Session func(context.Context) (int64, error)
	// Birth says how the kiosk is at the beginning of a session; V, Session
	// and Online are the uplink's, and so is what Journal knows.
	Birth func(context.Context) wire.State
	// Health says how it is, each Times.Health; V and Session are the uplink's.
	Health func(context.Context) wire.Health
	// Plan takes what came on the kiosk's plan topic. It must not block long.
	Plan func(context.Context, []byte)
	// HubTime takes the hub's clock as it stood in an answer that has just come.
	HubTime func(ctx context.Context, at time.Time, roundTrip time.Duration) error
	// Dial opens a connection; nil means Dial.
	Dial  func(context.Context, link.Options) (Conn, error)
	Times Times
	// Told hears what is logged of the link: nil when the hub answers, at first and
	// after an outage, and each reason why it is out of reach. It may be nil itself.
	Told func(why error)
	Log  *slog.Logger // nil means slog.Default()
}

func (o Options) withDefaults() Options {
	o.Times = o.Times.withDefaults()
	if o.Dial == nil {
		o.Dial = Dial
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Told == nil {
		o.Told = func(error) {}
	}
	return o
}

// Status is how the conversation goes, for people.
type Status struct {
	Connected bool
	// Settled says that on this connection the hub confirmed that it has
	// everything.
	Settled  bool
	Session  int64     // number of the connection
	Answered time.Time // when the last answer came; zero for never
	Store    string    // the hub's store and term, as far as known
	Term     int64
	Trouble  string // why it does not go on, in words; "" when it does
}

// Uplink holds the conversation with one hub.
type Uplink struct {
	o Options

	mu     sync.Mutex
	status Status // guarded by mu

	// These belong to the goroutine that talks, of which there is one at a time.
	patience time.Duration // with the next answer
	progress bool          // since the last dial
	outage   link.Outage
	heard    bool // the hub has answered, since the start
}

// New returns an uplink that does nothing until Run.
func New(o Options) *Uplink {
	o = o.withDefaults()
	return &Uplink{o: o, patience: o.Times.Answer}
}

// Status tells how the conversation goes.
func (u *Uplink) Status() Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.status
}

func (u *Uplink) note(f func(*Status)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f(&u.status)
}

// errStuck marks a connection on which nothing moves any more.
var errStuck = errors.New("no progress on an open connection")

// journalError marks a failure of the journal.
type journalError struct{ error }

// Unwrap returns the journal's error.
func (e journalError) Unwrap() error { return e.error }

// passing reports whether a failure of the journal may pass by itself: presses
// go on, so the kiosk must not end because of it.
func passing(err error) bool {
	return errors.Is(err, journal.ErrFull) || errors.Is(err, journal.ErrNotHeld) || sqlite.IsFull(err) || sqlite.IsBusy(err)
}

// Run converses until ctx is done; it dials again whenever a connection ends. It
// returns an error only when the journal fails for good.
func (u *Uplink) Run(ctx context.Context) error {
	pause := u.o.Times.Redial
	for {
		err := u.converse(ctx)
		u.note(func(s *Status) { s.Connected, s.Settled = false, false })
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to stop
		}
		if broken, ok := errors.AsType[journalError](err); ok && !passing(err) {
			return broken.error
		}
		u.trouble(err)
		if u.progress {
			pause = u.o.Times.Redial
		}
		u.progress = false
		if !sleep(ctx, jitter(pause)) {
			return nil
		}
		pause = min(2*pause, u.o.Times.RedialMax)
	}
}

// trouble notes why there is no connection, and says each reason once until the
// hub answers again: the same line every minute for a month helps nobody.
func (u *Uplink) trouble(err error) {
	u.note(func(s *Status) { s.Trouble = err.Error() })
	if u.outage.News(err) {
		u.o.Log.Warn("the hub is out of reach, presses are kept", "why", err)
		u.o.Told(err)
	}
}

// reached says that the hub answers, at first and after each outage.
func (u *Uplink) reached() {
	if over := u.outage.Over(); over || !u.heard {
		u.o.Log.Info("the hub answers", "address", u.o.Link.Address, "again", over && u.heard)
		u.o.Told(nil)
	}
	u.heard = true
}

// converse dials once and talks until the connection ends.
func (u *Uplink) converse(ctx context.Context) error {
	session, err := u.o.Session(ctx)
	if err != nil {
		return journalError{err}
	}
	in := newInbox(u.o.Kiosk)
	o := u.o.Link
	o.ClientID = string(u.o.Kiosk)
	o.Handler = in.take
	o.Subscriptions = []string{
		wire.Topic(u.o.Kiosk, wire.TopicAck), wire.Topic(u.o.Kiosk, wire.TopicPlan), wire.HubState,
	}
	will := u.state(ctx, session, false)
	o.Will = &will
	conn, err := u.o.Dial(ctx, o)
	if err != nil {
		return err
	}
	u.note(func(s *Status) { s.Connected, s.Session, s.Trouble = true, session, "" })
	c := &connection{u: u, conn: conn, session: session, in: in, nonce: nonce(), again: make(chan struct{}, 1)}
	err = c.run(ctx)
	if ctx.Err() != nil {
		c.goodbye(context.WithoutCancel(ctx))
		return nil //nolint:nilerr // it was told to stop
	}
	conn.Abandon() // so that the broker publishes the will
	return err
}

// state is a birth or a will.
func (u *Uplink) state(ctx context.Context, session int64, online bool) link.Message {
	s := u.o.Birth(ctx)
	epochs := u.o.Journal.Epochs()
	head := epochs[len(epochs)-1]
	s.V, s.Session, s.Online = wire.Version, session, online
	s.Epoch, s.Oldest, s.Next = head.ID, head.Oldest, head.Next
	return link.Message{Topic: wire.Topic(u.o.Kiosk, wire.TopicState), Payload: wire.Encode(s), QoS: 1, Retained: true}
}

// connection is one connection and what runs on it.
type connection struct {
	u       *Uplink
	conn    Conn
	session int64
	in      *inbox
	nonce   string
	number  int64         // of the last request
	again   chan struct{} // ask about all epochs again
	publish sync.WaitGroup
	limit   int // records in a batch, halved while the hub cannot read it
	// outdated counts the answers in a row that spoke for a lower term.
	outdated int
}

// run talks until something ends the connection or ctx, and waits for its
// goroutines.
func (c *connection) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var both sync.WaitGroup
	both.Go(func() { cancel(c.talk(ctx)) })
	both.Go(func() { cancel(c.care(ctx)) })
	select {
	case <-c.conn.Lost():
		cancel(c.conn.Err())
	case <-ctx.Done():
	}
	both.Wait()
	c.publish.Wait() // ctx ends them
	return context.Cause(ctx)
}

// send sees a message out of the door without waiting for it: PUBACKs mean
// nothing, and a broker that withholds one must not hold up the conversation.
func (c *connection) send(ctx context.Context, m link.Message) {
	c.publish.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, publishTimeout)
		defer cancel()
		if err := c.conn.Publish(ctx, m); err != nil && ctx.Err() == nil {
			c.u.o.Log.Debug("a message was not sent", "err", err)
		}
	})
}

// goodbye tells the hub that this end is wanted, for the will is not published
// then.
func (c *connection) goodbye(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := c.conn.Publish(ctx, c.u.state(ctx, c.session, false)); err != nil {
		c.u.o.Log.Debug("no goodbye", "err", err)
	}
	c.conn.Close()
}

// meet notes which hub speaks. It reports whether that is another one than
// before, and whether it is out of date: a lower term of the same store.
func (u *Uplink) meet(store string, term int64) (changed, outdated bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := &u.status
	if s.Store == store && term <= s.Term {
		return false, term < s.Term
	}
	changed = s.Store != ""
	s.Store, s.Term = store, term
	return changed, false
}

func nonce() string { return fmt.Sprintf("%016x", rand.Uint64()) }

// jitter returns between 75 and 125 % of d.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + time.Duration(rand.Int64N(int64(d)/2+1))
}

// sleep reports whether d passed before ctx was done.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
