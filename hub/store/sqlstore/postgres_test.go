package sqlstore_test

import (
	"context"
	"database/sql"
	"maps"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sourire/hub/fleet"
	"sourire/hub/store/sqlstore"
	"sourire/hub/store/storetest"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	"sourire/internal/postgrestest"
)

// PostgreSQL passes every suite that SQLite passes.
func TestPostgres(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	t.Run("suites", func(t *testing.T) {
		server := postgrestest.Start(t)
		create := func(t *testing.T) storetest.Database {
			address, schema := server.Schema()
			return onPostgres(server, address, schema)
		}
		t.Run("ingest", func(t *testing.T) { storetest.Ingest(t, create) })
		t.Run("delivery", func(t *testing.T) { storetest.Delivery(t, create) })
		t.Run("insight", func(t *testing.T) {
			storetest.Insight(t, func(t *testing.T) storetest.InsightStore { return dial(t, server.Database()) })
		})
		t.Run("archive", func(t *testing.T) { storetest.Archive(t, create) })
		t.Run("packed", func(t *testing.T) { storetest.Ingest(t, packing(t, create)) })
		t.Run("fleet", func(t *testing.T) {
			storetest.Fleet(t, func(t *testing.T) fleet.Store { return dial(t, server.Database()) })
		})
		t.Run("months", func(t *testing.T) { months(t, server.Database()) })
	})
	goleak.VerifyNone(t, leaks)
}

// months stores presses in January, in March, at both sides of a year's end and
// in a month that is over: each record lies where its month is.
func months(t *testing.T, address string) {
	s := dial(t, address)
	now := time.Date(2026, 1, 30, 0, 0, 0, 0, time.UTC)
	g := storetest.Ingester(t, s, func() time.Time { return now })
	k := storetest.NewKiosk(t, g, "k", now)
	k.Asks(now, feedback.Asked{Site: "lyon", Touchpoint: "exit", Survey: "visit", Scale: "smiley3"})
	for _, at := range []string{"2026-01-31", "2026-03-01", "2026-12-31", "2027-01-01", "2026-03-31"} {
		day, err := time.Parse(time.DateOnly, at)
		if err != nil {
			t.Fatal(err)
		}
		now = day.Add(time.Hour)
		k.Press(now, 2)
		k.Send()
	}
	want := map[string]int{"record_2026_01": 4, "record_2026_03": 2, "record_2026_12": 1, "record_2027_01": 1}
	got := make(map[string]int)
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT tableoid::regclass::text, count(*) FROM record GROUP BY 1")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var n int
		if err := rows.Scan(&name, &n); err != nil {
			t.Fatal(err)
		}
		got[name] = n
	}
	if err := rows.Err(); err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if r, err := verify.Run(t.Context(), s, "", nil); err != nil || !r.OK() {
		t.Errorf("got %+v, %v", r, err)
	}
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

// onPostgres is a schema of a database of a server as the suites need it.
func onPostgres(server *postgrestest.Server, address, schema string) storetest.Database {
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
		server.Exec(copied, server.Dump(address, "--schema="+schema))
		return onPostgres(server, postgrestest.In(copied, schema), schema)
	}
	return db
}
