package fleetsim

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"sourire/internal/link"
	"sourire/kiosk/uplink"
)

// line is one kiosk's way to the broker. It is cut at random, and keeps cut for
// a while: it closes sockets without a word, as a switched-off access point does
// not even. It loses answers of the hub on their way, and is dead in the dark.
type line struct {
	fleet   *fleet
	weather context.Context // when it is done nothing is cut or lost any more
	answers string          // their topic

	mu        sync.Mutex
	cut, dark bool
	conn      net.Conn // the newest
}

func newLine(weather context.Context, f *fleet, answers string) *line {
	return &line{fleet: f, weather: weather, answers: answers}
}

var errCut = errors.New("the link is cut, as was asked for")

// dial connects through the link.
func (l *line) dial(ctx context.Context, o link.Options) (uplink.Conn, error) {
	o.Dialer = func(ctx context.Context, address string) (net.Conn, error) {
		if l.down() {
			return nil, errCut
		}
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.cut || l.dark { // while it was being built
			return nil, errors.Join(errCut, conn.Close())
		}
		l.conn = conn
		return conn, nil
	}
	if handle := o.Handler; l.fleet.o.LostAnswers > 0 {
		o.Handler = func(m link.Message) {
			if m.Topic == l.answers && l.weather.Err() == nil && rand.Float64() < l.fleet.o.LostAnswers {
				l.fleet.lostAnswers.Add(1)
				return
			}
			handle(m)
		}
	}
	return uplink.Dial(ctx, o)
}

func (l *line) down() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut || l.dark
}

// run cuts until the weather is fine.
func (l *line) run() {
	for {
		if !wait(l.weather, l.fleet.o.CutEvery) {
			return
		}
		l.set(&l.cut, true)
		l.fleet.cuts.Add(1)
		ok := wait(l.weather, l.fleet.o.CutFor)
		l.set(&l.cut, false)
		if !ok {
			return
		}
	}
}

// set sets one of the two causes of a dead line.
func (l *line) set(cause *bool, dead bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*cause = dead
	if dead && l.conn != nil {
		_ = l.conn.Close() // that is the point of it
		l.conn = nil
	}
}

// wait waits for an exponential time of that mean, and reports whether ctx is
// still alive.
func wait(ctx context.Context, mean time.Duration) bool {
	timer := time.NewTimer(exponential(mean))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func exponential(mean time.Duration) time.Duration {
	return time.Duration(rand.ExpFloat64() * float64(mean))
}
