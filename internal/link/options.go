package link

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// Times that are used where Options say nothing, and the two that nobody may
// choose.
const (
	// DefaultKeepAlive is the longest silence before a ping is sent.
	DefaultKeepAlive = 30 * time.Second

	// DefaultConnectTimeout bounds Dial, from the first byte to the last SUBACK.
	DefaultConnectTimeout = 15 * time.Second

	// maxPingTimeout is how long a ping waits for its answer, where the keep
	// alive is not shorter. A dead peer is noticed within one and a half times
	// the keep alive and this.
	maxPingTimeout = 10 * time.Second

	// writeTimeout bounds one packet's way into the socket. A full batch of
	// 64 KiB takes 16 s on a line of 32 kbit/s.
	writeTimeout = 20 * time.Second

	// handoverTimeout bounds a wait for the library's writer goroutine. It is
	// longer than the longest write, which ends such a wait.
	handoverTimeout = 30 * time.Second

	// quiesce is how long Close gives the broker to take the DISCONNECT.
	quiesce = time.Second
)

// Message is what travels: bytes under a topic.
type Message struct {
	Topic   string
	Payload []byte

	// QoS is 0 or 1. What arrives is always 0, for every subscription is.
	QoS byte

	// Retained asks the broker to keep the message for later subscribers; on
	// what arrives it reports that the message was kept and is not news.
	Retained bool
}

// Options say where to connect, as whom, and what to hear. The zero value of
// every field but Address is useful.
type Options struct {
	// Address is mqtt://host:port or mqtts://host:port; the port may be left
	// out (1883 and 8883). Several nodes of one broker are written as
	// mqtt://host:port,host:port: Dial tries them in a random order, so that
	// clients spread over the nodes and leave one that is down.
	Address string

	// ClientID names the connection at the broker, which hangs up an older
	// connection of the same name. A kiosk's is its id.
	ClientID string

	Username string
	Password string

	// TLS is needed where the address says mqtts and defaults to the system's
	// certificates; ServerName defaults to the host of the address.
	TLS *tls.Config

	// Will is published by the broker when the connection ends in any way but
	// Close.
	Will *Message

	// KeepAlive defaults to DefaultKeepAlive and is rounded up to seconds.
	KeepAlive time.Duration

	// ConnectTimeout defaults to DefaultConnectTimeout.
	ConnectTimeout time.Duration

	// Subscriptions are topic filters, all QoS 0.
	Subscriptions []string

	// Handler receives what the subscriptions bring, in order, on one
	// goroutine, each message once even where filters overlap. It owns the
	// payload. It must not block. The first message may arrive before Dial
	// returns, and none arrives after Close or Abandon has.
	Handler func(Message)

	// Dialer opens the TCP connection; nil means net.Dialer.
	Dialer func(ctx context.Context, address string) (net.Conn, error)
}

// target is a parsed address.
type target struct {
	hostport string
	tls      *tls.Config // nil: plain TCP
}

// withDefaults returns o with every default filled in.
func (o Options) withDefaults() Options {
	if o.KeepAlive <= 0 {
		o.KeepAlive = DefaultKeepAlive
	}
	o.KeepAlive = (o.KeepAlive + time.Second - 1).Truncate(time.Second)
	if o.ConnectTimeout <= 0 {
		o.ConnectTimeout = DefaultConnectTimeout
	}
	if o.Handler == nil {
		o.Handler = func(Message) {}
	}
	if o.Dialer == nil {
		o.Dialer = func(ctx context.Context, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}
	}
	return o
}

// CheckAddress reports, as an error with a sentence for the person who wrote
// it, why address cannot be dialled.
func CheckAddress(address string) error {
	_, err := Options{Address: address}.targets()
	return err
}

// targets returns what the address names, one or more.
func (o Options) targets() ([]target, error) {
	scheme, hosts, _ := strings.Cut(o.Address, "://")
	var out []target
	for _, host := range strings.Split(hosts, ",") {
		one := o
		if strings.Contains(hosts, ",") {
			if strings.ContainsAny(host, "/?#@") {
				return nil, fmt.Errorf("link: address %q names several hosts and more: write mqtt://host:port,host:port", o.Address)
			}
			one.Address = scheme + "://" + strings.TrimSpace(host)
		}
		t, err := one.target()
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

func (o Options) target() (target, error) {
	u, err := url.Parse(o.Address)
	if err != nil || u.Hostname() == "" {
		return target{}, fmt.Errorf("link: address %q is not of the form mqtt://host:port or mqtts://host:port", o.Address)
	}
	port := u.Port()
	switch u.Scheme {
	case "mqtt":
		if o.TLS != nil {
			return target{}, fmt.Errorf("link: address %q would send in the clear although TLS is set up: write mqtts://", o.Address)
		}
		return target{hostport: net.JoinHostPort(u.Hostname(), cmp.Or(port, "1883"))}, nil
	case "mqtts":
		config := o.TLS.Clone()
		if config == nil {
			config = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		if config.ServerName == "" {
			config.ServerName = u.Hostname()
		}
		return target{hostport: net.JoinHostPort(u.Hostname(), cmp.Or(port, "8883")), tls: config}, nil
	default:
		return target{}, fmt.Errorf("link: address %q begins with %q: only mqtt:// and mqtts:// are understood", o.Address, u.Scheme+":")
	}
}
