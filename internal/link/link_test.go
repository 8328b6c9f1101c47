package link_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sourire/internal/link"
	"sourire/internal/mosquittotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// deadline is far above what anything here takes.
const deadline = 20 * time.Second

func context20(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	t.Cleanup(cancel)
	return ctx
}

// dial connects and hands out what arrives.
func dial(t *testing.T, o link.Options) (*link.Conn, <-chan link.Message) {
	t.Helper()
	got := make(chan link.Message, 10_000)
	o.Handler = func(m link.Message) { got <- m }
	c, err := link.Dial(context20(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, got
}

func publish(t *testing.T, c *link.Conn, m link.Message) {
	t.Helper()
	if err := c.Publish(context20(t), m); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, got <-chan link.Message) link.Message {
	t.Helper()
	select {
	case m := <-got:
		return m
	case <-time.After(deadline):
		t.Fatal("no message arrived")
		return link.Message{}
	}
}

func awaitLost(t *testing.T, c *link.Conn) {
	t.Helper()
	select {
	case <-c.Lost():
	case <-time.After(deadline):
		t.Fatal("the connection was not seen to be lost")
	}
}

func TestConn_Publish(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	hub, got := dial(t, link.Options{Address: b.URL(), ClientID: "hub", Subscriptions: []string{"a/+/journal", "a/#"}})
	kiosk, _ := dial(t, link.Options{Address: b.URL(), ClientID: "k1"})

	for qos := range byte(2) {
		const n = 500
		for i := range n {
			publish(t, kiosk, link.Message{Topic: "a/k1/journal", Payload: fmt.Appendf(nil, "%d", i), QoS: qos})
		}
		for i := range n {
			m := receive(t, got)
			if want := fmt.Sprint(i); string(m.Payload) != want || m.Topic != "a/k1/journal" || m.QoS != 0 || m.Retained {
				t.Fatalf("QoS %d: got %s %q, want %q", qos, m.Topic, m.Payload, want)
			}
		}
	}
	if err := hub.Err(); err != nil {
		t.Errorf("got Err %v on a standing connection", err)
	}
	select {
	case m := <-got:
		t.Errorf("got %s %q twice: overlapping filters", m.Topic, m.Payload)
	default:
	}
}

// counting counts the writes to a connection.
type counting struct {
	net.Conn
	writes atomic.Int64
}

func (c *counting) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// Many messages make few writes, in their order, and nothing of them stays behind
// while others publish beside.
func TestConn_PublishAll(t *testing.T) {
	const n, rounds = 300, 20
	b := mosquittotest.Start(t, mosquittotest.Options{})
	_, got := dial(t, link.Options{Address: b.URL(), ClientID: "k1", Subscriptions: []string{"all"}})
	var wire *counting
	hub, _ := dial(t, link.Options{Address: b.URL(), ClientID: "hub", Dialer: func(ctx context.Context, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		wire = &counting{Conn: c}
		return wire, err
	}})
	for beside := range 2 {
		before := wire.writes.Load()
		stop, stopped := make(chan struct{}), make(chan error, 1)
		go func() {
			for beside > 0 {
				select {
				case <-stop:
					stopped <- nil
					return
				default:
				}
				if err := hub.Publish(context.Background(), link.Message{Topic: "other", QoS: 1}); err != nil {
					stopped <- err
					return
				}
			}
			stopped <- nil
		}()
		for round := range rounds {
			ms := make([]link.Message, n)
			for i := range ms {
				ms[i] = link.Message{Topic: "all", Payload: fmt.Append(nil, round*n+i)}
			}
			if err := hub.PublishAll(context20(t), ms); err != nil {
				t.Fatal(err)
			}
			for i := range n {
				if m, want := receive(t, got), fmt.Sprint(round*n+i); string(m.Payload) != want {
					t.Fatalf("got %q, want %s", m.Payload, want)
				}
			}
		}
		close(stop)
		if err := <-stopped; err != nil {
			t.Fatal(err)
		}
		if writes := wire.writes.Load() - before; beside == 0 && writes > 2*rounds {
			t.Errorf("got %d writes for %d times %d messages, want one each time", writes, rounds, n)
		}
	}
	if err := hub.PublishAll(t.Context(), nil); err != nil {
		t.Errorf("got %v for no messages", err)
	}
	hub.Close()
	if err := hub.PublishAll(t.Context(), []link.Message{{Topic: "all"}, {Topic: "all"}}); !errors.Is(err, link.ErrClosed) {
		t.Errorf("got %v after the end, want that it was closed", err)
	}
}

func TestConn_Publish_retained(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	hub, _ := dial(t, link.Options{Address: b.URL(), ClientID: "hub"})
	publish(t, hub, link.Message{Topic: "k1/plan", Payload: []byte("plan"), QoS: 1, Retained: true})
	_, got := dial(t, link.Options{Address: b.URL(), ClientID: "k1", Subscriptions: []string{"k1/plan"}})
	if m := receive(t, got); string(m.Payload) != "plan" || !m.Retained {
		t.Errorf("got %+v, want the retained plan", m)
	}
}

func TestConn_Publish_afterTheEnd(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	for name, c := range map[string]struct {
		end  func(*link.Conn)
		want error
	}{
		"close":   {(*link.Conn).Close, link.ErrClosed},
		"abandon": {(*link.Conn).Abandon, link.ErrAbandoned},
	} {
		t.Run(name, func(t *testing.T) {
			conn, _ := dial(t, link.Options{Address: b.URL(), ClientID: "k1"})
			c.end(conn)
			awaitLost(t, conn)
			goleak.VerifyNone(t, goleak.IgnoreCurrent())
			if err := conn.Err(); !errors.Is(err, c.want) {
				t.Errorf("got Err %v, want %v", err, c.want)
			}
			if err := conn.Publish(t.Context(), link.Message{Topic: "x"}); !errors.Is(err, c.want) {
				t.Errorf("got %v from Publish, want %v", err, c.want)
			}
			conn.Close()
			conn.Abandon()
		})
	}
}

func TestConn_will(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	_, got := dial(t, link.Options{Address: b.URL(), ClientID: "hub", Subscriptions: []string{"state/#"}})
	connect := func() *link.Conn {
		c, _ := dial(t, link.Options{Address: b.URL(), ClientID: "k1", Will: &link.Message{
			Topic: "state/k1", Payload: []byte("lost"), QoS: 1, Retained: true,
		}})
		return c
	}
	connect().Close()
	c := connect()
	publish(t, c, link.Message{Topic: "state/k1", Payload: []byte("here"), QoS: 1})
	c.Abandon()
	for _, want := range []string{"here", "lost"} { // nothing of the first: it was closed
		if m := receive(t, got); string(m.Payload) != want {
			t.Errorf("got %q, want %q", m.Payload, want)
		}
	}
}

func TestConn_Lost(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	c, _ := dial(t, link.Options{Address: b.URL(), ClientID: "k1"})
	b.Kill()
	awaitLost(t, c)
	if err := c.Err(); !errors.Is(err, link.ErrLost) {
		t.Errorf("got %v, want %v", err, link.ErrLost)
	}
	if err := c.Publish(t.Context(), link.Message{Topic: "x", QoS: 1}); !errors.Is(err, link.ErrLost) {
		t.Errorf("got %v from Publish, want %v", err, link.ErrLost)
	}
	b.Restart()
	again, got := dial(t, link.Options{Address: b.URL(), ClientID: "k1", Subscriptions: []string{"x"}})
	publish(t, again, link.Message{Topic: "x", Payload: []byte("y"), QoS: 1})
	receive(t, got)
}

func TestConn_takenOver(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	first, _ := dial(t, link.Options{Address: b.URL(), ClientID: "k1"})
	second, _ := dial(t, link.Options{Address: b.URL(), ClientID: "k1"})
	awaitLost(t, first)
	publish(t, second, link.Message{Topic: "x", QoS: 1})
}

// Many goroutines publish while the connection is cut under them.
func TestConn_Abandon_busy(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	for round := range 20 {
		end := (*link.Conn).Abandon
		if round%2 == 1 {
			end = (*link.Conn).Close
		}
		var arrived atomic.Int64
		flowing := make(chan struct{})
		c, err := link.Dial(context20(t), link.Options{
			Address: b.URL(), ClientID: "k1", Subscriptions: []string{"x"},
			Handler: func(link.Message) {
				if arrived.Add(1) == 20 {
					close(flowing)
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		const writers = 8
		for range writers {
			go func() {
				var err error
				for err == nil {
					err = c.Publish(context.Background(), link.Message{Topic: "x", Payload: make([]byte, 4096), QoS: 1})
				}
				done <- err
			}()
		}
		<-flowing
		start := time.Now()
		end(c)
		if took := time.Since(start); took > 8*time.Second {
			t.Errorf("the end took %v", took)
		}
		after := arrived.Load()
		for range writers {
			<-done
		}
		if now := arrived.Load(); now != after {
			t.Errorf("%d messages arrived after the end", now-after)
		}
	}
}

// Of several nodes one is dead and one hangs: Dial comes to the third, in the
// time that it has for all.
func TestDial_nodes(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	hung, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hung.Close()
	b := mosquittotest.Start(t, mosquittotest.Options{})
	address := "mqtt://" + dead.Addr().String() + "," + hung.Addr().String() + "," + b.Addr()
	for range 5 {
		c, err := link.Dial(context20(t), link.Options{Address: address, ClientID: "k", ConnectTimeout: 3 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	b.Stop()
	if _, err := link.Dial(context20(t), link.Options{Address: address, ClientID: "k", ConnectTimeout: 600 * time.Millisecond}); !errors.Is(err, link.ErrUnreachable) {
		t.Errorf("got %v, want %v", err, link.ErrUnreachable)
	}
}
