package broker_test

import (
	"crypto/tls"
	"io"
	"testing"
	"time"

	"sourire/hub/broker"
	"sourire/internal/certtest"
)

// A kiosk that comes back resumes its TLS session; the broker still tells whose
// certificate it once showed.
func TestBroker_resumes(t *testing.T) {
	ca := certtest.New(t)
	logins := make(chan broker.Login, 1)
	b := start(t, broker.Options{
		TLS: &tls.Config{
			Certificates: []tls.Certificate{certtest.Load(t, ca.Server(t, "127.0.0.1"))},
			ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool(),
		},
		Authorize: func(l broker.Login) (broker.Role, bool) {
			logins <- l
			return broker.Kiosk(l.Certificate), true
		},
	})
	config := &tls.Config{
		RootCAs: ca.Pool(), Certificates: []tls.Certificate{certtest.Load(t, ca.Client(t, "k1"))},
		ClientSessionCache: tls.NewLRUClientSessionCache(1),
	}
	for _, resumed := range []bool{false, true} {
		c, err := tls.Dial("tcp", b.Addr(), config)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		// CONNECT of k1, clean session; its CONNACK comes behind the ticket.
		if _, err := c.Write([]byte("\x10\x0e\x00\x04MQTT\x04\x02\x00\x00\x00\x02k1")); err != nil {
			t.Fatal(err)
		}
		var connack [4]byte
		if _, err := io.ReadFull(c, connack[:]); err != nil || connack != [4]byte{0x20, 2, 0, 0} {
			t.Fatalf("got %x, %v, want to be let in", connack, err)
		}
		if got := c.ConnectionState().DidResume; got != resumed {
			t.Errorf("resumed: got %v, want %v", got, resumed)
		}
		if got := (<-logins).Certificate; got != "k1" {
			t.Errorf("got the certificate of %q, want k1", got)
		}
		_ = c.Close()
	}
}
