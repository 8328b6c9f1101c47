package link_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"sourire/internal/link"
)

// Each refusal names a setting and what to do with it.
func TestAdvice_Explain(t *testing.T) {
	advice := link.Advice{Address: "hub.address", Authority: "hub.ca_file", Own: "hub.client_cert_file", Credentials: "hub.key is not the hub's"}
	web := httptest.NewTLSServer(nil)
	defer web.Close()
	encrypted := "mqtts://" + web.Listener.Addr().String()
	trusted := x509.NewCertPool()
	trusted.AddCert(web.Certificate())
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "mqtt://" + gone.Addr().String()
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	plain := server(t, says("HTTP/1.1 400 Bad Request\r\n\r\n"+strings.Repeat("<p>", 100)))
	for name, test := range map[string]struct {
		o    link.Options
		want string
	}{
		"wrong key":       {link.Options{Address: server(t, says("\x20\x02\x00\x05"))}, "hub.key is not the hub's"},
		"nobody":          {link.Options{Address: nobody}, "see that the broker runs, that the network is there, and that hub.address is its host and port"},
		"silent":          {link.Options{Address: server(t, says())}, "hub.address is its host and port"},
		"web server":      {link.Options{Address: plain}, "something answers there: see that hub.address is the broker's port"},
		"hangs up":        {link.Options{Address: server(t, func(net.Conn) {})}, "write mqtts:// if it encrypts"},
		"in the clear":    {link.Options{Address: "mqtts" + strings.TrimPrefix(plain, "mqtt")}, "or write mqtt:// if it does not encrypt"},
		"other authority": {link.Options{Address: encrypted}, "name the file of the authority that signed the broker's certificate in hub.ca_file"},
		"other host":      {link.Options{Address: encrypted, TLS: &tls.Config{RootCAs: trusted, ServerName: "hub"}}, "write a host into hub.address that the broker's certificate is for"},
		"clock wrong": {
			link.Options{Address: encrypted, TLS: &tls.Config{RootCAs: trusted, Time: func() time.Time { return time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC) }}},
			"set the clock of this machine",
		},
		"no subscriber": {
			link.Options{Address: server(t, says("\x20\x02\x00\x00", "\x90\x03\x00\x01\x80")), Subscriptions: []string{"x"}},
			"a subscription: topic x; let this user hear it, in the broker's access list",
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.o.ConnectTimeout = 300 * time.Millisecond
			_, err := link.Dial(context20(t), test.o)
			got := advice.Explain(err)
			if err == nil || !errors.Is(got, err) || !strings.Contains(got.Error(), test.want) {
				t.Errorf("got %v, want it to say %s", got, test.want)
			}
			t.Log(got)
		})
	}
	other := errors.New("other")
	if got := advice.Explain(other); !errors.Is(got, other) || got.Error() != "other" {
		t.Errorf("got %v, want it as it was", got)
	}
}
