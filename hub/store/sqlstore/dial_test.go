package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"sourire/hub/store/sqlstore"
	"sourire/internal/postgrestest"
)

// The test binary runs itself as a hub that is killed while it migrates the
// database named here.
const migratorVariable = "SOURIRE_TEST_MIGRATOR"

func TestMain(m *testing.M) {
	if path := os.Getenv(keeperVariable); path != "" {
		keep(path)
	}
	address := os.Getenv(migratorVariable)
	if address == "" {
		os.Exit(m.Run())
	}
	_, err := sqlstore.Dial(context.Background(), address, sqlstore.Options{})
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

const secret = "s3cret-pass"

// refused dials and checks the sentence: it names the setting, says what to do,
// and never the password.
func refused(t *testing.T, address string, o sqlstore.Options, want ...string) {
	t.Helper()
	s, err := sqlstore.Dial(t.Context(), address, o)
	if err == nil {
		_ = s.Close()
		t.Errorf("got a store, want a refusal that says %q", want)
		return
	}
	for _, w := range append(want, "[store] postgres") {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("got %q, want it to say %q", err, w)
		}
	}
	if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %q, with the password or on several lines", err)
	}
}

func TestDial_refusesAddresses(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := closed.Addr().String()
	closed.Close()
	for name, c := range map[string]struct{ address, want string }{
		"not an address":  {"user:" + secret + "@host/db", "postgres://user@host:5432/database"},
		"key and value":   {"host=x password=" + secret, "postgres://user@host:5432/database"},
		"broken escape":   {"postgres://u:" + secret + "%zz@host/db", "%XX"},
		"broken port":     {"postgres://u:" + secret + "@host:port/db", "%XX"},
		"unknown sslmode": {"postgres://u:" + secret + "@host/db?sslmode=maybe", "%XX"},
		"nobody there":    {"postgres://u:" + secret + "@" + port + "/db", "cannot be reached"},
		"no such socket":  {"postgres://u:" + secret + "@/db?host=/nowhere", "cannot be reached"},
		"no such host":    {"postgres://u:" + secret + "@host.invalid/db", "cannot be reached"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, c.address, sqlstore.Options{}, c.want) })
	}
}

