package link

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// Conn is one connection to a broker. Its methods may be called from several
// goroutines.
type Conn struct {
	client mqtt.Client
	socket *socket
	lost   chan struct{} // closed by end, once

	// handing counts messages on their way into the library. Nothing is added
	// once why is set.
	handing sync.WaitGroup

	mu  sync.Mutex
	why error // why the connection has ended, or will in a moment; the first reason stays
}

// Dial connects, subscribes and returns when the broker has granted every
// subscription. Its error is a *DialError, or says what is wrong with the
// address.
func Dial(ctx context.Context, o Options) (*Conn, error) {
	o = o.withDefaults()
	ts, err := o.targets()
	if err != nil {
		return nil, err
	}
	// Each node has its share of the time: one that hangs accepts connections
	// and says nothing.
	o.ConnectTimeout /= time.Duration(len(ts))
	for _, i := range rand.Perm(len(ts)) {
		var c *Conn
		if c, err = dial(ctx, ts[i], o); err == nil {
			return c, nil
		}
		if ctx.Err() != nil || !errors.Is(err, ErrUnreachable) && !errors.Is(err, ErrRefused) {
			break
		}
	}
	return nil, err
}

// dial connects to one node.
func dial(ctx context.Context, t target, o Options) (*Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.ConnectTimeout, lateError(o.ConnectTimeout))
	defer cancel()
	s, err := open(ctx, t, o)
	if err != nil {
		return nil, err
	}
	c := &Conn{socket: s, lost: make(chan struct{})}
	s.onEnd = c.ending
	c.client = mqtt.NewClient(c.clientOptions(o))
	release := context.AfterFunc(ctx, func() { _ = s.Close() }) // ends the library's waits
	defer release()
	if err := c.connect(); err != nil {
		_ = s.Close() // nothing else of it runs: Abandon would wait in vain
		return nil, dialError(ctx, o.Address, err)
	}
	err = c.subscribe(o.Subscriptions)
	if !release() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		err = dialError(ctx, o.Address, err)
		c.Abandon()
		return nil, err
	}
	return c, nil
}

func (c *Conn) clientOptions(o Options) *mqtt.ClientOptions {
	opts := mqtt.NewClientOptions().
		SetProtocolVersion(4).
		SetClientID(o.ClientID).
		SetUsername(o.Username).
		SetPassword(o.Password).
		SetCleanSession(true).
		SetAutoReconnect(false).
		SetConnectRetry(false).
		SetStore(mqtt.NewMemoryStore()).
		SetOrderMatters(true).
		SetKeepAlive(o.KeepAlive).
		SetPingTimeout(2 * c.socket.silence). // the socket is faster
		SetConnectTimeout(o.ConnectTimeout).
		SetWriteTimeout(handoverTimeout).
		SetConnectionLostHandler(func(mqtt.Client, error) { c.end() }).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
			o.Handler(Message{Topic: m.Topic(), Payload: m.Payload(), QoS: m.Qos(), Retained: m.Retained()})
		}).
		SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) { return c.socket, nil })
	// The library wants some server to try; the socket above is already open.
	opts.Servers = []*url.URL{{Scheme: "mqtt"}}
	if w := o.Will; w != nil {
		opts.SetBinaryWill(w.Topic, w.Payload, w.QoS, w.Retained)
	}
	return opts
}

// connect performs CONNECT and awaits its answer, or the end of the socket.
func (c *Conn) connect() error {
	token := c.client.Connect()
	<-token.Done()
	return token.Error()
}

// subscribe awaits that every filter is granted, or the end of the socket.
func (c *Conn) subscribe(filters []string) error {
	if len(filters) == 0 {
		return nil
	}
	wanted := make(map[string]byte, len(filters))
	for _, f := range filters {
		wanted[f] = 0
	}
	var token *mqtt.SubscribeToken
	c.handing.Go(func() { token = c.client.SubscribeMultiple(wanted, nil).(*mqtt.SubscribeToken) })
	c.handing.Wait()
	<-token.Done()
	if err := token.Error(); err != nil {
		if why := c.Err(); why != nil {
			err = why
		}
		return err
	}
	granted := token.Result()
	for _, f := range slices.Sorted(slices.Values(filters)) {
		if code, ok := granted[f]; !ok || code > 2 {
			return topicError(f)
		}
	}
	return nil
}

