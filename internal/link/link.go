package link

import (
	"context"
	"fmt"
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
	address string
	client  mqtt.Client
	socket  *socket
	lost    chan struct{} // closed by end, once

	// publishing counts the calls into the library that may outlive Publish.
	publishing sync.WaitGroup

	mu  sync.Mutex
	why error // why the connection ended, or will in a moment; first one wins
}

// Dial connects, subscribes and returns when the broker has granted every
// subscription. Its error is a *DialError, or says what is wrong with the
// address.
func Dial(ctx context.Context, o Options) (*Conn, error) {
	o = o.withDefaults()
	t, err := o.target()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.ConnectTimeout, fmt.Errorf("no answer within %v", o.ConnectTimeout))
	defer cancel()
	s, err := open(ctx, t, o)
	if err != nil {
		return nil, err
	}
	// Closing the socket is what ends the library's waits.
	release := context.AfterFunc(ctx, func() { _ = s.Close() })
	c := &Conn{address: o.Address, socket: s, lost: make(chan struct{})}
	c.client = mqtt.NewClient(c.clientOptions(o))
	if err = c.connect(ctx); err == nil {
		err = c.subscribe(ctx, o.Subscriptions)
	}
	if !release() && err == nil {
		err = &DialError{Address: o.Address, Reason: ErrUnreachable, Cause: context.Cause(ctx)}
	}
	if err != nil {
		c.Abandon()
		return nil, err
	}
	return c, nil
}

func (c *Conn) clientOptions(o Options) *mqtt.ClientOptions {
	keepAlive := (o.KeepAlive + time.Second - 1).Truncate(time.Second)
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
		SetKeepAlive(keepAlive).
		SetPingTimeout(min(keepAlive, maxPingTimeout)).
		SetConnectTimeout(o.ConnectTimeout).
		SetWriteTimeout(handoverTimeout).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { c.end(lossOf(err)) }).
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

// connect performs CONNECT and CONNACK.
func (c *Conn) connect(ctx context.Context) error {
	token := c.client.Connect()
	<-token.Done() // bounded by the socket, which ctx closes
	if err := token.Error(); err != nil {
		return c.dialError(ctx, refusal(err), causeOf(err))
	}
	return nil
}

// subscribe waits until the broker has granted every filter.
func (c *Conn) subscribe(ctx context.Context, filters []string) error {
	if len(filters) == 0 {
		return nil
	}
	wanted := make(map[string]byte, len(filters))
	for _, f := range filters {
		wanted[f] = 0
	}
	token := c.client.SubscribeMultiple(wanted, nil).(*mqtt.SubscribeToken)
	select {
	case <-token.Done():
	case <-ctx.Done():
		return c.dialError(ctx, ErrUnreachable, ctx.Err())
	}
	if err := token.Error(); err != nil {
		return c.dialError(ctx, refusal(err), err)
	}
	granted := token.Result()
	for _, f := range slices.Sorted(slices.Values(filters)) {
		if code, ok := granted[f]; !ok || code > 2 {
			return c.dialError(ctx, ErrSubscription, fmt.Errorf("topic %s", f))
		}
	}
	return nil
}

// dialError prefers the end of ctx as a reason to what its closing the socket
// brought about.
func (c *Conn) dialError(ctx context.Context, reason, cause error) error {
	if ctx.Err() != nil {
		reason, cause = ErrUnreachable, context.Cause(ctx)
	}
	return &DialError{Address: c.address, Reason: reason, Cause: cause}
}

// Publish sends m. It returns when a message of QoS 0 has been written to the
// socket, or when the broker has acknowledged one of QoS 1, or when ctx ends.
//
// A nil error says nothing about storage: brokers acknowledge what they then
// drop. An error does not mean that m was not delivered. The payload belongs to
// the connection from here on and must not be changed.
func (c *Conn) Publish(ctx context.Context, m Message) error {
	tokens := make(chan mqtt.Token, 1)
	c.mu.Lock()
	if c.why != nil {
		defer c.mu.Unlock()
		return c.publishError(m, c.why)
	}
	// Handing over waits for the library's writer, whatever ctx says.
	c.publishing.Go(func() { tokens <- c.client.Publish(m.Topic, m.QoS, m.Retained, m.Payload) })
	c.mu.Unlock()

	var done <-chan struct{}
	var token mqtt.Token
	for {
		select {
		case token = <-tokens:
			done = token.Done()
		case <-done:
			if err := token.Error(); err != nil {
				return c.publishError(m, err)
			}
			return nil
		case <-c.lost:
			return c.publishError(m, c.Err())
		case <-ctx.Done():
			return c.publishError(m, ctx.Err())
		}
	}
}

func (c *Conn) publishError(m Message, err error) error {
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
// nothing of the connection runs any more. It takes no longer than a few
// seconds even where the broker has stopped reading, and may be called again.
func (c *Conn) Close() {
	c.because(ErrClosed)
	c.client.Disconnect(milliseconds(quiesce))
	c.finish()
}

// Abandon cuts the connection without a goodbye, so that the broker publishes
// the will, and waits until nothing of it runs any more.
func (c *Conn) Abandon() {
	c.because(ErrAbandoned)
	c.finish()
}

// finish waits for the library. With its socket closed, the longest wait left
// in it is handoverTimeout.
func (c *Conn) finish() {
	_ = c.socket.Close()
	c.client.Disconnect(milliseconds(2 * handoverTimeout)) // awaits an end that is under way
	c.end(ErrLost)
	c.publishing.Wait()
}

func milliseconds(d time.Duration) uint { return uint(d.Milliseconds()) }

// because notes why the connection is about to end.
func (c *Conn) because(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why == nil {
		c.why = why
	}
}

// end notes that the connection has ended.
func (c *Conn) end(why error) {
	c.because(why)
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.lost:
	default:
		close(c.lost)
	}
}
