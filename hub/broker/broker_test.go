package broker_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sourire/hub/broker"
	"sourire/internal/certtest"
	"sourire/internal/link"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// deadline is far above what anything here takes.
const deadline = 30 * time.Second

// authorize lets "hub" and every well-formed kiosk in; the password is the name
// and an exclamation mark.
func authorize(who broker.Login) (broker.Role, bool) {
	switch {
	case who.Username == "hub" && who.Password == "kiosk!":
		return broker.Kiosk(who.Username), true
	case who.Username == "" || who.Password != who.Username+"!":
		return broker.Role{}, false
	case who.Username == "hub":
		return broker.Hub(), true
	default:
		return broker.Kiosk(who.Username), true
	}
}

func start(t *testing.T, o broker.Options) *broker.Broker {
	t.Helper()
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.Authorize == nil {
		o.Authorize = authorize
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(t.Output(), nil)) // shown when the test fails
	}
	b, err := broker.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	t.Cleanup(cancel)
	return ctx
}

func options(b *broker.Broker, name string) link.Options {
	o := link.Options{Address: "mqtt://" + b.Addr(), ClientID: name, Username: name, Password: name + "!"}
	if name == "hub" {
		o.ClientID = broker.HubPrefix + "1"
	}
	return o
}

// dial connects as the user of a name and hands out what arrives.
func dial(t *testing.T, b *broker.Broker, name string, filters ...string) (*link.Conn, <-chan link.Message) {
	t.Helper()
	got := make(chan link.Message, 10_000)
	o := options(b, name)
	o.Subscriptions = filters
	o.Handler = func(m link.Message) { got <- m }
	c, err := link.Dial(within(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, got
}

func publish(t *testing.T, c *link.Conn, topic, payload string, qos byte, retained bool) {
	t.Helper()
	if err := c.Publish(within(t), link.Message{Topic: topic, Payload: []byte(payload), QoS: qos, Retained: retained}); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, got <-chan link.Message, topic, payload string) link.Message {
	t.Helper()
	select {
	case m := <-got:
		if m.Topic != topic || string(m.Payload) != payload {
			t.Fatalf("got %s %.40q, want %s %.40q", m.Topic, m.Payload, topic, payload)
		}
		return m
	case <-time.After(deadline):
		t.Fatalf("no message, want %s %.40q", topic, payload)
		return link.Message{}
	}
}

func awaitLost(t *testing.T, c *link.Conn) {
	t.Helper()
	select {
	case <-c.Lost():
	case <-time.After(deadline):
		t.Fatal("the connection still stands")
	}
}

func TestBroker_roundTrip(t *testing.T) {
	b := start(t, broker.Options{})
	hub, atHub := dial(t, b, "hub", "sourire/1/+/journal", "sourire/1/+/state")
	kiosk, atKiosk := dial(t, b, "k1", "sourire/1/k1/ack", "sourire/1/k1/plan", "sourire/1/k1/command", "sourire/1/hub/state")
	other, atOther := dial(t, b, "k2", "sourire/1/k2/ack")
	for i := range 200 {
		text := fmt.Sprint(i)
		publish(t, kiosk, "sourire/1/k1/journal", text, 1, false)
		expect(t, atHub, "sourire/1/k1/journal", text)
		publish(t, hub, "sourire/1/k1/ack", text, 0, false)
		expect(t, atKiosk, "sourire/1/k1/ack", text)
	}
	publish(t, other, "sourire/1/k2/journal", strings.Repeat("x", 64<<10), 1, false)
	expect(t, atHub, "sourire/1/k2/journal", strings.Repeat("x", 64<<10))
	if n := len(atOther); n != 0 {
		t.Errorf("k2 heard %d messages that were not for it", n)
	}
	if got := b.Stats().Clients; got != 3 {
		t.Errorf("got %d clients, want 3", got)
	}
}

func TestBroker_retained(t *testing.T) {
	b := start(t, broker.Options{})
	hub, _ := dial(t, b, "hub")
	publish(t, hub, "sourire/1/k1/plan", "old", 1, true)
	publish(t, hub, "sourire/1/k1/plan", "new", 1, true)
	hub.Close()
	kiosk, got := dial(t, b, "k1", "sourire/1/k1/plan")
	if m := expect(t, got, "sourire/1/k1/plan", "new"); !m.Retained {
		t.Error("the plan is not marked as retained")
	}
	publish(t, kiosk, "sourire/1/k1/state", "birth", 1, true)
	_, atHub := dial(t, b, "hub", "sourire/1/+/state")
	expect(t, atHub, "sourire/1/k1/state", "birth")
}

func TestBroker_will(t *testing.T) {
	b := start(t, broker.Options{})
	_, atHub := dial(t, b, "hub", "sourire/#")
	withWill := func(topic string) *link.Conn {
		o := options(b, "k1")
		o.Will = &link.Message{Topic: topic, Payload: []byte("lost"), QoS: 1, Retained: true}
		c, err := link.Dial(within(t), o)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	withWill("sourire/1/k1/state").Close()             // a goodbye: no will
	withWill("sourire/1/hub/state").Abandon()          // a forged will: dropped
	withWill("sourire/1/k1/state").Abandon()           // published
	expect(t, atHub, "sourire/1/k1/state", "lost")     // and the only one
	_, late := dial(t, b, "k2", "sourire/1/hub/state") // nor was the forged one kept
	probe, atProbe := dial(t, b, "k3", "sourire/1/k3/ack")
	publish(t, probe, "sourire/1/k3/health", "x", 1, false)
	expect(t, atHub, "sourire/1/k3/health", "x")
	if len(late)+len(atProbe) != 0 {
		t.Error("somebody heard a will that is not theirs")
	}
}

func TestBroker_permissions(t *testing.T) {
	b := start(t, broker.Options{})
	hub, atHub := dial(t, b, "hub", "sourire/#")
	_, atVictim := dial(t, b, "k2", "sourire/1/k2/ack", "sourire/1/k2/plan", "sourire/1/k2/command", "sourire/1/hub/state")
	kiosk, _ := dial(t, b, "k1")
	for _, topic := range []string{
		"sourire/1/k2/journal", "sourire/1/k2/ack", "sourire/1/k2/plan", "sourire/1/k2/command",
		"sourire/1/hub/state", "sourire/1/k1/plan", "sourire/1/k1/ack", "sourire/1/k1", "sourire/1/k1/journal/x",
		"sourire", "x", "$JS/API/STREAM/DELETE/$MQTT_rmsgs", "$MQTT/rmsgs/sourire/1/k2/plan", "$SYS/REQ/SERVER/PING",
		"/sourire/1/k1/journal", "sourire//1/k1/journal", "sourire/1/k1/journal/",
	} {
		for qos := range byte(2) {
			publish(t, kiosk, topic, "forged", qos, qos == 1)
		}
	}
	publish(t, kiosk, "sourire/1/k1/journal", "honest", 1, false)
	expect(t, atHub, "sourire/1/k1/journal", "honest")
	publish(t, hub, "sourire/1/k2/ack", "last", 0, false)
	expect(t, atVictim, "sourire/1/k2/ack", "last")

	for _, filter := range []string{
		"#", "+/+/+/+", "sourire/#", "sourire/1/#", "sourire/1/+/journal", "sourire/1/+/ack", "sourire/1/k1/#", "sourire/1/k1/+",
		"sourire/1/k2/ack", "sourire/1/k1/journal", "$SYS/#", "$JS/#", "$MQTT/#", "$MQTT/sub/#", "sourire/1/k1/ack/#",
	} {
		o := options(b, "k3")
		o.Subscriptions = []string{strings.ReplaceAll(filter, "k1", "k3")}
		c, err := link.Dial(within(t), o)
		if err == nil {
			c.Close()
		}
		if !errors.Is(err, link.ErrSubscription) {
			t.Errorf("subscription to %s: got %v, want %v", filter, err, link.ErrSubscription)
		}
	}
}

func TestBroker_refusals(t *testing.T) {
	b := start(t, broker.Options{})
	first, _ := dial(t, b, "k1", "sourire/1/k1/ack")
	for name, spoil := range map[string]func(*link.Options){
		"wrong password":               func(o *link.Options) { o.Password = "?" },
		"no password":                  func(o *link.Options) { o.Password = "" },
		"nobody":                       func(o *link.Options) { o.Username, o.Password = "", "" },
		"kiosk of the hub's name":      func(o *link.Options) { o.Username, o.Password, o.ClientID = "hub", "kiosk!", "hub" },
		"name of no kiosk":             func(o *link.Options) { o.Username, o.Password = "K 1", "K 1!" },
		"client id of another kiosk":   func(o *link.Options) { o.ClientID = "k1" },
		"client id of a hub":           func(o *link.Options) { o.ClientID = broker.HubPrefix + "1" },
		"no client id":                 func(o *link.Options) { o.ClientID = "" },
		"hub with a kiosk's client id": func(o *link.Options) { o.Username, o.Password, o.ClientID = "hub", "hub!", "k1" },
	} {
		t.Run(name, func(t *testing.T) {
			o := options(b, "k2")
			spoil(&o)
			before := b.Stats().Refused
			c, err := link.Dial(within(t), o)
			if err == nil {
				c.Close()
			}
			if !errors.Is(err, link.ErrCredentials) {
				t.Errorf("got %v, want %v", err, link.ErrCredentials)
			}
			if got := b.Stats().Refused - before; got != 1 {
				t.Errorf("got %d refused, want 1", got)
			}
		})
	}
	if err := first.Err(); err != nil {
		t.Errorf("a refused client disturbed a good one: %v", err)
	}
}

func TestBroker_Stats_takeOvers(t *testing.T) {
	b := start(t, broker.Options{})
	first, _ := dial(t, b, "k1")
	second, _ := dial(t, b, "k1")
	awaitLost(t, first)
	if got := b.Stats().TakeOvers["k1"]; got != 1 {
		t.Errorf("got %d take-overs, want 1", got)
	}
	second.Close()
	hub, atHub := dial(t, b, "hub", "sourire/1/+/state")
	third, _ := dial(t, b, "k1") // a return is not a take-over
	publish(t, third, "sourire/1/k1/state", "x", 1, false)
	expect(t, atHub, "sourire/1/k1/state", "x")
	if got := b.Stats().TakeOvers["k1"]; got != 1 {
		t.Errorf("got %d take-overs after a goodbye, want 1", got)
	}
	if err := hub.Err(); err != nil {
		t.Error(err)
	}
}

// rawDial speaks MQTT by hand, for what link would never say.
func rawDial(t *testing.T, b *broker.Broker) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(deadline)); err != nil {
		t.Fatal(err)
	}
	return c
}

// login is a CONNECT packet of a kiosk.
func login(name string) []byte {
	text := func(s string) []byte { return append([]byte{byte(len(s) >> 8), byte(len(s))}, s...) }
	body := append(text("MQTT"), 4, 0xc2, 0, 60)
	for _, s := range []string{name, name, name + "!"} {
		body = append(body, text(s)...)
	}
	return append([]byte{0x10, byte(len(body))}, body...)
}

// Nobody may be harmed by neighbours that send nonsense.
func TestBroker_badNeighbours(t *testing.T) {
	b := start(t, broker.Options{})
	_, atHub := dial(t, b, "hub", "sourire/1/+/journal")
	kiosk, _ := dial(t, b, "k1")

	t.Run("10 MB", func(t *testing.T) {
		big, _ := dial(t, b, "k2")
		if err := big.Publish(within(t), link.Message{Topic: "sourire/1/k2/journal", Payload: make([]byte, 10<<20), QoS: 1}); err == nil {
			t.Error("10 MB were acknowledged")
		}
		awaitLost(t, big)
	})
	t.Run("10 MB before CONNECT", func(t *testing.T) {
		c := rawDial(t, b)
		go func() { _, _ = c.Write(append([]byte{0x10, 0x80, 0x80, 0x80, 0x05}, make([]byte, 10<<20)...)) }()
		expectHangUp(t, c)
	})
	t.Run("garbage", func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for range 300 {
			c := rawDial(t, b)
			junk := make([]byte, 1+r.IntN(200))
			for i := range junk {
				junk[i] = byte(r.Uint32())
			}
			if r.IntN(2) == 0 {
				junk = append(login("k3"), junk...)
			}
			_, _ = c.Write(junk)
			_ = c.(*net.TCPConn).CloseWrite()
			expectHangUp(t, c)
		}
	})
	t.Run("HTTP", func(t *testing.T) {
		c := rawDial(t, b)
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		expectHangUp(t, c)
	})
	t.Run("MQTT 5", func(t *testing.T) {
		c := rawDial(t, b)
		packet := login("k3")
		packet[8] = 5
		_, _ = c.Write(packet)
		expectHangUp(t, c)
	})
	t.Run("QoS 2", func(t *testing.T) {
		c := rawDial(t, b)
		topic := "sourire/1/k3/journal"
		packet := append([]byte{0x34, byte(len(topic) + 4), 0, byte(len(topic))}, topic...)
		_, _ = c.Write(append(login("k3"), append(packet, 0, 1)...))
		expectHangUp(t, c)
	})
	t.Run("silence", func(t *testing.T) {
		for range 50 {
			rawDial(t, b)
		}
		_, _ = rawDial(t, b).Write(login("k4")[:7])
	})

	for i := range 10 {
		publish(t, kiosk, "sourire/1/k1/journal", fmt.Sprint(i), 1, false)
		expect(t, atHub, "sourire/1/k1/journal", fmt.Sprint(i))
	}
}

