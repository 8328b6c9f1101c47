package faultproxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sourire/internal/e2e/faultproxy"
	"sourire/internal/link"
	"sourire/internal/mosquittotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	// deadline is far above what anything here takes.
	deadline = 20 * time.Second

	// brief is the patience with an answer that will not come.
	brief = 100 * time.Millisecond
)

// rig is a hub at the broker and a kiosk behind the proxy.
type rig struct {
	t      *testing.T
	broker *mosquittotest.Broker
	proxy  *faultproxy.Proxy
	hub    *link.Conn
	atHub  <-chan link.Message
	kiosk  *link.Conn
	atK    <-chan link.Message
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, broker: mosquittotest.Start(t, mosquittotest.Options{})}
	r.proxy = newProxy(t, r.broker.Addr())
	r.hub, r.atHub = dial(t, link.Options{Address: r.broker.URL(), ClientID: "hub", Subscriptions: []string{"k1/journal", "k1/state", "k1/health"}})
	r.connect()
	return r
}

func newProxy(t *testing.T, target string) *faultproxy.Proxy {
	t.Helper()
	p, err := faultproxy.New(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// connect gives the kiosk a new connection.
func (r *rig) connect() {
	r.t.Helper()
	r.kiosk, r.atK = dial(r.t, link.Options{
		Address: r.proxy.URL(), ClientID: "k1", Subscriptions: []string{"k1/ack"},
		Will: &link.Message{Topic: "k1/state", Payload: []byte("lost")},
	})
}

func dial(t *testing.T, o link.Options) (*link.Conn, <-chan link.Message) {
	t.Helper()
	got := make(chan link.Message, 1000)
	o.Handler = func(m link.Message) { got <- m }
	c, err := link.Dial(within(t, deadline), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, got
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// send publishes a journal of QoS 1 and returns Publish's error.
func (r *rig) send(patience time.Duration, text string) error {
	r.t.Helper()
	return r.kiosk.Publish(within(r.t, patience), link.Message{Topic: "k1/journal", Payload: []byte(text), QoS: 1})
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) mustBe(got, want error) {
	r.t.Helper()
	if !errors.Is(got, want) {
		r.t.Fatalf("got %v, want %v", got, want)
	}
}

func (r *rig) expect(got <-chan link.Message, wants ...string) {
	r.t.Helper()
	for _, want := range wants {
		select {
		case m := <-got:
			if string(m.Payload) != want {
				r.t.Fatalf("got %s %q, want %q", m.Topic, m.Payload, want)
			}
		case <-time.After(deadline):
			r.t.Fatalf("got nothing, want %q", want)
		}
	}
}

func (r *rig) lost() {
	r.t.Helper()
	select {
	case <-r.kiosk.Lost():
	case <-time.After(deadline):
		r.t.Fatal("the kiosk's connection stands")
	}
}

func (r *rig) hits(want ...int) {
	r.t.Helper()
	if got := r.proxy.Hits(); !slices.Equal(got, want) {
		r.t.Errorf("got hits %v, want %v", got, want)
	}
}

func TestProxy_transparent(t *testing.T) {
	r := newRig(t)
	for i := range 50 {
		r.must(r.send(deadline, fmt.Sprint(i)))
		r.must(r.hub.Publish(within(t, deadline), link.Message{Topic: "k1/ack", Payload: fmt.Append(nil, -i)}))
		r.expect(r.atHub, fmt.Sprint(i))
		r.expect(r.atK, fmt.Sprint(-i))
	}
	if open, accepted := r.proxy.Connections(); open != 1 || accepted != 1 {
		t.Errorf("got %d connections of %d, want 1 of 1", open, accepted)
	}
	r.kiosk.Close()
	r.connect()
	r.kiosk.Abandon()
	r.expect(r.atHub, "lost")
}

func TestProxy_drop(t *testing.T) {
	r := newRig(t)
	r.proxy.Use(faultproxy.Rule{Packet: faultproxy.Publish, TopicSuffix: "/journal", Action: faultproxy.Drop, Count: 1})
	r.must(r.kiosk.Publish(within(t, deadline), link.Message{Topic: "k1/health", Payload: []byte("other"), QoS: 1}))
	r.mustBe(r.send(brief, "dropped"), context.DeadlineExceeded)
	r.must(r.send(deadline, "passed"))
	r.expect(r.atHub, "other", "passed")
	r.hits(1)
	r.must(r.kiosk.Err())
}

func TestProxy_drop_acknowledgement(t *testing.T) {
	r := newRig(t)
	r.proxy.Use(
		faultproxy.Rule{Direction: faultproxy.ToClient, Packet: faultproxy.PubAck, TopicSuffix: "/journal", Action: faultproxy.Drop, Count: 1},
		faultproxy.Rule{Direction: faultproxy.ToClient, Packet: faultproxy.Publish, TopicSuffix: "/ack", Action: faultproxy.Drop, Nth: 2, Count: 1},
	)
	r.must(r.kiosk.Publish(within(t, deadline), link.Message{Topic: "k1/health", Payload: []byte("other"), QoS: 1}))
	r.mustBe(r.send(brief, "arrived"), context.DeadlineExceeded)
	r.expect(r.atHub, "other", "arrived")
	for _, text := range []string{"1", "2", "3"} {
		r.must(r.hub.Publish(within(t, deadline), link.Message{Topic: "k1/ack", Payload: []byte(text)}))
	}
	r.expect(r.atK, "1", "3")
	r.hits(1, 1)
}

func TestProxy_cutBefore(t *testing.T) {
	r := newRig(t)
	for i := range 20 {
		r.proxy.Use(faultproxy.Rule{Packet: faultproxy.Publish, TopicSuffix: "/journal", Action: faultproxy.CutBefore, Nth: 2, Count: 1})
		r.must(r.send(deadline, fmt.Sprint("passed", i)))
		r.mustBe(r.send(deadline, "cut"), link.ErrLost)
		r.lost()
		r.expect(r.atHub, fmt.Sprint("passed", i), "lost")
		r.hits(1)
		r.connect()
	}
}

func TestProxy_cutAfter(t *testing.T) {
	r := newRig(t)
	for i := range 20 {
		r.proxy.Use(faultproxy.Rule{Packet: faultproxy.Publish, TopicSuffix: "/journal", Action: faultproxy.CutAfter, Count: 1})
		r.mustBe(r.send(deadline, fmt.Sprint(i)), link.ErrLost)
		r.lost()
		r.expect(r.atHub, fmt.Sprint(i), "lost")
		r.hits(1)
		r.connect()
	}
}

func TestProxy_cut_answer(t *testing.T) {
	r := newRig(t)
	for i := range 20 {
		action, arrives := faultproxy.CutBefore, 0
		if i%2 == 1 {
			action, arrives = faultproxy.CutAfter, 1
		}
		r.proxy.Use(faultproxy.Rule{Direction: faultproxy.ToClient, Packet: faultproxy.Publish, TopicSuffix: "/ack", Action: action, Count: 1})
		r.must(r.hub.Publish(within(t, deadline), link.Message{Topic: "k1/ack", Payload: []byte("answer")}))
		r.lost()
		r.expect(r.atHub, "lost")
		if got := len(r.atK); got != arrives {
			t.Fatalf("%v: got %d answers, want %d", action, got, arrives)
		}
		r.hits(1)
		r.connect()
	}
}

func TestProxy_duplicate(t *testing.T) {
	r := newRig(t)
	r.proxy.Use(faultproxy.Rule{Packet: faultproxy.Publish, Action: faultproxy.Duplicate, Nth: 2, Count: 2})
	for _, text := range []string{"1", "2", "3", "4"} {
		r.must(r.send(deadline, text))
	}
	r.expect(r.atHub, "1", "2", "2", "3", "3", "4")
	r.hits(2)
}

func TestProxy_delay(t *testing.T) {
	r := newRig(t)
	r.proxy.Use(faultproxy.Rule{Packet: faultproxy.Publish, Action: faultproxy.Delay, Delay: 2 * brief, Count: 1})
	begin := time.Now()
	r.mustBe(r.send(brief/2, "late"), context.DeadlineExceeded)
	r.must(r.send(deadline, "early"))
	r.expect(r.atHub, "early", "late")
	if took := time.Since(begin); took < 2*brief {
		t.Errorf("the delayed message took %v, want at least %v", took, 2*brief)
	}
	r.hits(1)
}

// A packet that is held ends with its connection, and does not hold Close up.
func TestProxy_delay_lost(t *testing.T) {
	r := newRig(t)
	r.proxy.Use(faultproxy.Rule{Packet: faultproxy.Publish, Action: faultproxy.Delay, Delay: time.Hour})
	for range 2000 { // more than may be held
		r.must(r.kiosk.Publish(within(t, deadline), link.Message{Topic: "k1/health"}))
	}
	r.must(r.proxy.Await(within(t, deadline)))
	begin := time.Now()
	r.proxy.Close()
	if took := time.Since(begin); took > deadline/2 {
		t.Errorf("Close took %v", took)
	}
	r.lost()
}

func TestProxy_Cut(t *testing.T) {
	r := newRig(t)
	r.proxy.Cut()
	r.lost()
	r.expect(r.atHub, "lost")
	r.connect()
	r.must(r.send(deadline, "again"))
	r.expect(r.atHub, "again")
}

func TestProxy_Refuse(t *testing.T) {
	r := newRig(t)
	r.proxy.Refuse(true)
	_, err := link.Dial(within(t, deadline), link.Options{Address: r.proxy.URL()})
	r.mustBe(err, link.ErrUnreachable)
	r.must(r.send(deadline, "old connections stand"))
	r.proxy.Refuse(false)
	r.connect()
}

func TestProxy_BlackHole(t *testing.T) {
	r := newRig(t)
	r.proxy.BlackHole(true)
	r.mustBe(r.send(brief, "swallowed"), context.DeadlineExceeded)
	_, err := link.Dial(within(t, brief), link.Options{Address: r.proxy.URL()})
	r.mustBe(err, context.DeadlineExceeded)
	old := r.kiosk
	r.must(r.hub.Publish(within(t, deadline), link.Message{Topic: "k1/ack", Payload: []byte("swallowed")}))
	old.Abandon()
	if open, _ := r.proxy.Connections(); open == 0 {
		t.Error("the broker was told that the kiosk has gone")
	}
	r.proxy.BlackHole(false)
	r.proxy.BlackHole(false)
	r.expect(r.atHub, "lost")
	r.connect()
	r.must(r.send(deadline, "passed"))
	r.expect(r.atHub, "passed")
	if len(r.atK) != 0 {
		t.Error("something came out of the black hole")
	}
}

func TestProxy_SetTarget(t *testing.T) {
	r := newRig(t)
	other := mosquittotest.Start(t, mosquittotest.Options{})
	_, atOther := dial(t, link.Options{Address: other.URL(), Subscriptions: []string{"k1/journal"}})
	r.proxy.SetTarget(other.Addr())
	r.must(r.send(deadline, "first"))
	r.expect(r.atHub, "first")
	r.proxy.Cut()
	r.expect(r.atHub, "lost")
	r.connect()
	r.must(r.send(deadline, "second"))
	r.expect(atOther, "second")
	other.Stop()
	r.lost()
	_, err := link.Dial(within(t, deadline), link.Options{Address: r.proxy.URL()})
	r.mustBe(err, link.ErrUnreachable)
}

func TestProxy_Await(t *testing.T) {
	r := newRig(t)
	r.proxy.Use(
		faultproxy.Rule{Packet: faultproxy.Publish, Action: faultproxy.Duplicate, Count: 1},
		faultproxy.Rule{Packet: faultproxy.Publish, Action: faultproxy.Drop, Nth: 2, Count: 1},
	)
	r.must(r.send(deadline, "1"))
	r.mustBe(r.proxy.Await(within(t, brief)), context.DeadlineExceeded)
	awaited := make(chan error)
	go func() { awaited <- r.proxy.Await(within(t, deadline)) }()
	r.must(r.kiosk.Publish(within(t, deadline), link.Message{Topic: "k1/journal"}))
	r.must(<-awaited)
	r.hits(1, 1)
}

func TestProxy_sizes(t *testing.T) {
	r := newRig(t)
	conn, err := net.Dial("tcp", r.proxy.Addr())
	r.must(err)
	defer conn.Close()
	r.must(conn.SetDeadline(time.Now().Add(deadline)))
	t.Run("10 MB pass", func(t *testing.T) {
		big := string(make([]byte, 10<<20))
		r.must(r.send(deadline, big))
		select {
		case <-r.hub.Lost(): // it takes one MiB at most, and the broker sent it more
		case <-time.After(deadline):
			t.Fatal("10 MB did not arrive")
		}
	})
	t.Run("above the limit", func(t *testing.T) {
		_, err := conn.Write([]byte{0x30, 0xff, 0xff, 0xff, 0x7f})
		r.must(err)
		_, err = io.Copy(io.Discard, conn)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("the connection stands")
		}
	})
	t.Run("garbage", func(t *testing.T) {
		conn, err := net.Dial("tcp", r.proxy.Addr())
		r.must(err)
		defer conn.Close()
		r.must(conn.SetDeadline(time.Now().Add(deadline)))
		_, err = conn.Write([]byte("\xff\xff\xff\xff\xff\xff\xff"))
		r.must(err)
		_, err = io.Copy(io.Discard, conn)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("the connection stands")
		}
	})
}
