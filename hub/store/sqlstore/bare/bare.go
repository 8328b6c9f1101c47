// Package bare is the limit that the hub on PostgreSQL is measured against: the
// hub's own tables on the same server, and nobody who thinks.
//
// It stands beside the line: the benchmark of hub/store/sqlstore and
// internal/e2e/bench alternate it with a hub. Records go by COPY straight into
// one partition, visits by COPY into a table of the session and from there into
// theirs, for a visit may be there already; nothing is decoded, derived or
// checked, and there are no marks and no roll-ups.
//
// It lies here because it speaks pgx, as the store does: a limit that is reached
// through another driver would measure the driver. It must not be part of a hub.
package bare

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"sourire/hub/store/sqlstore"
	"sourire/internal/feedback"
	"sourire/internal/wire"
)

// DB is a connection to a database with the hub's tables. One goroutine uses it.
type DB struct {
	conn *pgx.Conn
	next []int64 // of each source
	turn int     // the source whose batch comes next
}

// day is that of every record here.
const day = 20_000

// Open makes the hub's tables in an empty database and prepares to write rows of
// so many sources.
func Open(ctx context.Context, address string, sources int) (*DB, error) {
	store, err := sqlstore.Dial(ctx, address, sqlstore.Options{})
	if err != nil {
		return nil, err
	}
	if err := store.Close(); err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return nil, err
	}
	for _, statement := range []string{
		"CREATE TABLE record_all PARTITION OF record FOR VALUES FROM (0) TO (100000)",
		"CREATE TEMP TABLE stage (LIKE visit)",
	} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return nil, errors.Join(err, conn.Close(ctx))
		}
	}
	return &DB{conn: conn, next: make([]int64, sources+1)}, nil
}

// Close ends the connection.
func (d *DB) Close() error { return d.conn.Close(context.Background()) }

// merge brings visits from the session's table into theirs.
const merge = `INSERT INTO visit SELECT * FROM stage ON CONFLICT (source, seq) DO UPDATE SET asked = excluded.asked,
	rating = excluded.rating, presses = excluded.presses, marks = excluded.marks, aside = excluded.aside, at = excluded.at, within = excluded.within`

// Write commits batches of size records each and as many visits, each batch of
// another source, in one transaction.
func (d *DB) Write(ctx context.Context, batches, size int) error {
	records, visits := d.rows(batches, size)
	tx, err := d.conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // after a commit it has nothing to do
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"record"}, []string{"day", "source", "seq", "body"}, pgx.CopyFromRows(records)); err != nil {
		return err
	}
	columns := []string{"source", "seq", "boot", "since", "asked", "rating", "presses", "marks", "aside", "at", "within"}
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"stage"}, columns, pgx.CopyFromRows(visits)); err != nil {
		return err
	}
	for _, statement := range []string{merge, "TRUNCATE stage"} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return tx.Commit(ctx)
}

// rows makes up the rows of one transaction.
func (d *DB) rows(batches, size int) (records, visits [][]any) {
	for range batches {
		source := d.turn
		d.turn = (d.turn + 1) % (len(d.next) - 1)
		for range size {
			d.next[source]++
			seq := d.next[source]
			records = append(records, []any{int32(day), int32(source), seq, body(seq)})
			visits = append(visits, []any{
				int32(source), seq, int64(1), 3000 * seq, int32(source), int16(seq % 3), int32(1), int16(0), int16(0), 1_790_000_000_000 + 3000*seq, int64(10),
			})
		}
	}
	return records, visits
}

func body(seq int64) []byte {
	return wire.AppendRecord(nil, feedback.Record{
		Stamp: feedback.Stamp{Boot: 1, Since: 3000 * seq}, Fact: feedback.Press{Rating: int(seq % 3), Held: 80},
	})
}

// CommitOne commits one record durably, of a source that Write leaves alone, and
// returns how long that took.
func (d *DB) CommitOne(ctx context.Context) (time.Duration, error) {
	source := len(d.next) - 1
	d.next[source]++
	seq := d.next[source]
	row := body(seq)
	began := time.Now()
	_, err := d.conn.Exec(ctx, "INSERT INTO record (day, source, seq, body) VALUES ($1, $2, $3, $4)", int32(day), int32(source), seq, row)
	return time.Since(began), err
}