// expectHangUp reads until the other side closes.
func expectHangUp(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the broker keeps the connection")
	}
	_ = c.Close()
}

func TestBroker_maxConns(t *testing.T) {
	b := start(t, broker.Options{MaxConns: 2})
	_, atHub := dial(t, b, "hub", "sourire/1/+/health")
	kiosk, _ := dial(t, b, "k1")
	if c, err := link.Dial(within(t), options(b, "k2")); err == nil {
		c.Close()
		t.Error("a third connection was accepted")
	}
	publish(t, kiosk, "sourire/1/k1/health", "x", 1, false)
	expect(t, atHub, "sourire/1/k1/health", "x")
}

// Who does not read what it has asked for is thrown out, and nobody else.
func TestBroker_slowConsumer(t *testing.T) {
	b := start(t, broker.Options{MaxPending: 1 << 20})
	release := make(chan struct{})
	o := options(b, "hub")
	o.ClientID = broker.HubPrefix + "slow"
	o.Subscriptions = []string{"sourire/1/+/health"}
	o.Handler = func(link.Message) { <-release }
	slow, err := link.Dial(within(t), o)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Abandon()
	defer close(release)
	_, atHub := dial(t, b, "hub", "sourire/1/+/health", "sourire/1/+/state")
	kiosk, _ := dial(t, b, "k1")
	load := strings.Repeat("x", 200<<10)
	for begin := time.Now(); b.Stats().SlowConsumers == 0; {
		if time.Since(begin) > deadline {
			t.Fatal("nobody was thrown out")
		}
		publish(t, kiosk, "sourire/1/k1/health", load, 0, false)
		expect(t, atHub, "sourire/1/k1/health", load)
	}
	publish(t, kiosk, "sourire/1/k1/state", "still here", 1, false)
	expect(t, atHub, "sourire/1/k1/state", "still here")
	if got := b.Stats().SlowConsumers; got != 1 {
		t.Errorf("got %d slow consumers, want 1", got)
	}
}

