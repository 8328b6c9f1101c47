package app_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"sourire/hub/app"
	"sourire/hub/store/sqlstore"
	"sourire/internal/link"
	"sourire/internal/postgrestest"
)

// A hub on PostgreSQL starts, stops and starts again; in the place of its database
// an empty one is refused, and nothing is begun in it.
func TestNew_postgres(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	t.Run("lives", func(t *testing.T) {
		server := postgrestest.Start(t)
		s := settings(t)
		s.Store.Postgres = server.Database()
		for range 2 {
			a, err := app.New(t.Context(), options(s))
			if err != nil {
				t.Fatal(err)
			}
			// A broker that is stopped in its first moments leaves goroutines behind.
			conn, err := link.Dial(t.Context(), link.Options{Address: a.BrokerAddr(), ClientID: "k", Username: "k", Password: a.Key()})
			if err != nil {
				t.Fatal(err)
			}
			conn.Close()
			if err := a.Stop(); err != nil {
				t.Fatal(err)
			}
		}
		s.Store.Postgres = server.Database()
		for range 2 {
			a, err := app.New(context.Background(), options(s))
			if err == nil {
				_ = a.Stop()
				t.Fatal("got a hub, want an error")
			}
			if !errors.Is(err, sqlstore.ErrUnused) || !strings.Contains(err.Error(), "last-term") || !strings.Contains(err.Error(), "[store] postgres") {
				t.Errorf("got %q, want it to say that the database is not the one that was served", err)
			}
		}
	})
	goleak.VerifyNone(t, leaks)
}
