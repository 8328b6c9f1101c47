package app

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"sourire/hub/upkeep"
	"sourire/internal/feedback"
)

// Settings are the hub's settings, as a file, the environment and flags give
// them.
type Settings struct {
	Data  string `toml:"data" help:"Folder of the hub's data. It must be on a local disk."`
	Zone  string `toml:"zone" help:"IANA time zone of sites that are not listed below."`
	Store struct {
		Postgres string `toml:"postgres" help:"Address of a database on PostgreSQL 15 or newer that the hub's user owns, like postgres://user@host:5432/database; the password may stand in PGPASSWORD or ~/.pgpass instead. Empty: the store is a SQLite file in the data folder."`
	} `toml:"store" help:"Where presses are kept."`
	Web struct {
		Listen string `toml:"listen" help:"Where the pages are served: host:port. An empty host is every interface; put a proxy with TLS before it."`
	} `toml:"web" help:"The pages."`
	Broker struct {
		Listen   string `toml:"listen" help:"Where the embedded MQTT broker listens: host:port. An empty host is every interface."`
		Address  string `toml:"address" help:"Address of an external broker, mqtt://host:port or mqtts://host:port, or of the nodes of one: mqtt://host:port,host:port. With it no broker is embedded; and with it and a database on PostgreSQL there may be several hubs."`
		Username string `toml:"username" help:"User name of the hub at the external broker."`
		Password string `toml:"password" help:"Password of the hub at the external broker."`

		TLSCertFile  string `toml:"tls_cert_file" help:"PEM file with the embedded broker's certificate, and those between it and its authority. With it kiosks connect to mqtts://, and only so."`
		TLSKeyFile   string `toml:"tls_key_file" help:"PEM file with the key of that certificate."`
		ClientCAFile string `toml:"client_ca_file" help:"PEM file of the authority that signs the kiosks' certificates. With it a kiosk shows, in the place of the key, a certificate whose common name is its id."`
	} `toml:"broker" help:"Where kiosks and hub meet."`
	Kiosks struct {
		Key string `toml:"key" help:"Key that kiosks show to the embedded broker. Empty: one is drawn at the first start and kept in the file kiosk-key of the data folder."`
	} `toml:"kiosks" help:"The kiosks."`
	Keep  upkeep.Keep    `toml:"keep" help:"How long what is kept, as a number of days or months, or forever. What is older is deleted every day, and the figures of pages stay."`
	Sites []SiteSettings `toml:"site" help:"One table for each site. A site that is not listed appears at its first press, named by its id."`
}

// SiteSettings name a site.
type SiteSettings struct {
	ID   string `toml:"id" help:"Id: a-z, 0-9 and -, at most 40."`
	Name string `toml:"name" help:"Name for people."`
	Zone string `toml:"zone" help:"IANA time zone, for instance Europe/Paris."`
}

// Defaults returns the settings of a hub on one machine.
func Defaults() Settings {
	var s Settings
	s.Data = "sourire-hub-data"
	s.Zone = "Europe/Paris"
	s.Web.Listen = "127.0.0.1:8080"
	s.Broker.Listen = "127.0.0.1:1883"
	s.Keep = upkeep.DefaultKeep()
	return s
}

// Check says what is wrong with the settings, in a sentence.
func (s Settings) Check() error {
	if s.Data == "" {
		return fmt.Errorf("setting data is empty: name the folder where the hub keeps its data")
	}
	if !isZone(s.Zone) {
		return fmt.Errorf("setting zone %q is no IANA time zone: write one like Europe/Paris", s.Zone)
	}
	if err := checkListen(s.Web.Listen); err != nil {
		return fmt.Errorf("setting web.listen: %w", err)
	}
	if err := checkListen(s.Broker.Listen); err != nil && s.Broker.Address == "" {
		return fmt.Errorf("setting broker.listen: %w", err)
	}
	if err := s.checkTLS(); err != nil {
		return err
	}
	if !isKey(s.Kiosks.Key) {
		return fmt.Errorf("setting kiosks.key is no key that a kiosk could read from a file: write one line of text without spaces around it")
	}
	if err := s.Keep.Check(); err != nil {
		return err
	}
	return s.CheckSites()
}

// CheckSites says what is wrong with the tables [[site]], which stand in the
// settings file only, in a sentence.
func (s Settings) CheckSites() error {
	seen := make(map[string]bool)
	for i, site := range s.Sites {
		if _, err := feedback.ParseSiteID(site.ID); err != nil {
			return fmt.Errorf("in [[site]] number %d: id: %w", i+1, err)
		}
		if seen[site.ID] {
			return fmt.Errorf("[[site]] %s is listed twice: keep one", site.ID)
		}
		seen[site.ID] = true
		if site.Zone != "" && !isZone(site.Zone) {
			return fmt.Errorf("[[site]] %s: zone %q is no IANA time zone: write one like Europe/Paris", site.ID, site.Zone)
		}
	}
	return nil
}

// isZone reports whether figures can be of days of that zone. The machine's own
// ("Local") is none: it changes with the machine.
func isZone(name string) bool {
	_, err := time.LoadLocation(name)
	return err == nil && name != "" && name != "Local"
}

// checkListen refuses what is no place to listen at.
func checkListen(at string) error {
	host, port, err := net.SplitHostPort(at)
	n, portErr := net.LookupPort("tcp", port)
	switch {
	case err != nil || portErr != nil:
		if _, err := strconv.ParseUint(at, 10, 16); err == nil {
			return fmt.Errorf("%q is no host:port: write 127.0.0.1:%s, or :%s for every interface", at, at, at)
		}
		return fmt.Errorf("%q is no host:port: write one like 127.0.0.1:8080, or :8080 for every interface", at)
	case strings.Trim(host, "0123456789.") == "" && host != "" && net.ParseIP(host) == nil:
		return fmt.Errorf("%q: %s is no address: write one of this machine's, such as 127.0.0.1:%d, or :%d for every interface", at, host, n, n)
	}
	return nil
}

func (s Settings) checkTLS() error {
	b := s.Broker
	switch {
	case (b.TLSCertFile == "") != (b.TLSKeyFile == ""):
		return fmt.Errorf("settings broker.tls_cert_file and broker.tls_key_file belong together: give both or none")
	case b.ClientCAFile != "" && b.TLSCertFile == "":
		return fmt.Errorf("setting broker.client_ca_file is of no use without broker.tls_cert_file: kiosks show certificates over TLS only")
	case b.TLSCertFile != "" && b.Address != "":
		return fmt.Errorf("settings broker.address and broker.tls_cert_file are both given: an external broker has certificates of its own, keep one")
	}
	return nil
}
