package e2e

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sourire/hub/app"
	"sourire/internal/postgrestest"
	"sourire/internal/sqlite"
)

// The shipped hub refuses a database that will not do, in a sentence that names the
// setting and what to do and never the password, and leaves nothing in it.
func TestPrograms_refusesDatabase(t *testing.T) {
	m := newMover(t)
	server := postgrestest.Start(t)
	database := server.Database()
	name := database[strings.LastIndex(database, "/")+1 : strings.Index(database, "?")]
	admin := server.URL("sourire", "", "postgres")
	const secret = "s3cret"
	server.Exec(admin, "CREATE ROLE guest LOGIN PASSWORD '"+secret+"'")
	server.Admit("local all guest scram-sha-256")
	// A server that says that it is an old one, for there is none here.
	old := server.Database()
	server.Exec(old, `CREATE SCHEMA old;
		CREATE FUNCTION old.current_setting(name text) RETURNS text LANGUAGE sql AS $$
			SELECT CASE name WHEN 'server_version_num' THEN '140012' WHEN 'server_version' THEN '14.12' ELSE pg_catalog.current_setting(name) END $$;
		DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = old, pg_catalog', current_database()); END $$`)
	for what, c := range map[string]struct{ address, want string }{
		"no address":       {"host=x password=" + secret, "setting [store] postgres is not the address of a PostgreSQL database: write one like postgres://user@host:5432/database"},
		"broken address":   {"postgres://u:" + secret + "%zz@host/db", "special characters are written as %XX"},
		"nobody there":     {"postgres://u:" + secret + "@127.0.0.1:1/db", "the server cannot be reached, see that it runs, listens there and lets this machine in"},
		"no such database": {server.URL("sourire", secret, "nowhere"), "make it with CREATE DATABASE nowhere OWNER sourire"},
		"wrong password":   {server.URL("guest", "s3cret-wrong", name), "the password is wrong"},
		"no rights":        {server.URL("guest", secret, name), "make it the owner with ALTER DATABASE " + name + " OWNER TO guest"},
		"old server":       {old, "the server is PostgreSQL 14.12 and the hub needs 15 or newer: upgrade it"},
	} {
		t.Run(what, func(t *testing.T) {
			out, ok := m.run("serve", "--data", m.path("hub"), "--store.postgres", c.address, "--web.listen=127.0.0.1:0", "--broker.listen=127.0.0.1:0")
			if ok || !strings.Contains(out, c.want) || !strings.Contains(out, "[store] postgres") || strings.Contains(out, secret) || strings.Count(strings.TrimSpace(out), "\n") > 0 {
				t.Errorf("got %q, want one line that says %q", out, c.want)
			}
		})
	}
	for _, address := range []string{database, old} {
		if tables := server.Dump(address, "--schema-only"); strings.Contains(tables, "CREATE TABLE") {
			t.Errorf("tables were left behind: %s", tables)
		}
	}
}

// A migration of a released database is killed at each of its steps: it is as it
// was, and migrated by the next start, or it is migrated.
func TestKilled_migration(t *testing.T) {
	m := newMover(t)
	released := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join("..", "..", "hub", "store", "sqlstore", "testdata", "released", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	server := postgrestest.Start(t)
	made := 0
	for kind, c := range map[string]struct {
		make  func() []string // flags that name a new database
		calls string
		every int // of so many calls one is tried
		most  int
	}{
		"sqlite": {func() []string {
			made++
			folder := m.path(fmt.Sprint("hub-", made))
			if err := os.Mkdir(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			db, err := sqlite.Open(filepath.Join(folder, app.FileName), sqlite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if err := db.Update(t.Context(), func(tx *sql.Tx) error { _, err := tx.Exec(released("sqlite-2026-11.sql")); return err }); err != nil {
				t.Fatal(err)
			}
			return []string{"--data", folder}
		}, "force truncate remove", 1, 100},
		"postgres": {func() []string {
			address := server.Database()
			server.Exec(address, released("postgres-2026-11.sql"))
			return []string{"--data", m.path("none"), "--store.postgres", address}
		}, "send", 3, 45},
	} {
		t.Run(kind, func(t *testing.T) {
			m := &mover{t: t, program: m.program, dir: t.TempDir()}
			verify := func(store []string) []string { return append([]string{"verify"}, store...) }
			undisturbed := c.make()
			var all []int
			for _, call := range m.calls(verify(undisturbed)...) {
				if strings.Contains(c.calls, call.Name) {
					all = append(all, call.N)
				}
			}
			want, _ := m.count(undisturbed...)
			if len(all) == 0 || want < 20 {
				t.Fatalf("got %d steps and %d records, want some", len(all), want)
			}
			for i, at := range all {
				// Of words to a server the first are those of the migration.
				if i >= c.most || i%c.every > 0 {
					continue
				}
				store := c.make()
				m.kill(at, verify(store)...)
				if n, refused := m.count(store...); n != want {
					t.Errorf("killed at call %d: got %d of %d records: %s", at, n, want, refused)
				}
			}
		})
	}
}