func TestBroker_manyClients(t *testing.T) {
	b := start(t, broker.Options{})
	hub, atHub := dial(t, b, "hub", "sourire/1/+/journal")
	const n = 200
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			name := fmt.Sprintf("k%d", i)
			answered := make(chan struct{})
			o := options(b, name)
			o.Subscriptions = []string{"sourire/1/" + name + "/ack"}
			o.Handler = func(link.Message) { close(answered) }
			c, err := link.Dial(within(t), o)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if err := c.Publish(within(t), link.Message{Topic: "sourire/1/" + name + "/journal", QoS: 1}); err != nil {
				t.Error(err)
				return
			}
			select {
			case <-answered:
			case <-time.After(deadline):
				t.Errorf("%s got no answer", name)
			}
		})
	}
	for range n {
		select {
		case m := <-atHub:
			publish(t, hub, strings.Replace(m.Topic, "/journal", "/ack", 1), "", 0, false)
		case <-time.After(deadline):
			t.Fatal("not every kiosk was heard")
		}
	}
	all.Wait()
}

// A restart forgets, whatever the last run has left on disk.
func TestStart_again(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, dir string){
		"untouched": func(*testing.T, string) {},
		"deleted":   func(t *testing.T, dir string) { must(t, os.RemoveAll(dir)) },
		"truncated": func(t *testing.T, dir string) { rewrite(t, dir, nil) },
		"garbage":   func(t *testing.T, dir string) { rewrite(t, dir, []byte("\x07garbage\x00\xff")) },
		"file for folder": func(t *testing.T, dir string) {
			streams := filepath.Join(dir, "jetstream", "$G", "streams")
			must(t, os.RemoveAll(streams))
			must(t, os.WriteFile(streams, nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "broker")
			first := start(t, broker.Options{Dir: dir})
			hub, _ := dial(t, first, "hub")
			publish(t, hub, "sourire/1/k1/plan", "stale", 1, true)
			hub.Close()
			must(t, first.Close())
			harm(t, dir)
			second := start(t, broker.Options{Dir: dir, Addr: first.Addr()})
			_, got := dial(t, second, "k1", "sourire/1/k1/plan")
			hub, _ = dial(t, second, "hub")
			publish(t, hub, "sourire/1/k1/plan", "fresh", 1, true)
			expect(t, got, "sourire/1/k1/plan", "fresh")
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func rewrite(t *testing.T, dir string, content []byte) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.WriteFile(path, content, 0o600)
	}))
}