// Publish sends m. It returns when a message of QoS 0 has been written to the
// socket, or when the broker has acknowledged one of QoS 1, or when ctx ends.
//
// A nil error says nothing about storage: brokers acknowledge what they then
// drop. An error does not mean that m was not delivered. The payload belongs to
// the connection from here on and must not be changed.
func (c *Conn) Publish(ctx context.Context, m Message) error {
	return c.publish(ctx, []Message{m})
}

// PublishAll sends messages of QoS 0, in their order, by as few writes to the
// network as can be, and returns as Publish does.
func (c *Conn) PublishAll(ctx context.Context, ms []Message) error {
	if len(ms) == 0 {
		return nil
	}
	return c.publish(ctx, ms)
}

// publish hands ms over and awaits the last of them, which the library writes
// after the others.
func (c *Conn) publish(ctx context.Context, ms []Message) error {
	tokens := make(chan mqtt.Token, 1)
	m := ms[len(ms)-1]
	c.mu.Lock()
	if c.why != nil {
		defer c.mu.Unlock()
		return publishError(m, c.why)
	}
	// The library's writer takes them when it is free, whatever ctx says.
	c.handing.Go(func() {
		if len(ms) > 1 {
			c.socket.expect(len(ms))
		}
		var last mqtt.Token
		for _, m := range ms {
			last = c.client.Publish(m.Topic, m.QoS, m.Retained, m.Payload)
		}
		tokens <- last
	})
	c.mu.Unlock()

	var done <-chan struct{}
	var token mqtt.Token
	for {
		select {
		case token = <-tokens:
			done = token.Done()
		case <-done:
			err := token.Error()
			if err == nil && m.QoS == 0 {
				err = c.socket.written()
			}
			return c.publishResult(m, err)
		case <-c.lost:
			return publishError(m, c.Err())
		case <-ctx.Done():
			return publishError(m, ctx.Err())
		}
	}
}

// publishResult replaces err by the reason that the connection ended for, where
// there is one.
func (c *Conn) publishResult(m Message, err error) error {
	if err == nil {
		return nil
	}
	if why := c.Err(); why != nil {
		return publishError(m, why)
	}
	return publishError(m, fmt.Errorf("%w: %w", ErrLost, err))
}

func publishError(m Message, err error) error {
	return fmt.Errorf("link: publish %s: %w", m.Topic, err)
}

// Lost is closed once the connection is gone, whoever ended it.
func (c *Conn) Lost() <-chan struct{} { return c.lost }

// Err says why the connection ended: ErrLost with its cause, ErrClosed or
// ErrAbandoned. It is nil while the connection stands.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.why
}

// Close says goodbye, so that the broker drops the will, and waits until
// nothing of the connection runs any more. It takes at most a few seconds where
// the broker has stopped reading, and may be called again.
func (c *Conn) Close() {
	c.because(ErrClosed)
	impatience := time.AfterFunc(quiesce, func() { _ = c.socket.Close() })
	c.handing.Wait()
	c.client.Disconnect(uint(quiesce.Milliseconds()))
	impatience.Stop()
	c.finish()
}

// Abandon cuts the connection without a goodbye, so that the broker publishes
// the will, and waits until nothing of it runs any more.
func (c *Conn) Abandon() {
	c.because(ErrAbandoned)
	c.finish()
}

// finish cuts what is left and waits for the library, which takes no time once
// its socket is closed.
func (c *Conn) finish() {
	_ = c.socket.Close()
	c.handing.Wait()
	c.client.Disconnect(uint(handoverTimeout.Milliseconds()))
	c.end()
}

// ending is called by the socket before the library hears of the end. With the
// socket closed, the library's writer is soon free for what is on its way.
func (c *Conn) ending(err error) {
	c.because(fmt.Errorf("%w: %w", ErrLost, causeOf(err)))
	_ = c.socket.Close()
	c.handing.Wait()
}

// because notes why the connection is about to end, and lets no more messages
// in.
func (c *Conn) because(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why == nil {
		c.why = why
	}
}

// end notes that the connection has ended.
func (c *Conn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.lost:
	default:
		close(c.lost)
	}
}
