package app

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"sourire/internal/link"
	"sourire/kiosk/settings"
)

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
	o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
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
