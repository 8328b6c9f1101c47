package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"sourire/internal/link"
	"sourire/kiosk/settings"
	"sourire/kiosk/uplink"
)

// brokerNodes is how many nodes of a broker a kiosk remembers its handshakes with.
const brokerNodes = 8

// linkOptions says where the broker is and as whom to come.
func linkOptions(s settings.Settings) (link.Options, error) {
	key, err := s.Key()
	if err != nil {
		return link.Options{}, err
	}
	o := link.Options{Address: s.Hub.Address, Username: s.Kiosk.ID, Password: key}
	if s.Hub.CAFile == "" && s.Hub.ClientCertFile == "" {
		return o, nil
	}
	// A handshake that goes on from an earlier one takes half of the work on both
	// sides: thousands of kiosks may come back at once. A hub that was started
	// anew knows of none, and they begin from scratch.
	o.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(brokerNodes)}
	if s.Hub.CAFile != "" {
		if o.TLS.RootCAs, err = readCA(s.Hub.CAFile); err != nil {
			return o, fmt.Errorf("setting hub.ca_file: %w", err)
		}
	}
	if s.Hub.ClientCertFile != "" {
		cert, err := readOwn(s)
		if err != nil {
			return o, err
		}
		o.TLS.Certificates = []tls.Certificate{cert}
	}
	return o, nil
}

// advice says which settings decide whether the hub lets this kiosk in.
func advice(s settings.Settings) link.Advice {
	a := link.Advice{Address: "hub.address", Authority: "hub.ca_file", Own: "hub.client_cert_file"}
	const copied = "copy the file kiosk-key of the hub's data folder and name the copy in hub.key_file"
	switch {
	case s.Hub.ClientCertFile != "":
		a.Credentials = fmt.Sprintf("see that kiosk.id is %s at the hub too, that hub.client_cert_file is signed by the hub's client_ca_file, and that the hub wants certificates", s.Kiosk.ID)
	case s.Hub.KeyFile != "":
		a.Credentials = fmt.Sprintf("%s, of hub.key_file, is not the hub's key: %s", s.Hub.KeyFile, copied)
	case s.Hub.Key != "":
		a.Credentials = "hub.key is not the hub's key: " + copied
	default:
		a.Credentials = "hub.key and hub.key_file are empty: " + copied
	}
	if s.Hub.ClientCertFile == "" {
		a.Credentials += fmt.Sprintf("; at a broker of your own it is the password of user %s", s.Kiosk.ID)
	}
	return a
}

// dialer opens connections whose failures say which setting to look at. dial may
// be nil.
func dialer(s settings.Settings, dial func(context.Context, link.Options) (uplink.Conn, error)) func(context.Context, link.Options) (uplink.Conn, error) {
	if dial == nil {
		dial = uplink.Dial
	}
	a := advice(s)
	return func(ctx context.Context, o link.Options) (uplink.Conn, error) {
		c, err := dial(ctx, o)
		return c, a.Explain(err)
	}
}

func readCA(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the certificate cannot be read: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM: copy that of the hub's authority", file)
	}
	return pool, nil
}

// readOwn reads this kiosk's certificate. One of another kiosk would be refused by
// the hub with a word that explains less.
func readOwn(s settings.Settings) (tls.Certificate, error) {
	path := strings.NewReplacer("{id}", s.Kiosk.ID)
	certFile, keyFile := path.Replace(s.Hub.ClientCertFile), path.Replace(s.Hub.ClientKeyFile)
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return cert, fmt.Errorf("settings hub.client_cert_file and hub.client_key_file: they must be a certificate and its key in PEM: %w", err)
	}
	if name := cert.Leaf.Subject.CommonName; name != s.Kiosk.ID {
		return cert, fmt.Errorf("setting hub.client_cert_file: %s is the certificate of %q, and this is kiosk %q: copy its own", certFile, name, s.Kiosk.ID)
	}
	return cert, nil
}
