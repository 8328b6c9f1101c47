package link_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sourire/internal/link"
	"sourire/internal/mosquittotest"
)

// refused dials and expects the reason.
func refused(t *testing.T, o link.Options, want error) {
	t.Helper()
	begin := time.Now()
	c, err := link.Dial(context20(t), o)
	if err == nil {
		c.Close()
		t.Fatalf("the connection was accepted, want %v", want)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("the refusal took %v", took)
	}
	t.Log(err)
	var dialErr *link.DialError
	if !errors.As(err, &dialErr) || !errors.Is(dialErr.Reason, want) || !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
	if !strings.Contains(err.Error(), o.Address) {
		t.Errorf("got %q, want the address in it", err)
	}
}

func TestDial_credentials(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{Users: []mosquittotest.User{{Name: "k1", Password: "right"}}})
	o := link.Options{Address: b.URL(), ClientID: "k1", Username: "k1", Password: "right"}
	c, _ := dial(t, o)
	c.Close()
	for _, password := range []string{"wrong", ""} {
		o.Password = password
		refused(t, o, link.ErrCredentials)
	}
	o.Username = ""
	refused(t, o, link.ErrCredentials)
}

// The access list of mosquittotest must let through what kiosk and hub need.
func TestDial_accessList(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{Users: []mosquittotest.User{
		{Name: "hub", Password: "h", Hub: true}, {Name: "k1", Password: "1"}, {Name: "k2", Password: "2"},
	}})
	hub, atHub := dial(t, link.Options{Address: b.URL(), ClientID: "hub", Username: "hub", Password: "h", Subscriptions: []string{"sourire/#"}})
	k1, at1 := dial(t, link.Options{Address: b.URL(), ClientID: "k1", Username: "k1", Password: "1", Subscriptions: []string{"sourire/1/k1/ack", "sourire/#"}})
	for _, topic := range []string{"sourire/1/k1/journal", "sourire/1/k1/ack", "sourire/1/k2/plan"} {
		k2, _ := dial(t, link.Options{Address: b.URL(), ClientID: "k2", Username: "k2", Password: "2"})
		if err := k2.Publish(context20(t), link.Message{Topic: topic, Payload: []byte("forged")}); err != nil {
			t.Log(err)
		}
		awaitLost(t, k2) // Mosquitto 2.0 hangs up on who publishes what it may not
	}
	publish(t, k1, link.Message{Topic: "sourire/1/k1/journal", Payload: []byte("true"), QoS: 1})
	if m := receive(t, atHub); string(m.Payload) != "true" {
		t.Errorf("got %s %q at the hub", m.Topic, m.Payload)
	}
	publish(t, hub, link.Message{Topic: "sourire/1/k2/ack", Payload: []byte("secret")})
	publish(t, hub, link.Message{Topic: "sourire/1/k1/ack", Payload: []byte("true")})
	if m := receive(t, at1); string(m.Payload) != "true" {
		t.Errorf("got %s %q at the kiosk", m.Topic, m.Payload)
	}
}

func TestDial_unreachable(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{})
	b.Stop()
	refused(t, link.Options{Address: b.URL()}, link.ErrUnreachable)
	b.Restart()
	c, _ := dial(t, link.Options{Address: b.URL()})
	c.Close()
}

// server answers each connection with f.
func server(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return "mqtt://" + l.Addr().String()
}

// says reads once, sends, and waits for the other side to hang up.
func says(answers ...string) func(net.Conn) {
	return func(c net.Conn) {
		buf := make([]byte, 1<<10)
		for _, a := range answers {
			_, _ = c.Read(buf)
			_, _ = io.WriteString(c, a)
		}
		_, _ = io.Copy(io.Discard, c)
	}
}

func TestDial_strangers(t *testing.T) {
	const connack = "\x20\x02\x00\x00"
	for name, c := range map[string]struct {
		answer func(net.Conn)
		want   error
	}{
		"hangs up":           {func(net.Conn) {}, link.ErrUnreachable},
		"silent":             {says(), link.ErrUnreachable},
		"web server":         {says("HTTP/1.1 400 Bad Request\r\n\r\n" + strings.Repeat("<p>", 100)), link.ErrUnreachable},
		"long length":        {says("\x20\xff\xff\xff\xff\x7f"), link.ErrUnreachable},
		"256 MB":             {says("\x20\xff\xff\xff\x7f"), link.ErrUnreachable},
		"wrong version":      {says("\x20\x02\x00\x01"), link.ErrRefused},
		"id rejected":        {says("\x20\x02\x00\x02"), link.ErrRefused},
		"unavailable":        {says("\x20\x02\x00\x03"), link.ErrRefused},
		"bad password":       {says("\x20\x02\x00\x04"), link.ErrCredentials},
		"not authorised":     {says("\x20\x02\x00\x05"), link.ErrCredentials},
		"unknown code":       {says("\x20\x02\x00\x10"), link.ErrUnreachable},
		"no SUBACK":          {says(connack), link.ErrUnreachable},
		"refuses":            {says(connack, "\x90\x03\x00\x01\x80"), link.ErrSubscription},
		"empty SUBACK":       {says(connack, "\x90\x02\x00\x01"), link.ErrSubscription},
		"SUBACK of too many": {says(connack, "\x90\x05\x00\x01\x00\x00\x00"), link.ErrUnreachable},
		"other SUBACK":       {says(connack, "\x90\x03\x00\x09\x00"), link.ErrUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, link.Options{
				Address: server(t, c.answer), Subscriptions: []string{"x"}, ConnectTimeout: 300 * time.Millisecond,
			}, c.want)
		})
	}
}

