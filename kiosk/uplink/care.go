package uplink

import (
	"context"
	"math/rand/v2"
	"time"

	"sourire/internal/link"
	"sourire/internal/wire"
)

// care takes care of everything on a connection but the conversation: births,
// health, plans, and news of the hub.
func (c *connection) care(ctx context.Context) error {
	u := c.u
	c.send(ctx, u.state(ctx, c.session, true))
	health := time.NewTimer(jitter(u.o.Times.Health))
	defer health.Stop()
	announce := time.NewTimer(time.Hour)
	announce.Stop()
	defer announce.Stop()
	c.health(ctx)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-health.C:
			c.health(ctx)
			health.Reset(u.o.Times.Health)
		case p := <-c.in.plans:
			c.takePlan(ctx, p)
		case p := <-c.in.hubs:
			if c.news(p) {
				// All kiosks hear this at once, and shall not answer at once.
				announce.Reset(time.Duration(rand.Int64N(int64(u.o.Times.Announce) + 1)))
			}
		case <-announce.C:
			c.send(ctx, u.state(ctx, c.session, true))
			c.askAgain()
		}
	}
}

func (c *connection) health(ctx context.Context) {
	if c.u.o.Health == nil {
		return
	}
	h := c.u.o.Health(ctx)
	h.V, h.Session = wire.Version, c.session
	c.send(ctx, link.Message{Topic: wire.Topic(c.u.o.Kiosk, wire.TopicHealth), Payload: wire.Encode(h)})
}

// takePlan hands a plan on; if that puts another one in force, a birth says so.
func (c *connection) takePlan(ctx context.Context, payload []byte) {
	if c.u.o.Plan == nil || len(payload) == 0 {
		return // a retained plan was cleared: the last good one stays
	}
	before := c.u.o.Birth(ctx).Plan
	c.u.o.Plan(ctx, payload)
	if c.u.o.Birth(ctx).Plan != before {
		c.send(ctx, c.u.state(ctx, c.session, true))
	}
}

// news reports whether a state of the hub speaks of another one than before.
func (c *connection) news(payload []byte) bool {
	h, err := wire.Decode[wire.Hub](payload)
	if err != nil || h.Store == "" {
		return false // garbage, or the retained state was cleared
	}
	changed, outdated := c.u.meet(h.Store, h.Term)
	return changed && !outdated && h.Online
}

// askAgain lets the conversation ask about every epoch again.
func (c *connection) askAgain() {
	select {
	case c.again <- struct{}{}:
	default:
	}
}
