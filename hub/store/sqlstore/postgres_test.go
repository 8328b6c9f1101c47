package sqlstore_test

import (
	"context"
	"database/sql"
	"testing"

	"go.uber.org/goleak"

	"sourire/hub/store/sqlstore"
	"sourire/hub/store/storetest"
	"sourire/internal/postgrestest"
)

// PostgreSQL passes every suite that SQLite passes.
func TestPostgres(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	t.Run("suites", func(t *testing.T) {
		server := postgrestest.Start(t)
		create := func(t *testing.T) storetest.Database { return onPostgres(server, server.Database()) }
		t.Run("ingest", func(t *testing.T) { storetest.Ingest(t, create) })
		t.Run("delivery", func(t *testing.T) { storetest.Delivery(t, create) })
		t.Run("insight", func(t *testing.T) {
			storetest.Insight(t, func(t *testing.T) storetest.InsightStore { return dial(t, server.Database()) })
		})
	})
	goleak.VerifyNone(t, leaks)
}

// dial returns a store that is closed when the test ends.
func dial(tb testing.TB, address string) *sqlstore.Store {
	tb.Helper()
	s := dialed(tb, address)
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func dialed(tb testing.TB, address string) *sqlstore.Store {
	tb.Helper()
	s, err := sqlstore.Dial(context.Background(), address, sqlstore.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// onPostgres is a database of a server as the suites need it.
func onPostgres(server *postgrestest.Server, address string) storetest.Database {
	db := behind(func(tb testing.TB, do func(*sql.DB) error) {
		tb.Helper()
		db, err := sql.Open("pgx", address)
		if err != nil {
			tb.Fatal(err)
		}
		defer db.Close()
		if err := do(db); err != nil {
			tb.Fatal(err)
		}
	}).database()
	db.Open = func(tb testing.TB) storetest.IngestStore { return dialed(tb, address) }
	db.Copy = func(tb testing.TB) storetest.Database {
		tb.Helper()
		copied := server.Database()
		server.Exec(copied, server.Dump(address))
		return onPostgres(server, copied)
	}
	return db
}
