// Package postgrestest gives a PostgreSQL server of internal/postgres to a test:
// it ends with the test, its log is shown when the test fails, and what goes wrong
// with it fails the test.
//
// It stands beside the line: hub/store/sqlstore, hub/app and internal/e2e use it.
// Nothing survives it. The package must not know the hub's tables.
package postgrestest

import (
	"errors"
	"os"
	"testing"

	"sourire/internal/postgres"
)

// Server is a server that can be ended and started again.
type Server struct {
	*postgres.Server
	tb testing.TB
}

// Start runs a server until the test ends. settings are lines of postgresql.conf
// beside the usual ones. Without the program it skips the test, or fails it where
// CI=true.
func Start(tb testing.TB, settings ...string) *Server {
	tb.Helper()
	server, err := postgres.Start(settings...)
	if errors.Is(err, postgres.ErrMissing) && os.Getenv("CI") != "true" {
		tb.Skipf("postgrestest: %v", err)
	}
	s := &Server{server, tb}
	s.must(err)
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
		if tb.Failed() {
			tb.Logf("postgres said:\n%s", s.Log())
		}
	})
	return s
}

// must fails the test where there is an error.
func (s *Server) must(err error) {
	s.tb.Helper()
	if err != nil {
		s.tb.Fatalf("postgrestest: %v", err)
	}
}

// Configure replaces the settings that Start was given; they count from the next
// start on, those that can be changed in flight from Reload on.
func (s *Server) Configure(settings ...string) {
	s.tb.Helper()
	s.must(s.Server.Configure(settings...))
}

// Admit replaces who may connect: lines of pg_hba.conf that come before the one
// that lets the owner in. They count at once.
func (s *Server) Admit(lines ...string) {
	s.tb.Helper()
	s.must(s.Server.Admit(lines...))
}

// Reload lets the server read its settings again.
func (s *Server) Reload() {
	s.tb.Helper()
	s.must(s.Server.Reload())
}

// Database makes an empty database and returns its address.
func (s *Server) Database() string {
	s.tb.Helper()
	address, err := s.Server.Database()
	s.must(err)
	return address
}

// Schema makes an empty schema in a database that schemas share, and returns the
// address that leads there and its name. That takes a tenth of the time of
// Database, and is for tests that need many.
func (s *Server) Schema() (address, name string) {
	s.tb.Helper()
	address, name, err := s.Server.Schema()
	s.must(err)
	return address, name
}

// In is the address of a schema in a database.
func In(address, schema string) string { return postgres.In(address, schema) }

// Dump returns what pg_dump writes of a database while it is in use.
func (s *Server) Dump(address string, args ...string) string {
	s.tb.Helper()
	out, err := s.Server.Dump(address, args...)
	s.must(err)
	return out
}

// Exec runs statements, or what Dump returned.
func (s *Server) Exec(address, statements string) {
	s.tb.Helper()
	s.must(s.Server.Exec(address, statements))
}

// Restart stops the server if it runs, and starts it on the same data.
func (s *Server) Restart() {
	s.tb.Helper()
	s.must(s.Server.Restart())
}
