package app_test

import (
	"context"
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sourire/hub/app"
	"sourire/internal/certtest"
	"sourire/internal/link"
)

// A kiosk is who its certificate says; the shared key opens nothing.
func TestApp_certificates(t *testing.T) {
	ca := certtest.New(t)
	server := ca.Server(t, "hub.example", "127.0.0.1")
	s := settings(t)
	s.Broker.TLSCertFile, s.Broker.TLSKeyFile, s.Broker.ClientCAFile = server.Cert, server.Key, ca.File
	hub, err := app.New(t.Context(), options(s))
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Stop()
	if hub.Key() != "" || !strings.HasPrefix(hub.BrokerAddr(), "mqtts://") {
		t.Errorf("got key %q at %s, want none and mqtts://", hub.Key(), hub.BrokerAddr())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	dial := func(user, cert string) error {
		o := link.Options{Address: hub.BrokerAddr(), ClientID: user, Username: user, Password: "key", TLS: &tls.Config{RootCAs: ca.Pool()}}
		if cert != "" {
			o.TLS.Certificates = []tls.Certificate{certtest.Load(t, ca.Client(t, cert))}
		}
		c, err := link.Dial(ctx, o)
		if err == nil {
			c.Close()
		}
		return err
	}
	if err := dial("k1", "k1"); err != nil {
		t.Errorf("k1 with its own certificate: %v", err)
	}
	if err := dial("k1", "k2"); !errors.Is(err, link.ErrCredentials) {
		t.Errorf("k1 with the certificate of k2: got %v, want %v", err, link.ErrCredentials)
	}
	if err := dial("hub_", "hub_"); !errors.Is(err, link.ErrCredentials) {
		t.Errorf("a certificate that says it is the hub's: got %v, want %v", err, link.ErrCredentials)
	}
	if err := dial("k1", ""); !errors.Is(err, link.ErrTLS) {
		t.Errorf("k1 without a certificate: got %v, want %v", err, link.ErrTLS)
	}
}

// Without a client CA, TLS hides the shared key.
func TestApp_encryptedKey(t *testing.T) {
	ca := certtest.New(t)
	server := ca.Server(t, "hub.example", "127.0.0.1")
	s := settings(t)
	s.Broker.TLSCertFile, s.Broker.TLSKeyFile = server.Cert, server.Key
	hub, err := app.New(t.Context(), options(s))
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Stop()
	c, err := link.Dial(t.Context(), link.Options{
		Address: hub.BrokerAddr(), ClientID: "k1", Username: "k1", Password: hub.Key(), TLS: &tls.Config{RootCAs: ca.Pool()},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestNew_refusesCertificates(t *testing.T) {
	ca := certtest.New(t)
	server, nameless := ca.Server(t, "127.0.0.1"), ca.Client(t, "nameless")
	garbage := filepath.Join(t.TempDir(), "garbage")
	if err := os.WriteFile(garbage, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ cert, key, ca, want string }{
		"no key":         {server.Cert, "", "", "broker.tls_cert_file and broker.tls_key_file belong together"},
		"no certificate": {"", server.Key, "", "belong together"},
		"a CA alone":     {"", "", ca.File, "client_ca_file is of no use without broker.tls_cert_file"},
		"a missing file": {"absent.crt", server.Key, "", "must be a certificate and its key in PEM: open absent.crt"},
		"another's key":  {server.Cert, nameless.Key, "", "private key does not match public key"},
		"garbage":        {garbage, server.Key, "", "in PEM"},
		"no host":        {nameless.Cert, nameless.Key, "", "names no host"},
		"CA is missing":  {server.Cert, server.Key, "absent.crt", "client_ca_file: the certificate cannot be read"},
		"CA is garbage":  {server.Cert, server.Key, garbage, "holds no certificate in PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			s := settings(t)
			s.Broker.TLSCertFile, s.Broker.TLSKeyFile, s.Broker.ClientCAFile = c.cert, c.key, c.ca
			hub, err := app.New(t.Context(), options(s))
			if err == nil {
				_ = hub.Stop()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
	s := settings(t)
	s.Broker.Address, s.Broker.TLSCertFile, s.Broker.TLSKeyFile = "mqtt://elsewhere", server.Cert, server.Key
	if err := s.Check(); err == nil || !strings.Contains(err.Error(), "keep one") {
		t.Errorf("got %v for two brokers, want a refusal", err)
	}
}
