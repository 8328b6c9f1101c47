package app

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"

	"sourire/hub/fleet"
	"sourire/hub/ingest"
	"sourire/internal/link"
	"sourire/internal/wire"
)

// conversation is the hub's side of the link: it hears the kiosks, hands what
// they say to whom it concerns, and carries the answers. It dials anew whenever
// the link is lost.
type conversation struct {
	dial   func(context.Context, link.Options) (*link.Conn, error)
	target link.Options
	// external says that the broker is not this hub's own, so settings name it.
	external bool
	self     wire.Hub
	intake   *ingest.Intake
	fleet    *fleet.Fleet
	log      *slog.Logger

	conn atomic.Pointer[link.Conn] // nil while there is no link
	up   atomic.Bool
	// again, of size 1, is full when a hub that no longer is spoke last.
	again chan struct{}

	outage link.Outage // of run's goroutine
}

const (
	answerTimeout = 5 * time.Second
	redialFrom    = 100 * time.Millisecond
	redialTo      = 2 * time.Second
)

// advice says which settings decide whether an external broker lets the hub in.
var advice = link.Advice{
	Address:     "broker.address",
	Credentials: "broker.username and broker.password are not those of a user that the broker knows: write the hub's there",
}

// run keeps the link until ctx is done.
func (c *conversation) run(ctx context.Context) error {
	pause := redialFrom
	for {
		conn, err := c.open(ctx)
		if err == nil {
			pause = redialFrom
			err = c.hold(ctx, conn)
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to stop
		}
		if c.outage.News(err) {
			c.log.Warn("the hub has no link to the broker and dials again, every few seconds", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause/2 + rand.N(pause/2+1)):
		}
		pause = min(2*pause, redialTo)
	}
}

func (c *conversation) open(ctx context.Context) (*link.Conn, error) {
	will := c.self
	will.Online = false
	o := c.target
	o.ClientID = "hub_" + c.self.Store + "_" + strconv.FormatInt(c.self.Term, 10)
	o.Will = &link.Message{Topic: wire.HubState, Payload: wire.Encode(will), QoS: 1, Retained: true}
	o.Subscriptions = []string{
		wire.EveryKiosk(wire.TopicJournal), wire.EveryKiosk(wire.TopicState), wire.EveryKiosk(wire.TopicHealth), wire.HubState,
	}
	o.Handler = c.handle
	conn, err := c.dial(ctx, o)
	if c.external {
		err = advice.Explain(err)
	}
	return conn, err
}

// hold says that the hub is here and waits until the link or ctx ends.
func (c *conversation) hold(ctx context.Context, conn *link.Conn) error {
	c.conn.Store(conn)
	defer func() {
		c.up.Store(false)
		c.conn.Store(nil)
		conn.Close()
	}()
	self := c.self
	self.Online = true
	if err := say(ctx, conn, self, answerTimeout); err != nil {
		return err
	}
	c.up.Store(true)
	c.log.Info("the hub is on the broker", "address", c.target.Address, "again", c.outage.Over())
	for {
		select {
		case <-ctx.Done():
			// Close is graceful, so the will stays unsaid: say it.
			self.Online = false
			return errors.Join(ctx.Err(), say(context.WithoutCancel(ctx), conn, self, time.Second))
		case <-conn.Lost():
			return conn.Err()
		case <-c.again:
			if err := say(ctx, conn, self, answerTimeout); err != nil {
				return err
			}
		}
	}
}

func say(ctx context.Context, conn *link.Conn, self wire.Hub, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return conn.Publish(ctx, link.Message{Topic: wire.HubState, Payload: wire.Encode(self), QoS: 1, Retained: true})
}

// heard takes what is said on the hub's own topic. The will of a hub that hung, or
// of an earlier connection of this one, comes when the broker notices, replaces
// what was said since, and would stay there for kiosks that come next.
func (c *conversation) heard(m link.Message) {
	h, err := wire.Decode[wire.Hub](m.Payload)
	if err != nil || m.Retained {
		return
	}
	stale := h.Term < c.self.Term
	gone := h.Store == c.self.Store && h.Term == c.self.Term && !h.Online
	if stale || gone {
		select {
		case c.again <- struct{}{}:
		default:
		}
	}
}

// handle sorts what arrives. It runs on the link's goroutine and never blocks.
func (c *conversation) handle(m link.Message) {
	if m.Topic == wire.HubState {
		c.heard(m)
		return
	}
	k, leaf, ok := wire.ParseTopic(m.Topic)
	if !ok {
		return
	}
	switch leaf {
	case wire.TopicJournal:
		c.fleet.Journal(k)
		c.intake.Offer(k, m.Payload)
	case wire.TopicState:
		if s, err := wire.Decode[wire.State](m.Payload); err == nil {
			c.fleet.State(k, s, m.Retained)
		} else {
			c.log.Warn("a kiosk's state cannot be read", "kiosk", k, "why", err)
		}
	case wire.TopicHealth:
		if h, err := wire.Decode[wire.Health](m.Payload); err == nil {
			c.fleet.Health(k, h)
		} else {
			c.log.Warn("a kiosk's health cannot be read", "kiosk", k, "why", err)
		}
	}
}

// answer carries answers to kiosks. Without a link they are dropped: the kiosks
// ask again.
func (c *conversation) answer(ctx context.Context, answers []ingest.Answer) {
	conn := c.conn.Load()
	if conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	ms := make([]link.Message, len(answers))
	for i, a := range answers {
		ms[i] = link.Message{Topic: wire.Topic(a.Kiosk, wire.TopicAck), Payload: wire.Encode(a.Ack)}
	}
	if err := conn.PublishAll(ctx, ms); err != nil {
		c.log.Debug("answers were not sent", "answers", len(answers), "error", err)
	}
}