func TestDial_refusesServers(t *testing.T) {
	server := postgrestest.Start(t)
	admin := server.URL("sourire", "", "postgres")
	server.Exec(admin, "CREATE ROLE guest LOGIN PASSWORD '"+secret+"'; CREATE ROLE hasty LOGIN; ALTER ROLE hasty SET synchronous_commit = off")
	server.Admit("local all guest scram-sha-256", "local all hasty trust")
	database := server.Database()
	name := database[strings.LastIndex(database, "/")+1 : strings.Index(database, "?")]

	t.Run("wrong password", func(t *testing.T) {
		refused(t, server.URL("guest", "s3cret-wrong", name), sqlstore.Options{}, "password is wrong", "PGPASSWORD")
	})
	t.Run("unknown user", func(t *testing.T) {
		refused(t, server.URL("nobody", secret, name), sqlstore.Options{}, "pg_hba.conf")
	})
	t.Run("no database", func(t *testing.T) {
		refused(t, server.URL("sourire", secret, "nowhere"), sqlstore.Options{}, "CREATE DATABASE nowhere OWNER sourire")
	})
	t.Run("no rights", func(t *testing.T) {
		refused(t, server.URL("guest", secret, name), sqlstore.Options{}, "ALTER DATABASE "+name+" OWNER TO guest")
	})
	t.Run("no hub's", func(t *testing.T) {
		refused(t, database, sqlstore.Options{MustExist: true}, "no hub's store")
	})
	t.Run("other encoding", func(t *testing.T) {
		server.Exec(admin, "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
		refused(t, server.URL("sourire", "", "latin"), sqlstore.Options{}, "LATIN1", "UTF8")
	})
	t.Run("synchronous_commit off for the role", func(t *testing.T) {
		server.Exec(admin, "ALTER DATABASE "+name+" OWNER TO hasty")
		refused(t, server.URL("hasty", "", name), sqlstore.Options{}, "synchronous_commit", "ALTER ROLE")
		server.Exec(admin, "ALTER DATABASE "+name+" OWNER TO sourire")
	})
	t.Run("synchronous_commit off in the address", func(t *testing.T) {
		refused(t, database+"&synchronous_commit=off", sqlstore.Options{}, "synchronous_commit")
	})
	if tables := count(t, database, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"); tables != 0 {
		t.Errorf("refusals have left %d tables and indexes", tables)
	}
	t.Run("no rights to make room", func(t *testing.T) {
		address := server.Database()
		if err := dialed(t, address).Close(); err != nil {
			t.Fatal(err)
		}
		server.Exec(address, "GRANT ALL ON ALL TABLES IN SCHEMA public TO guest; GRANT CREATE ON SCHEMA public TO guest")
		name := address[strings.LastIndex(address, "/")+1 : strings.Index(address, "?")]
		refused(t, server.URL("guest", secret, name), sqlstore.Options{}, "tables of the next months", "GRANT")
	})
	for _, setting := range []string{"fsync", "full_page_writes", "synchronous_commit"} {
		t.Run(setting+" off on the server", func(t *testing.T) {
			server.Configure(setting + " = off")
			server.Restart()
			refused(t, database, sqlstore.Options{}, setting, "set it to on")
		})
	}
}

// A server that is told to be careless while the hub runs is not obeyed.
func TestDial_staysDurable(t *testing.T) {
	server := postgrestest.Start(t)
	address := server.Database()
	s := dial(t, address)
	if _, err := s.TakeOver(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Configure("synchronous_commit = off")
	server.Reload()
	server.Exec(address, `CREATE TABLE seen (v text);
		CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$;
		CREATE TRIGGER look AFTER UPDATE ON term FOR EACH ROW EXECUTE FUNCTION look()`)
	if _, err := s.TakeOver(t.Context()); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var v string
	if err := db.QueryRow("SELECT v FROM seen").Scan(&v); err != nil || v != "on" {
		t.Errorf("the hub committed with synchronous_commit %s, %v, want on", v, err)
	}
}

func count(t *testing.T, address, query string) (n int) {
	t.Helper()
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDial_migrates(t *testing.T) {
	server := postgrestest.Start(t)
	t.Run("several hubs at once", func(t *testing.T) {
		address := server.Database()
		var wg sync.WaitGroup
		ids := make(chan string, 4)
		for range cap(ids) {
			wg.Go(func() {
				s, err := sqlstore.Dial(t.Context(), address, sqlstore.Options{})
				if err != nil {
					t.Error(err)
					return
				}
				defer s.Close()
				id, err := s.ID(t.Context())
				if err != nil {
					t.Error(err)
				}
				ids <- id
			})
		}
		wg.Wait()
		close(ids)
		first := <-ids
		for id := range ids {
			if id != first || id == "" {
				t.Errorf("got id %q beside %q, want one store", id, first)
			}
		}
	})
	t.Run("a newer schema", func(t *testing.T) {
		address := server.Database()
		if err := dialed(t, address).Close(); err != nil {
			t.Fatal(err)
		}
		server.Exec(address, "INSERT INTO schema_migration VALUES (99, 'later', 'x')")
		refused(t, address, sqlstore.Options{}, "newer than this program", "run the newer program")
	})
	t.Run("a changed schema", func(t *testing.T) {
		address := server.Database()
		if err := dialed(t, address).Close(); err != nil {
			t.Fatal(err)
		}
		server.Exec(address, "UPDATE schema_migration SET checksum = 'x' WHERE version = 1")
		refused(t, address, sqlstore.Options{}, "step 1 (001_store) differs")
	})
	t.Run("a hub that is killed", func(t *testing.T) { killMigrator(t, server) })
}

// killMigrator stops a migration in its middle, at a name that somebody else is
// about to take, and kills the hub there: the database is as it was, and the next
// one migrates it.
func killMigrator(t *testing.T, server *postgrestest.Server) {
	address := server.Database()
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("CREATE TABLE visit (n integer)"); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), migratorVariable+"="+address)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	waiting := `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sourire-hub' AND wait_event_type = 'Lock' AND datname = current_database()`
	until(t, func() bool { return count(t, address, waiting) == 1 })
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool {
		return count(t, address, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'sourire-hub' AND datname = current_database()") == 0
	})
	if n := count(t, address, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"); n != 0 {
		t.Errorf("the killed migration has left %d tables and indexes", n)
	}
	s := dial(t, address)
	if _, err := s.TakeOver(t.Context()); err != nil {
		t.Error(err)
	}
}

// until waits for something that other processes do.
func until(t *testing.T, done func() bool) {
	t.Helper()
	late := time.After(30 * time.Second)
	for tick := time.NewTicker(10 * time.Millisecond); !done(); {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("it does not come")
		}
	}
}
