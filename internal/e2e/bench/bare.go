package main

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"time"

	"sourire/hub/store/sqlstore"
	"sourire/internal/feedback"
	"sourire/internal/sqlite"
	"sourire/internal/wire"
)

// bare is the store without the hub: the same tables on the same disk, and
// statements that insert rows which are simply made up.
type bare struct {
	db            *sqlite.DB
	record, visit *sql.Stmt
	commit        *sql.Stmt
	next          []int64 // of each source, as many as kiosks
	turn          int     // the source whose batch comes next
}

// bareRows is how many rows a statement inserts: with 10 a row takes 4.2 µs, with
// 50 3.7, with 100 to 500 3.6. Numbered parameters (?1), which would let rows share
// values, take 10: the driver looks each up by name.
const bareRows = 100

// openBare makes the tables with the hub's own schema and opens them as the hub
// does.
func openBare(ctx context.Context, folder string, sources int) (*bare, error) {
	path := filepath.Join(folder, "bare.db")
	store, err := sqlstore.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	if err := store.Close(); err != nil {
		return nil, err
	}
	// The options of sqlstore.Open.
	db, err := sqlite.Open(path, sqlite.Options{CacheKiB: 64 << 10, CheckpointSize: 16 << 10})
	if err != nil {
		return nil, err
	}
	b := &bare{db: db, next: make([]int64, sources)}
	for _, st := range []struct {
		to    **sql.Stmt
		query string
	}{
		{&b.record, "INSERT INTO record (day, source, seq, body) VALUES " + rows(4)},
		{&b.visit, "INSERT INTO visit (source, seq, boot, since, asked, rating, presses, marks, aside, at, within) VALUES " + rows(11)},
		{&b.commit, "INSERT INTO record (day, source, seq, body) VALUES (1, 0, (SELECT ifnull(max(seq), 0) + 1 FROM record WHERE day = 1 AND source = 0), ?)"},
	} {
		if *st.to, err = db.Write.PrepareContext(ctx, st.query); err != nil {
			_ = db.Close()
			return nil, err
		}
	}
	return b, nil
}

func rows(columns int) string {
	row := ", (" + strings.Repeat("?, ", columns-1) + "?)"
	return strings.Repeat(row, bareRows)[2:]
}

func (b *bare) close() error { return b.db.Close() }

// insert writes at least n records and as many visits, in transactions of at
// least size records made of batches, a source each. It returns how many it
// wrote and the wall and CPU time that took.
func (b *bare) insert(ctx context.Context, n, size, batch int) (done int, wall, cpu time.Duration, err error) {
	began, used := time.Now(), ownCPU()
	for done < n {
		err := b.db.Update(ctx, func(tx *sql.Tx) error {
			for in := 0; in < size; in += batch {
				if err := b.batch(ctx, tx, batch); err != nil {
					return err
				}
				done += batch
			}
			return nil
		})
		if err != nil {
			return 0, 0, 0, err
		}
	}
	return done, time.Since(began), ownCPU() - used, nil
}

// batch writes the rows of one batch; its size is a multiple of bareRows.
func (b *bare) batch(ctx context.Context, tx *sql.Tx, size int) error {
	source := b.turn
	b.turn = (b.turn + 1) % len(b.next)
	first := b.next[source] + 1
	b.next[source] += int64(size)
	record, visit := tx.StmtContext(ctx, b.record), tx.StmtContext(ctx, b.visit)
	values := make([]any, 0, 11*bareRows)
	for at := first; at < first+int64(size); at += bareRows {
		values = values[:0]
		for seq := at; seq < at+bareRows; seq++ {
			values = append(values, 20_000, source, seq, pressBody(seq))
		}
		if _, err := record.ExecContext(ctx, values...); err != nil {
			return err
		}
		values = values[:0]
		for seq := at; seq < at+bareRows; seq++ {
			values = append(values, source, seq, 1, 3000*seq, source, seq%3, 1, 0, 0, 1_790_000_000_000+3000*seq, 10)
		}
		if _, err := visit.ExecContext(ctx, values...); err != nil {
			return err
		}
	}
	return nil
}

func pressBody(seq int64) []byte {
	return wire.AppendRecord(nil, feedback.Record{
		Stamp: feedback.Stamp{Boot: 1, Since: 3000 * seq}, Fact: feedback.Press{Rating: int(seq % 3), Held: 80},
	})
}

// commitOne commits one row durably and returns how long that took.
func (b *bare) commitOne(ctx context.Context) (time.Duration, error) {
	body := pressBody(1)
	began := time.Now()
	err := b.db.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.StmtContext(ctx, b.commit).ExecContext(ctx, body)
		return err
	})
	return time.Since(began), err
}
