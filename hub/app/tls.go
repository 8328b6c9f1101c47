package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"os"
	"time"
)

// encryption is TLS at the embedded broker: its side and the hub's own.
type encryption struct{ broker, hub *tls.Config }

// newEncryption reads the files that the settings name; nil when they name none.
//
// With a client CA, a connection without a certificate of it does not get past
// the handshake. The hub's own connection then shows one that was made for this
// run and signs nothing. It trusts the broker's certificate alone, for it knows
// it; by whom that is signed is for kiosks to judge.
func newEncryption(s Settings) (*encryption, error) {
	if s.Broker.TLSCertFile == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(s.Broker.TLSCertFile, s.Broker.TLSKeyFile)
	if err != nil {
		return nil, fmt.Errorf("settings broker.tls_cert_file and broker.tls_key_file: they must be a certificate and its key in PEM: %w", err)
	}
	name, err := hostOf(cert.Leaf)
	if err != nil {
		return nil, fmt.Errorf("setting broker.tls_cert_file: %s: %w", s.Broker.TLSCertFile, err)
	}
	own := x509.NewCertPool()
	own.AddCert(cert.Leaf)
	e := &encryption{
		broker: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
		hub:    &tls.Config{RootCAs: own, ServerName: name, MinVersion: tls.VersionTLS12},
	}
	if s.Broker.ClientCAFile == "" {
		return e, nil
	}
	text, err := os.ReadFile(s.Broker.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("setting broker.client_ca_file: the certificate cannot be read: %w", err)
	}
	clients := x509.NewCertPool()
	if !clients.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("setting broker.client_ca_file: %s holds no certificate in PEM: name that of the authority that signs the kiosks' certificates", s.Broker.ClientCAFile)
	}
	pass, err := ownPass()
	if err != nil {
		return nil, fmt.Errorf("the hub's own certificate: %w", err)
	}
	clients.AddCert(pass.Leaf)
	e.broker.ClientAuth, e.broker.ClientCAs = tls.RequireAndVerifyClientCert, clients
	e.hub.Certificates = []tls.Certificate{pass}
	return e, nil
}

// hostOf returns a name that a certificate is for.
func hostOf(cert *x509.Certificate) (string, error) {
	switch {
	case len(cert.DNSNames) > 0:
		return cert.DNSNames[0], nil
	case len(cert.IPAddresses) > 0:
		return cert.IPAddresses[0].String(), nil
	}
	return "", errors.New("the certificate names no host (subject alternative name), kiosks would refuse it: have it signed for the name in their hub.address")
}

// ownPass makes a certificate that lives as long as this run.
func ownPass() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: hubUser},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), // whatever the clock says
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}