func TestDial_cancelled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	address := server(t, func(c net.Conn) {
		cancel(enough)
		_, _ = io.Copy(io.Discard, c)
	})
	if _, err := link.Dial(ctx, link.Options{Address: address}); !errors.Is(err, enough) {
		t.Errorf("got %v, want %v", err, enough)
	}
}

func TestCheckAddress(t *testing.T) {
	for _, good := range []string{"mqtt://hub", "mqtt://hub:1883", "mqtts://[::1]:8883", "mqtts://192.0.2.1", "mqtt://a:1883,b,c:1"} {
		if err := link.CheckAddress(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "hub", "hub:1883", "tcp://hub:1883", "http://hub", "mqtt://", "mqtt://:1883", "mqtt://hub:x", "mqtt://hub\x00", "mqtt://a,", "mqtt://a,:1883", "mqtt://a,mqtt://b"} {
		if err := link.CheckAddress(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		} else {
			t.Log(err)
		}
	}
	if _, err := link.Dial(t.Context(), link.Options{Address: "mqtt://hub", TLS: &tls.Config{}}); err == nil {
		t.Error("TLS was asked for and a clear connection was made")
	}
}

func TestDial_defaultPort(t *testing.T) {
	var dialled atomic.Value
	stop := errors.New("far enough")
	for address, want := range map[string]string{"mqtt://hub": "hub:1883", "mqtts://[::1]": "[::1]:8883", "mqtt://hub:99": "hub:99"} {
		refused(t, link.Options{Address: address, Dialer: func(_ context.Context, a string) (net.Conn, error) {
			dialled.Store(a)
			return nil, stop
		}}, link.ErrUnreachable)
		if got := dialled.Load(); got != want {
			t.Errorf("%s: got %v, want %s", address, got, want)
		}
	}
}

func TestDial_TLS(t *testing.T) {
	lender := httptest.NewTLSServer(nil) // lends its certificate for 127.0.0.1
	defer lender.Close()
	cert, key := writePEM(t, lender.TLS.Certificates[0])
	trusted := x509.NewCertPool()
	trusted.AddCert(lender.Certificate())

	b := mosquittotest.Start(t, mosquittotest.Options{CertFile: cert, KeyFile: key})
	c, got := dial(t, link.Options{Address: b.URL(), TLS: &tls.Config{RootCAs: trusted}, Subscriptions: []string{"x"}})
	publish(t, c, link.Message{Topic: "x", Payload: make([]byte, 64<<10), QoS: 1})
	receive(t, got)
	refused(t, link.Options{Address: b.URL()}, link.ErrTLS)
	refused(t, link.Options{Address: b.URL(), TLS: &tls.Config{RootCAs: trusted, ServerName: "another"}}, link.ErrTLS)
	refused(t, link.Options{Address: strings.Replace(b.URL(), "mqtts", "mqtt", 1)}, link.ErrUnreachable)

	strict := mosquittotest.Start(t, mosquittotest.Options{CertFile: cert, KeyFile: key, ClientCAFile: cert})
	for range 20 { // the alert must outrun the reset that follows it
		refused(t, link.Options{Address: strict.URL(), TLS: &tls.Config{RootCAs: trusted}}, link.ErrTLS)
	}

	plain := mosquittotest.Start(t, mosquittotest.Options{})
	refused(t, link.Options{Address: "mqtts://" + plain.Addr()}, link.ErrUnreachable)
}

func writePEM(t *testing.T, c tls.Certificate) (certFile, keyFile string) {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(t.TempDir(), "cert"), filepath.Join(t.TempDir(), "key")
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: c.Certificate[0]},
		keyFile:  {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// A broker that falls silent is noticed by its missing answer to a ping.
func TestConn_Lost_silence(t *testing.T) {
	address := server(t, says("\x20\x02\x00\x00"))
	c, _ := dial(t, link.Options{Address: address, KeepAlive: time.Second})
	awaitLost(t, c)
	if err := c.Err(); !errors.Is(err, link.ErrLost) {
		t.Errorf("got %v, want %v", err, link.ErrLost)
	}
}

// Publish gives up when its context does, and Close with a broker that reads
// nothing.
func TestConn_Publish_deaf(t *testing.T) {
	release := make(chan struct{})
	address := server(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1<<10))
		_, _ = io.WriteString(c, "\x20\x02\x00\x00")
		<-release
	})
	defer close(release)
	c, _ := dial(t, link.Options{Address: address})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	for {
		begin := time.Now()
		err := c.Publish(ctx, link.Message{Topic: "x", Payload: make([]byte, 1<<20)})
		if took := time.Since(begin); took > 2*time.Second {
			t.Fatalf("Publish took %v", took)
		}
		if err != nil {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
			}
			break
		}
	}
	begin := time.Now()
	c.Close()
	if took := time.Since(begin); took > 8*time.Second {
		t.Errorf("Close took %v", took)
	}
}
