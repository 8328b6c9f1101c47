package sqlstore_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"sourire/hub/ingest"
	"sourire/hub/store/sqlstore"
	"sourire/hub/store/storetest"
	"sourire/internal/feedback"
	"sourire/internal/sqlite"
)

func TestStore_ingest(t *testing.T) {
	t.Parallel() // what takes long shares the cores
	storetest.Ingest(t, create)
}

func TestStore_delivery(t *testing.T) {
	t.Parallel() // what takes long shares the cores
	storetest.Delivery(t, create)
}

func create(t *testing.T) storetest.Database {
	return database(filepath.Join(t.TempDir(), "hub.db"))
}

// database is a SQLite file as the suites need it; what they do behind the
// store's back goes through a connection of its own.
func database(path string) storetest.Database {
	db := behind(func(tb testing.TB, do func(*sql.DB) error) {
		tb.Helper()
		db, err := sqlite.Open(path, sqlite.Options{MustExist: true})
		if err != nil {
			tb.Fatal(err)
		}
		defer db.Close()
		if err := do(db.Write); err != nil {
			tb.Fatal(err)
		}
	}).database()
	db.Open = func(tb testing.TB) storetest.IngestStore {
		tb.Helper()
		s, err := sqlstore.Open(context.Background(), path)
		if err != nil {
			tb.Fatal(err)
		}
		return s
	}
	db.Copy = func(tb testing.TB) storetest.Database {
		tb.Helper()
		to := filepath.Join(tb.TempDir(), "copy.db")
		s, err := sqlstore.Open(context.Background(), path)
		if err != nil {
			tb.Fatal(err)
		}
		defer s.Close()
		if _, err := s.Backup(context.Background(), to, sqlstore.Manifest{}, nil); err != nil {
			tb.Fatal(err)
		}
		return database(to)
	}
	return db
}

// behind does something in a database behind the store's back.
type behind func(testing.TB, func(*sql.DB) error)

// database is what the suites do behind the store's back; opening and copying are
// left to be filled in.
func (b behind) database() storetest.Database {
	exec := func(query string) func(testing.TB, ingest.Key, feedback.Seq, time.Time) {
		return func(tb testing.TB, key ingest.Key, seq feedback.Seq, at time.Time) {
			tb.Helper()
			b(tb, func(db *sql.DB) error {
				_, err := db.Exec(query, at.Unix()/86400, seq, key.Kiosk, int64(key.Epoch))
				return err
			})
		}
	}
	return storetest.Database{
		Obstruct: exec("INSERT INTO record (day, seq, body, source) SELECT CAST($1 AS BIGINT), $2, '[]', id FROM source WHERE kiosk = $3 AND epoch = $4"),
		Clear:    exec("DELETE FROM record WHERE day = $1 AND seq = $2 AND source = (SELECT id FROM source WHERE kiosk = $3 AND epoch = $4)"),
		Exec: func(tb testing.TB, query string) {
			tb.Helper()
			b(tb, func(db *sql.DB) error {
				_, err := db.Exec(query)
				return err
			})
		},
		Try: func(tb testing.TB, query string) (err error) {
			tb.Helper()
			b(tb, func(db *sql.DB) error {
				_, err = db.Exec(query)
				return nil
			})
			return err
		},
		Age: func(tb testing.TB, key ingest.Key) {
			tb.Helper()
			b(tb, func(db *sql.DB) error {
				_, err := db.Exec("UPDATE source SET rule = 0 WHERE kiosk = $1 AND epoch = $2", key.Kiosk, int64(key.Epoch))
				return err
			})
		},
		Comments: func(tb testing.TB, key ingest.Key) map[feedback.Seq]string {
			tb.Helper()
			out := make(map[feedback.Seq]string)
			b(tb, func(db *sql.DB) error {
				rows, err := db.Query("SELECT seq, text FROM comment WHERE source = (SELECT id FROM source WHERE kiosk = $1 AND epoch = $2)", key.Kiosk, int64(key.Epoch))
				if err != nil {
					return err
				}
				defer rows.Close()
				for rows.Next() {
					var seq feedback.Seq
					var text string
					if err := rows.Scan(&seq, &text); err != nil {
						return err
					}
					out[seq] = text
				}
				return rows.Err()
			})
			return out
		},
		Refused: func(tb testing.TB, kiosk feedback.KioskID) (kept int, size, counted int64) {
			tb.Helper()
			b(tb, func(db *sql.DB) error {
				return db.QueryRow(`SELECT count(*), coalesce(sum(length(payload)), 0),
					(SELECT coalesce(sum(n), 0) FROM refusals WHERE kiosk = $1) FROM refused WHERE kiosk = $1`, kiosk).Scan(&kept, &size, &counted)
			})
			return kept, size, counted
		},
	}
}
