package fleetsim

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"sourire/internal/link"
	"sourire/kiosk/uplink"
)

// cutter cuts the link of one kiosk at random, and keeps it cut for a while. It
// closes sockets without a word, as a switched-off access point does not even.
type cutter struct {
	every, lasting time.Duration
	cuts           *atomic.Int64

	mu   sync.Mutex
	cut  bool
	conn net.Conn // the newest
}

func newCutter(o Options, cuts *atomic.Int64) *cutter {
	return &cutter{every: o.CutEvery, lasting: o.CutFor, cuts: cuts}
}

var errCut = errors.New("the link is cut, as was asked for")

// dial connects through the link.
func (c *cutter) dial(ctx context.Context, o link.Options) (uplink.Conn, error) {
	o.Dialer = func(ctx context.Context, address string) (net.Conn, error) {
		c.mu.Lock()
		cut := c.cut
		c.mu.Unlock()
		if cut {
			return nil, errCut
		}
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.conn = conn
		return conn, nil
	}
	return uplink.Dial(ctx, o)
}

// run cuts until ctx is done.
func (c *cutter) run(ctx context.Context) {
	for {
		if !wait(ctx, c.every) {
			return
		}
		c.set(true)
		c.cuts.Add(1)
		ok := wait(ctx, c.lasting)
		c.set(false)
		if !ok {
			return
		}
	}
}

func (c *cutter) set(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
	if cut && c.conn != nil {
		_ = c.conn.Close() // that is the point of it
		c.conn = nil
	}
}

// wait waits for an exponential time of that mean, and reports whether ctx is
// still alive.
func wait(ctx context.Context, mean time.Duration) bool {
	timer := time.NewTimer(time.Duration(rand.ExpFloat64() * float64(mean)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
