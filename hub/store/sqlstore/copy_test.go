package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sourire/hub/ingest"
	"sourire/hub/store/sqlstore"
	"sourire/hub/verify"
	"sourire/internal/postgrestest"
	"sourire/internal/sqlite"
)

func openStore(tb testing.TB, path string) *sqlstore.Store {
	tb.Helper()
	s, err := sqlstore.Open(tb.Context(), path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() }) // twice, where the test has closed it
	return s
}

func openCopy(tb testing.TB, path string) *sqlstore.Store {
	tb.Helper()
	s, err := sqlstore.OpenCopy(tb.Context(), path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return s
}

// contents reads every table of a file that has rows, as text.
func contents(tb testing.TB, path string) map[string][]string {
	tb.Helper()
	db, err := sqlite.Open(path, sqlite.Options{MustExist: true})
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	lines := func(query string) (out []string) {
		rows, err := db.Read.Query(query)
		if err != nil {
			tb.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var line string
			if err := rows.Scan(&line); err != nil {
				tb.Fatal(err)
			}
			out = append(out, line)
		}
		if err := rows.Err(); err != nil {
			tb.Fatal(err)
		}
		return out
	}
	out := make(map[string][]string)
	for _, name := range lines("SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'schema_migration'") {
		columns := lines("SELECT 'quote(\"' || name || '\")' FROM pragma_table_info('" + name + "') ORDER BY name")
		out[name] = lines("SELECT " + strings.Join(columns, " || ', ' || ") + " FROM \"" + name + "\" ORDER BY 1")
	}
	return out
}

// fillAll puts a row into every table that fill leaves empty: one that is added to
// the schema appears here, or the copy is not shown to take it along.
func fillAll(t *testing.T, path string) {
	t.Helper()
	s := openStore(t, path)
	fill(t, s)
	// What was stored in March, which is one of the two journals.
	_, n, err := s.Pack(t.Context(), termOf(t, s), ingest.Place{}, ingest.Packing{Before: releasedAt().AddDate(0, 0, 1), Records: 1000})
	if err != nil || n == 0 {
		t.Fatalf("got %d records packed, %v", n, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sqlite.Open(path, sqlite.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for table, values := range map[string]string{
		"comment":   "(source, seq, salt, text, at) VALUES (1, 5, X'', 'a' || char(0) || 'é', 7)",
		"floor":     "(source, seq, hash, state) VALUES (99, 0, zeroblob(16), CAST('{}' AS BLOB))",
		"audit":     "(at, who, what, was, became) VALUES (1, 'Zoé', 'keep', '', '{}')",
		"retention": "(one, at, deleted, upto) VALUES (1, 5, '{\"records\":1}', '{}')",
		"site":      "(id, name, zone) VALUES ('store-1', 'Zoé''s', 'Europe/Paris')",
		"day_zone":  "(site, zone, rules) VALUES ('store-3', 'Europe/Paris', -7)",
		"rebuild":   "(one, id, phase, done, total, why) VALUES (1, 'x', 'done', 1, 2, '')",
	} {
		if _, err := db.Write.Exec("INSERT OR IGNORE INTO " + table + " " + values); err != nil {
			t.Fatal(err)
		}
	}
	// Rows that count nothing, so that the store still proves itself.
	counts := " (asked, %s, " + strings.Join(countColumns(), ", ") + ") VALUES (1, 1" + strings.Repeat(", 0", len(countColumns())) + ")"
	for table, key := range map[string]string{"settled": "bucket", "settled_day": "day"} {
		if _, err := db.Write.Exec("INSERT INTO " + table + fmt.Sprintf(counts, key)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Write.Exec("UPDATE source SET closed = 1, epoch = -5 WHERE id = 2"); err != nil {
		t.Fatal(err)
	}
	for name, rows := range contents(t, path) {
		if len(rows) == 0 {
			t.Errorf("table %s is empty: give it a row in fillAll, so that this test shows that a copy takes it along", name)
		}
	}
}

// countColumns are the columns of counts.
func countColumns() (out []string) {
	for i := range 11 {
		out = append(out, fmt.Sprint("s", i))
	}
	return append(out, "test", "technician", "cleaning", "stuck", "closed", "play", "undated", "presses", "aside_presses", "mixed", "insistent")
}

// Everything goes from a file into PostgreSQL and back, byte for byte, and both
// stores prove the same and go on.
func TestCopy(t *testing.T) {
	server := postgrestest.Start(t)
	path := filepath.Join(t.TempDir(), "hub.db")
	fillAll(t, path)
	file, db := openStore(t, path), dial(t, server.Database())
	var last [2]int64
	reports := make([]verify.Report, 2)
	o := sqlstore.CopyOptions{
		Progress: func(done, total int64) { last = [2]int64{done, total} },
		Check: func(source, copied verify.Store) error {
			for i, s := range []verify.Store{source, copied} {
				var err error
				if reports[i], err = verify.Run(t.Context(), s, "", nil); err != nil {
					return err
				}
			}
			return nil
		},
	}
	if _, err := file.CopyTo(t.Context(), db, o); err != nil {
		t.Fatal(err)
	}
	if last[0] != last[1] || last[0] == 0 {
		t.Errorf("got progress %v, want all of all", last)
	}
	if !reflect.DeepEqual(reports[0], reports[1]) || len(reports[0].Findings) != 2 {
		t.Errorf("got %+v and %+v, want the same", reports[0], reports[1])
	}
	if _, err := file.CopyTo(t.Context(), db, o); !errors.Is(err, sqlstore.ErrNotEmpty) {
		t.Errorf("got %v for a database that holds a store, want ErrNotEmpty", err)
	}
	back := filepath.Join(t.TempDir(), "back.db")
	m, err := db.Backup(t.Context(), back, sqlstore.Manifest{Program: "x"}, nil)
	if err != nil || m.Rows["record"] == 0 || m.Store == "" {
		t.Fatalf("got %+v, %v", m, err)
	}
	want, got := contents(t, path), contents(t, back)
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if name != "meta" && !slices.Equal(got[name], want[name]) {
			t.Errorf("table %s: got %q, want %q", name, got[name], want[name])
		}
	}
	// The numbers of rows go on where they ended.
	stillPresses(t, db)
	stillPresses(t, openStore(t, back))
}

// stillPresses stores presses of a kiosk that is new.
func stillPresses(t *testing.T, s *sqlstore.Store) {
	t.Helper()
	k := newKiosk(t, s, "new-kiosk")
	k.Send()
	r, err := verify.Run(t.Context(), s, "new-kiosk", nil)
	if err != nil || !r.OK() || r.Findings[0].Presses != 1 {
		t.Errorf("got %+v, %v", r, err)
	}
}

// A copy that broke off is refused by whoever opens it, and begun anew.
func TestCopy_brokenOff(t *testing.T) {
	server := postgrestest.Start(t)
	path := filepath.Join(t.TempDir(), "hub.db")
	fillAll(t, path)
	file, address := openStore(t, path), server.Database()
	errBroken := errors.New("broken off")
	db := dial(t, address)
	into := func(to *sqlstore.Store, from *sqlstore.Store) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		_, err := from.CopyTo(ctx, to, sqlstore.CopyOptions{Progress: func(done, total int64) {
			if done > total/4 {
				cancel()
			}
		}})
		if !errors.Is(err, context.Canceled) && err == nil {
			t.Fatalf("got %v, want it broken off", err)
		}
		_, err = from.CopyTo(t.Context(), to, sqlstore.CopyOptions{Check: func(verify.Store, verify.Store) error { return errBroken }})
		if !errors.Is(err, errBroken) {
			t.Fatalf("got %v, want %v", err, errBroken)
		}
	}
	into(db, file)
	refused(t, address, sqlstore.Options{}, "begun and not finished", "copy or restore again")
	again, err := sqlstore.Dial(t.Context(), address, sqlstore.Options{ForCopy: true})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if _, err := file.CopyTo(t.Context(), again, sqlstore.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	stillPresses(t, dial(t, address))

	to := filepath.Join(t.TempDir(), "to.db")
	half := openCopy(t, to)
	into(half, db)
	if err := half.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlstore.Open(t.Context(), to); !errors.Is(err, sqlstore.ErrIncomplete) {
		t.Errorf("got %v, want ErrIncomplete", err)
	}
	if _, err := db.CopyTo(t.Context(), openCopy(t, to), sqlstore.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	stillPresses(t, openStore(t, to))
}

// A database is empty when no hub has served it and no table has a row: whatever
// stands in any of them is somebody's, and refused by the name of its table.
func TestCopy_notEmpty(t *testing.T) {
	server := postgrestest.Start(t)
	path := filepath.Join(t.TempDir(), "hub.db")
	fillAll(t, path)
	file := openStore(t, path)
	var tables []string
	for name := range contents(t, path) {
		if name != "meta" {
			tables = append(tables, name)
		}
	}
	slices.Sort(tables)
	for _, name := range tables {
		t.Run(name, func(t *testing.T) {
			address, _ := server.Schema()
			db := dial(t, address)
			if _, err := file.CopyTo(t.Context(), db, sqlstore.CopyOptions{}); err != nil {
				t.Fatal(err)
			}
			server.Exec(address, "ALTER TABLE audit DISABLE TRIGGER USER")
			for _, other := range tables {
				if other != name {
					server.Exec(address, `TRUNCATE "`+other+`"`)
				}
			}
			want := "table " + name + " is not empty"
			if name == "term" {
				want = "a hub has served it"
			} else {
				server.Exec(address, "INSERT INTO term (one, n, zoning) VALUES (1, 0, 0)")
			}
			if _, err := file.CopyTo(t.Context(), db, sqlstore.CopyOptions{}); !errors.Is(err, sqlstore.ErrNotEmpty) || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want ErrNotEmpty and %q", err, want)
			}
			var n int
			q, err := sql.Open("pgx", address)
			if err != nil {
				t.Fatal(err)
			}
			defer q.Close()
			if err := q.QueryRow(`SELECT count(*) FROM "` + name + `"`).Scan(&n); err != nil || n == 0 {
				t.Errorf("got %d rows left, %v, want them untouched", n, err)
			}
		})
	}
	t.Run("opened and never served", func(t *testing.T) {
		address, _ := server.Schema()
		if err := dial(t, address).Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := file.CopyTo(t.Context(), dial(t, address), sqlstore.CopyOptions{}); err != nil {
			t.Error(err)
		}
	})
}

// While a copy is made, and after it broke off, nobody takes the database over,
// however early they opened it; and a copy that was overtaken by another writes no
// row more.
func TestCopy_guardsItsTarget(t *testing.T) {
	server := postgrestest.Start(t)
	path := filepath.Join(t.TempDir(), "hub.db")
	fillAll(t, path)
	file, address := openStore(t, path), server.Database()
	waits, first, second := dial(t, address), dial(t, address), dial(t, address)
	overtaken := false
	_, err := file.CopyTo(t.Context(), first, sqlstore.CopyOptions{Progress: func(int64, int64) {
		if overtaken {
			return
		}
		overtaken = true
		if _, err := waits.TakeOver(t.Context()); !errors.Is(err, sqlstore.ErrIncomplete) {
			t.Errorf("got %v, want ErrIncomplete", err)
		}
		if _, err := elect(t, waits, "early").TakeOver(t.Context()); !errors.Is(err, sqlstore.ErrIncomplete) {
			t.Errorf("got %v, want ErrIncomplete", err)
		}
		again, err := sqlstore.Dial(t.Context(), address, sqlstore.Options{ForCopy: true})
		if err != nil {
			t.Error(err)
			return
		}
		defer again.Close()
		if _, err := file.CopyTo(t.Context(), again, sqlstore.CopyOptions{}); err != nil {
			t.Errorf("the copy that overtakes: %v", err)
		}
	}})
	if err == nil || !strings.Contains(err.Error(), "another copy into the same database") {
		t.Errorf("got %v, want that another copy was begun", err)
	}
	r, err := verify.Run(t.Context(), second, "", nil)
	if err != nil || !r.OK() || len(r.Findings) != 2 {
		t.Errorf("got %v, %d journals, %v, want the other copy whole", r.Problems, len(r.Findings), err)
	}
	if _, err := waits.TakeOver(t.Context()); err != nil {
		t.Error(err)
	}
}

// Both schemas have the same tables and columns, or a copy would refuse or, where
// PostgreSQL has one more, miss it.
func TestCopy_sameTables(t *testing.T) {
	// Tables of one database alone, with the reason why a copy need not have them.
	alone := map[string]string{}
	server := postgrestest.Start(t)
	address := server.Database()
	_ = dial(t, address)
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT c.relname FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	path := filepath.Join(t.TempDir(), "hub.db")
	_ = openStore(t, path)
	file := contents(t, path)
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		if _, ok := file[name]; !ok && name != "schema_migration" && alone[name] == "" {
			t.Errorf("table %s is in PostgreSQL's schema only, so that copy, backup and restore do not take it along: add it to SQLite's schema, or say in this test why it may be missing", name)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}
