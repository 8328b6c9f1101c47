package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"runtime"
	"time"
)

const (
	// handshakesAtOnce are worked on at a time, on each core.
	handshakesAtOnce = 32

	// turnTimeout ends the turn of a handshake that waits for its client: one
	// round trip over a mobile network, or nobody. It goes on without a turn.
	turnTimeout = 100 * time.Millisecond

	// gateTimeout is how long a handshake may wait for its turn: half of what a
	// kiosk has for all of its dial (link.DefaultConnectTimeout). Who is sent away
	// comes back with jitter; work for those who are about to give up is lost, and
	// the more of it there is, the more give up (10,000 at once on a busy machine
	// took 72 s with 15 s here).
	gateTimeout = 8 * time.Second
)

// errCrowded ends a handshake whose client would soon give up.
var errCrowded = errors.New("too many connect at once: this one waited too long for its turn")

// gate lets so many TLS handshakes work at a time. When thousands of kiosks come
// back at once, each handshake is a goroutine that wants a millisecond; a press
// of somebody else needs a core half a dozen times on its way through the hub and
// would stand behind all of them each time.
type gate struct{ turns chan struct{} }

func newGate() *gate {
	return &gate{turns: make(chan struct{}, handshakesAtOnce*runtime.GOMAXPROCS(0))}
}

// enter waits for a turn, which ends with ctx, that of the handshake, or after
// turnTimeout.
func (g *gate) enter(ctx context.Context) error {
	patience := time.NewTimer(gateTimeout)
	defer patience.Stop()
	select {
	case g.turns <- struct{}{}:
	case <-patience.C:
		return errCrowded
	case <-ctx.Done():
		return ctx.Err()
	}
	turn, end := context.WithTimeout(ctx, turnTimeout)
	context.AfterFunc(turn, func() { end(); <-g.turns })
	return nil
}

// guard returns a configuration whose handshakes pass the gate once their client
// has spoken and before anything is computed.
func (g *gate) guard(c *tls.Config) *tls.Config {
	if c == nil {
		return nil
	}
	guarded, choose := c.Clone(), c.GetConfigForClient
	guarded.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if err := g.enter(hello.Context()); err != nil {
			return nil, err
		}
		if choose == nil {
			return nil, nil //nolint:nilnil // that is how one says "the same"
		}
		return choose(hello)
	}
	return guarded
}