func TestBroker_TLS(t *testing.T) {
	lender := httptest.NewTLSServer(nil) // lends its certificate for 127.0.0.1
	defer lender.Close()
	b := start(t, broker.Options{TLS: &tls.Config{Certificates: lender.TLS.Certificates}})
	trusted := x509.NewCertPool()
	trusted.AddCert(lender.Certificate())
	o := options(b, "k1")
	o.Address = "mqtts://" + b.Addr()
	o.TLS = &tls.Config{RootCAs: trusted}
	c, err := link.Dial(within(t), o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	publish(t, c, "sourire/1/k1/health", "x", 1, false)
	o.TLS = nil
	if _, err := link.Dial(within(t), o); !errors.Is(err, link.ErrTLS) {
		t.Errorf("got %v with a certificate nobody knows, want %v", err, link.ErrTLS)
	}
	if c, err := link.Dial(within(t), options(b, "k2")); err == nil {
		c.Close()
		t.Error("a connection in the clear was accepted")
	}
}

// The broker tells whose certificate was shown, once it has verified it.
func TestBroker_clientCertificates(t *testing.T) {
	ca := certtest.New(t)
	logins := make(chan broker.Login, 1)
	b := start(t, broker.Options{
		TLS: &tls.Config{
			Certificates: []tls.Certificate{certtest.Load(t, ca.Server(t, "127.0.0.1"))},
			ClientAuth:   tls.VerifyClientCertIfGiven, ClientCAs: ca.Pool(),
		},
		Authorize: func(l broker.Login) (broker.Role, bool) {
			logins <- l
			return broker.Kiosk(l.Username), true
		},
	})
	o := options(b, "k1")
	o.Address = "mqtts://" + b.Addr()
	for _, want := range []string{"", "the name in it"} {
		o.TLS = &tls.Config{RootCAs: ca.Pool()}
		if want != "" {
			o.TLS.Certificates = []tls.Certificate{certtest.Load(t, ca.Client(t, want))}
		}
		c, err := link.Dial(within(t), o)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if got := <-logins; got != (broker.Login{Username: "k1", Password: "k1!", Certificate: want}) {
			t.Errorf("got %+v, want the certificate %q", got, want)
		}
	}
	o.TLS.Certificates = []tls.Certificate{certtest.Load(t, certtest.New(t).Client(t, "k1"))}
	if _, err := link.Dial(within(t), o); !errors.Is(err, link.ErrTLS) {
		t.Errorf("got %v with a certificate of another authority, want %v", err, link.ErrTLS)
	}
}

func TestStart_refuses(t *testing.T) {
	b := start(t, broker.Options{})
	_, port, _ := net.SplitHostPort(b.Addr())
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		o    broker.Options
		want []string
	}{
		"port taken":      {broker.Options{Addr: b.Addr()}, []string{"port " + port + " is taken", "another port"}},
		"no port":         {broker.Options{Addr: "localhost"}, []string{`"localhost"`, "host:port"}},
		"port of letters": {broker.Options{Addr: "localhost:mqtt"}, []string{`"localhost:mqtt"`, "0 to 65535"}},
		"foreign address": {broker.Options{Addr: "192.0.2.1:1883"}, []string{"192.0.2.1:1883"}},
		"folder a file":   {broker.Options{Addr: "127.0.0.1:0", Dir: file}, []string{file, "may write to"}},
		"folder nowhere":  {broker.Options{Addr: "127.0.0.1:0", Dir: "/proc/sourire"}, []string{"/proc/sourire", "writable"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := c.o
			o.Authorize = authorize
			if o.Dir == "" {
				o.Dir = t.TempDir()
			}
			b, err := broker.Start(o)
			if err == nil {
				t.Fatal(b.Close())
			}
			t.Log(err)
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want %q in it", err, want)
				}
			}
		})
	}
}

