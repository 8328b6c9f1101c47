// Package certtest makes certificate authorities and what they sign, for tests of
// encrypted connections.
//
// It stands beside the line; tests of the broker, of both programs and of whole
// systems use it. Files are gone with the test that made them. It must not know
// who connects where, and no program may import it: its keys are made in haste
// and its serial numbers mean nothing.
package certtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority signs certificates and keeps them as PEM files in a folder.
type Authority struct {
	File   string // its own certificate
	folder string
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
}

// Pair names the files of a certificate and its key.
type Pair struct{ Cert, Key string }

// New makes an authority whose files go with the test.
func New(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{folder: t.TempDir()}
	template := template("authority of " + t.Name())
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	var pair Pair
	a.cert, a.key, pair = sign(t, template, nil, nil, a.folder, "authority")
	a.File = pair.Cert
	return a
}

// Server signs a certificate for hosts, names or addresses.
func (a *Authority) Server(t testing.TB, hosts ...string) Pair {
	t.Helper()
	template := template("server")
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	_, _, pair := sign(t, template, a.cert, a.key, a.folder, "server")
	return pair
}

// Client signs a certificate for a client; its files are {name}.crt and
// {name}.key in the folder of File.
func (a *Authority) Client(t testing.TB, name string) Pair {
	t.Helper()
	template := template(name)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	_, _, pair := sign(t, template, a.cert, a.key, a.folder, name)
	return pair
}

// Pool trusts the authority.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// Load reads a pair.
func Load(t testing.TB, p Pair) tls.Certificate {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(p.Cert, p.Key)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func template(name string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		panic("certtest: " + err.Error())
	}
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

// sign signs a template, with its own key when there is no parent.
func sign(t testing.TB, template, parent *x509.Certificate, by *ecdsa.PrivateKey, folder, name string) (*x509.Certificate, *ecdsa.PrivateKey, Pair) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pair := Pair{filepath.Join(folder, name+".crt"), filepath.Join(folder, name+".key")}
	for file, block := range map[string]*pem.Block{
		pair.Cert: {Type: "CERTIFICATE", Bytes: der}, pair.Key: {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key, pair
}
