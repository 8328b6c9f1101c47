package sqlstore_test

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sourire/hub/fleet"
	"sourire/hub/ingest"
	"sourire/hub/insight"
	"sourire/hub/site"
	"sourire/hub/store/sqlstore"
	"sourire/hub/store/storetest"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	"sourire/internal/postgrestest"
	"sourire/internal/sqlite"
)

// At a release, run this with the flag and commit what it writes: a database as
// that release leaves it, which every later one must migrate.
//
//	go test ./hub/store/sqlstore -run TestReleased_write -released 1.0
//
// Files that are there are never written again.
var released = flag.String("released", "", "write testdata/released for this release")

func releasedAt() time.Time { return time.Date(2026, 3, 31, 23, 58, 0, 0, time.UTC) }

// fill puts something into every table, over the end of a month. The kiosk it returns has sent everything.
func fill(tb testing.TB, s *sqlstore.Store) *storetest.Kiosk {
	tb.Helper()
	ctx := context.Background()
	must := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	k := releasedKiosk(tb, s, releasedAt())
	k.Send()
	later := releasedAt().Add(5 * time.Minute)
	g := storetest.Ingester(tb, s, func() time.Time { return later })
	lost := storetest.NewKiosk(tb, g, "store-2-till", later)
	lost.Asks(later, feedback.Asked{Site: "store-2", Touchpoint: "till", Survey: "visit", Scale: "nps"})
	lost.Press(later, 9)
	lost.Send()
	lost.Press(later.Add(time.Minute), 10)
	lost.Lose()
	lost.Verbatim([]byte(`["press",1,9000000,"x",80]`))
	lost.Press(later.Add(3*time.Minute), 0)
	lost.Comment(later.Add(4*time.Minute), lost.Next()-1, "Trop d'attente \x00 é")
	lost.Send()
	paris, err := site.New("store-1", "Zoé's", "Europe/Paris")
	must(err)
	must(s.PutSites(ctx, []site.Site{paris}))
	must(s.PutZone(ctx, time.UTC))
	must(s.Refuse(ctx, []ingest.Refused{{Kiosk: "stranger", At: later, Refusal: "unreadable", Why: "it is no JSON", Payload: []byte("\x00\xff")}}))
	must(s.PutSightings(ctx, []fleet.Sighting{{Kiosk: "store-1-exit", Session: 7, Online: true, Version: "1.0", Epoch: 1, Next: k.Next(), HeardAt: later, LastAt: later}}))
	_, err = s.Publish(ctx, insight.Move{Snapshot: insight.Snapshot{Site: "store-1", Day: "2026-04-01", Body: []byte("{}"), At: later.UnixMilli()}})
	must(err)
	_, err = g.Rebuild(ctx, s, "1.0", nil)
	must(err)
	return k
}

// releasedKiosk is a kiosk that has 20 presses to send, the same ones each time.
func releasedKiosk(tb testing.TB, s *sqlstore.Store, now time.Time) *storetest.Kiosk {
	tb.Helper()
	k := storetest.NewKiosk(tb, storetest.Ingester(tb, s, func() time.Time { return now }), "store-1-exit", releasedAt().Add(-time.Hour))
	at := releasedAt().Add(-30 * time.Minute)
	k.Asks(at, feedback.Asked{Site: "store-1", Touchpoint: "exit", Survey: "visit", Scale: "smiley3"})
	for i := range 20 {
		k.Press(at.Add(time.Duration(i)*20*time.Second), i%3)
	}
	return k
}

// stillWhole checks a database that an older release has filled, and goes on with
// its kiosk.
func stillWhole(t *testing.T, s *sqlstore.Store) {
	t.Helper()
	proved := func(want int64) {
		t.Helper()
		r, err := verify.Run(t.Context(), s, "", nil)
		if err != nil || !r.OK() || len(r.Findings) != 2 {
			t.Fatalf("got %+v, %v, want two journals without a problem", r, err)
		}
		var presses, lost, bad int64
		for _, f := range r.Findings {
			presses, lost, bad = presses+f.Presses, lost+f.Lost, bad+f.Quarantined
		}
		if presses != want || lost != 1 || bad != 1 {
			t.Errorf("got %d presses, %d lost and %d in quarantine, want %d, 1 and 1", presses, lost, bad, want)
		}
	}
	proved(22)
	k := releasedKiosk(t, s, releasedAt().AddDate(0, 2, 0))
	for i := range 5 {
		k.Press(releasedAt().Add(time.Duration(i)*time.Hour), 2)
	}
	k.Send()
	proved(27)
	for _, records := range []int{1000, 3} {
		packAll(t, s, records)
		proved(27)
		if err := s.UnpackAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		proved(27)
	}
	packAll(t, s, 1000)
	seen, err := s.Sightings(t.Context())
	if err != nil || len(seen) != 1 || !seen[0].Online || seen[0].Version != "1.0" {
		t.Errorf("got sightings %+v, %v", seen, err)
	}
}