func TestBroker_Close_busy(t *testing.T) {
	b := start(t, broker.Options{})
	o := options(b, "k1")
	o.Will = &link.Message{Topic: "sourire/1/k1/state", Payload: []byte("lost"), QoS: 1, Retained: true}
	c, err := link.Dial(within(t), o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	rawDial(t, b)
	begin := time.Now()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("Close took %v", took)
	}
	awaitLost(t, c)
	if err := b.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// Who is refused again and again is told of once.
func TestBroker_refusalsSaidOnce(t *testing.T) {
	var mu sync.Mutex
	var log strings.Builder
	b := start(t, broker.Options{Log: slog.New(slog.NewTextHandler(locked{&mu, &log}, nil))})
	for range 5 {
		for _, k := range []string{"k1", "k2"} {
			o := options(b, k)
			o.Password = "?"
			if _, err := link.Dial(within(t), o); !errors.Is(err, link.ErrCredentials) {
				t.Fatalf("got %v, want %v", err, link.ErrCredentials)
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for _, k := range []string{"k1", "k2"} {
		if n := strings.Count(log.String(), "authentication error - User \\\""+k); n != 1 {
			t.Errorf("got %d lines of %s, want one:\n%s", n, k, log.String())
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 2 {
		t.Errorf("got %d lines, want two:\n%s", n, log.String())
	}
}

// locked is a writer for several goroutines.
type locked struct {
	mu *sync.Mutex
	to io.Writer
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(p)
}
