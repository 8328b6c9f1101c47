package e2e

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"sourire/hub/app"
	"sourire/internal/link"
	"sourire/internal/natstest"
)

// watched is a hub on a cluster that tells on which node it is.
type watched struct {
	mu   sync.Mutex
	addr string
}

func (w *watched) dial(ctx context.Context, o link.Options) (*link.Conn, error) {
	last := ""
	o.Dialer = func(ctx context.Context, address string) (net.Conn, error) {
		last = address
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	c, err := link.Dial(ctx, o)
	if err == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.addr = last
	}
	return c, err
}

// node returns the node that the hub is on.
func (w *watched) node(t *testing.T, c natstest.Cluster) *natstest.Node {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(c, func(n *natstest.Node) bool { return n.Addr() == w.addr })
	if i < 0 {
		t.Fatalf("the hub is on %q, which is no node", w.addr)
	}
	return c[i]
}

// leaves waits until the hub has a link to another node.
func (w *watched) leaves(t *testing.T, n *natstest.Node) {
	t.Helper()
	late := time.After(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		w.mu.Lock()
		left := w.addr != n.Addr()
		w.mu.Unlock()
		if left {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("the hub does not leave a node that is dead")
		}
	}
}

// On a cluster of three NATS servers the node that the hub is on is killed under
// load: hub and kiosks come back on the others, and nothing is lost or doubled.
func TestCluster_nodeKilled(t *testing.T) {
	t.Parallel()
	clusterRounds(t, 1, 20)
}

// clusterRounds kills a node so many times, waits until presses go on, and starts
// it again. It returns the longest time until presses went on.
func clusterRounds(t *testing.T, rounds, kiosks int) (longest time.Duration, pressed int64) {
	t.Helper()
	nodes := natstest.Start(t)
	c := newCrew(t, nodes.URL())
	s := hubSettings(t)
	s.Broker.Address, s.Store.Postgres = c.broker, c.database
	var w watched
	hub, err := app.New(context.Background(), app.Options{Settings: s, Log: slog.New(slog.DiscardHandler), Dial: w.dial})
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Stop()
	saysWithin(t, hub.WebAddr(), "on the broker", time.Minute)
	fleet := c.burst(kiosks, 3600)
	fleet.goesOn(int64(2 * kiosks))
	for range rounds {
		n := w.node(t, nodes)
		n.Kill()
		began := time.Now()
		w.leaves(t, n)
		saysWithin(t, hub.WebAddr(), "on the broker", time.Minute)
		fleet.goesOn(int64(2 * kiosks))
		longest = max(longest, time.Since(began))
		n.Start()
		n.Await()
		fleet.goesOn(int64(2 * kiosks))
	}
	fleet.settle()
	sum := c.agree()
	t.Logf("%v; presses went on after %v at most", sum, longest.Round(time.Millisecond))
	return longest, sum.Pressed
}
