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

// Beside a hub with a broker of its own there is room for no other: one that has
// its own too is refused in a sentence, and may come when the first has gone.
func TestNew_embeddedBrokerServesOne(t *testing.T) {
	server := postgrestest.Start(t)
	first, second := settings(t), settings(t)
	first.Store.Postgres = server.Database()
	second.Store.Postgres = first.Store.Postgres
	a, err := app.New(t.Context(), options(first))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := link.Dial(t.Context(), link.Options{Address: a.BrokerAddr(), ClientID: "k", Username: "k", Password: a.Key()})
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	b, err := app.New(t.Context(), options(second))
	if err == nil {
		_ = b.Stop()
		t.Fatal("got a second hub, want an error")
	}
	for _, want := range []string{"the embedded broker serves exactly one hub", "[broker] address", a.WebAddr()} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want %q in it", err, want)
		}
	}
	store, err := app.OpenStore(t.Context(), second, sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var taken app.OtherHubError
	if err := app.Alone(t.Context(), store, "import", func(int64) error { return nil }); !errors.As(err, &taken) {
		t.Errorf("got %v for an import beside a hub, want that another hub is there", err)
	}
	if err := a.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := app.Alone(t.Context(), store, "import", func(int64) error { return nil }); err != nil {
		t.Error(err)
	}
	if b, err = app.New(t.Context(), options(second)); err != nil {
		t.Fatal(err)
	}
	if err := b.Stop(); err != nil {
		t.Error(err)
	}
}