func TestReleased(t *testing.T) {
	server := postgrestest.Start(t)
	t.Run("this one", func(t *testing.T) {
		s, err := sqlstore.Open(t.Context(), filepath.Join(t.TempDir(), "hub.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		p := dial(t, server.Database())
		for _, s := range []*sqlstore.Store{s, p} {
			fill(t, s)
			stillWhole(t, s)
		}
	})
	files, err := filepath.Glob(filepath.Join("testdata", "released", "*.sql"))
	if err != nil || len(files) < 2 {
		t.Fatalf("got %v, %v, want a database of each kind at least", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(filepath.Base(file), "postgres-") {
				address := server.Database()
				server.Exec(address, string(text))
				stillWhole(t, dial(t, address))
				for _, table := range besides(file) {
					if count(t, address, "SELECT count(*) FROM "+table) == 0 {
						t.Errorf("what was in table %s is gone", table)
					}
				}
				return
			}
			path := filepath.Join(t.TempDir(), "hub.db")
			loadSQLite(t, path, string(text))
			s, err := sqlstore.Open(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			stillWhole(t, s)
			left := contents(t, path)
			for _, table := range besides(file) {
				if len(left[table]) == 0 {
					t.Errorf("what was in table %s is gone", table)
				}
			}
		})
	}
}

// besides are tables of a released database of which verify proves nothing.
func besides(file string) []string {
	if strings.HasSuffix(file, "-2026-11.sql") {
		return nil
	}
	return []string{"comment", "site", "published", "refused", "refusals", "kiosk", "rebuild"}
}

// A database that was released has a row in every table, or the steps to come are
// not shown to take all of them along. The first two were written before that.
func TestReleased_complete(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "released", "*.sql"))
	if err != nil {
		t.Fatal(err)
	}
	complete := 0
	for _, file := range files {
		if strings.HasSuffix(file, "-2026-11.sql") {
			continue
		}
		complete++
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		filled := make(map[string]bool)
		for _, m := range regexp.MustCompile(`(?m)^INSERT INTO (?:public\.)?"?(\w+)`).FindAllStringSubmatch(string(text), -1) {
			name := regexp.MustCompile(`_\d{4}_\d{2}$`).ReplaceAllString(m[1], "") // a month of it
			filled[name] = true
		}
		tables := regexp.MustCompile(`(?m)^CREATE TABLE (?:IF NOT EXISTS )?(?:public\.)?"?(\w+)`).FindAllStringSubmatch(string(text), -1)
		if len(tables) < 20 {
			t.Errorf("%s: got %d tables, want all", file, len(tables))
		}
		for _, m := range tables {
			if name := m[1]; !filled[name] && !regexp.MustCompile(`_\d{4}_\d{2}$`).MatchString(name) {
				t.Errorf("%s: table %s has no row: give it one in fill", file, name)
			}
		}
	}
	if complete < 2 {
		t.Errorf("got %d databases, want one of each kind", complete)
	}
}

func TestReleased_write(t *testing.T) {
	if *released == "" {
		return
	}
	write := func(kind, text string) {
		path := filepath.Join("testdata", "released", kind+"-"+*released+".sql")
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "hub.db")
	s, err := sqlstore.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	write("sqlite", dumpSQLite(t, path))

	server := postgrestest.Start(t)
	address := server.Database()
	fill(t, dial(t, address))
	var kept []string
	for line := range strings.Lines(server.Dump(address, "--inserts", "--no-owner", "--no-privileges")) {
		// Comments name the server's version, and commands of psql are new in some.
		if !strings.HasPrefix(line, "--") && !strings.HasPrefix(line, `\`) && line != "\n" {
			kept = append(kept, line)
		}
	}
	write("postgres", strings.Join(kept, ""))
}

func loadSQLite(t *testing.T, path, text string) {
	t.Helper()
	db, err := sqlite.Open(path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Update(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.Exec(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// dumpSQLite writes a database as statements that make it again.
func dumpSQLite(t *testing.T, path string) string {
	t.Helper()
	db, err := sqlite.Open(path, sqlite.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	lines := func(query string) []string {
		rows, err := db.Read.Query(query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		var out []string
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				t.Fatal(err)
			}
			out = append(out, line)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return out
	}
	var b strings.Builder
	for _, statement := range lines("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid") {
		fmt.Fprintf(&b, "%s;\n", statement)
	}
	for _, name := range lines("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rowid") {
		columns := lines("SELECT 'quote(\"' || name || '\")' FROM pragma_table_info('" + name + "')")
		for _, values := range lines("SELECT " + strings.Join(columns, " || ', ' || ") + " FROM \"" + name + "\"") {
			fmt.Fprintf(&b, "INSERT INTO %s VALUES (%s);\n", name, values)
		}
	}
	return b.String()
}

// newKiosk is a kiosk that has one press to send.
func newKiosk(tb testing.TB, s *sqlstore.Store, id feedback.KioskID) *storetest.Kiosk {
	tb.Helper()
	k := storetest.NewKiosk(tb, storetest.Ingester(tb, s, releasedAt), id, releasedAt())
	k.Asks(releasedAt(), feedback.Asked{Site: "store-9", Touchpoint: "exit", Survey: "visit", Scale: "smiley3"})
	k.Press(releasedAt(), 1)
	return k
}
