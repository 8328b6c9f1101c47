package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"sourire/internal/migration"
)

//go:embed schema/postgres/*.sql
var postgresSchema embed.FS

// migrationLock is the advisory lock that hubs hold while they migrate: two that
// start at once wait for each other. It is "sourire" in ASCII.
const migrationLock = 0x736f7572697265

func migratePostgres(ctx context.Context, db *sql.DB) error {
	steps, err := stepsOf(postgresSchema, "schema/postgres")
	if err != nil {
		return err
	}
	t, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer t.Rollback()
	if _, err := t.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", int64(migrationLock)); err != nil {
		return err
	}
	err = migration.Run(ctx, t, migration.Dialect{
		Table:  "CREATE TABLE IF NOT EXISTS schema_migration (version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL)",
		Insert: "INSERT INTO schema_migration (version, name, checksum) VALUES ($1, $2, $3)",
	}, steps)
	if err != nil {
		return err
	}
	return t.Commit()
}

// postgresDatabase is a database of a server. Pages never wait for connections
// that ingest holds, nor ingest for pages.
type postgresDatabase struct {
	write, read *sql.DB

	mu      sync.Mutex
	rebound map[string]string // of statements of the body, those with $1, $2 …
}

// Connections of a hub. Writers under a term wait for each other in the database;
// the second connection is for what is no part of that: pulses, snapshots of pages.
const (
	writers = 2
	readers = 6
)

// writeTimeout bounds a transaction that writes: then its connection is closed,
// for a server that has gone silent would hold ingest for ever. A full group takes
// some 50 ms, reading a journal of a million visits again some 20 s.
const writeTimeout = 2 * time.Minute

// maxRebound bounds what is remembered: the body has fewer statements, but one
// names the bounds of days.
const maxRebound = 500

// rebind turns ? into $1, $2 …; no statement of the body has a ? in a text.
func (d *postgresDatabase) rebind(query string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r, ok := d.rebound[query]; ok {
		return r
	}
	var b strings.Builder
	for i, part := range strings.Split(query, "?") {
		if i > 0 {
			b.WriteString("$" + strconv.Itoa(i))
		}
		b.WriteString(part)
	}
	if d.rebound == nil || len(d.rebound) >= maxRebound {
		d.rebound = make(map[string]string)
	}
	d.rebound[query] = b.String()
	return b.String()
}

func (d *postgresDatabase) update(ctx context.Context, do func(*tx) error) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	return d.in(ctx, d.write, nil, do)
}

func (d *postgresDatabase) view(ctx context.Context, do func(*tx) error) error {
	return d.in(ctx, d.read, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}, do)
}

func (d *postgresDatabase) in(ctx context.Context, pool *sql.DB, o *sql.TxOptions, do func(*tx) error) error {
	t, err := pool.BeginTx(ctx, o)
	if err != nil {
		return err
	}
	defer t.Rollback() // does nothing after Commit; what it undoes is reported by do
	if err := do(&tx{t, d.rebind}); err != nil {
		return err
	}
	return t.Commit()
}

func (d *postgresDatabase) reader() querier { return rebinding{d} }

// rebinding answers single questions of the body.
type rebinding struct{ d *postgresDatabase }

// QueryRowContext implements querier.
func (r rebinding) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return r.d.read.QueryRowContext(ctx, r.d.rebind(query), args...)
}

// QueryContext implements querier.
func (r rebinding) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return r.d.read.QueryContext(ctx, r.d.rebind(query), args...)
}

func (d *postgresDatabase) close() error { return errors.Join(d.read.Close(), d.write.Close()) }

// postgresWriter writes rows as one array for each column. The driver prepares
// each statement once for each connection.
type postgresWriter struct{ inserts map[*table]string }

func newPostgresWriter(ts *tables) *postgresWriter {
	w := &postgresWriter{inserts: make(map[*table]string)}
	for _, t := range []*table{&ts.record, &ts.checkpoint, &ts.visit, &ts.cell, &ts.day, &ts.life} {
		arrays := make([]string, len(t.columns))
		for i, c := range t.columns {
			arrays[i] = fmt.Sprintf("$%d::%s[]", i+1, [...]string{number: "bigint", binary: "bytea", text: "text"}[c.kind])
		}
		w.inserts[t] = "INSERT INTO " + t.name + " (" + t.names() + ") SELECT * FROM unnest(" + strings.Join(arrays, ", ") + ") " + t.tail
	}
	return w
}

// term locks the row of the term as an update would: those that write under a
// term come one after the other, as they do in SQLite, so that they cannot lock
// each other out whatever rows they touch in whatever order. There is one that
// ingests, so nothing is lost by that.
func (w *postgresWriter) term(ctx context.Context, tx *tx) (t termRow, err error) {
	err = tx.QueryRowContext(ctx, "SELECT n, zoning, packing FROM term FOR NO KEY UPDATE").Scan(&t.n, &t.zoning, &t.packing)
	return t, err
}

func (w *postgresWriter) advance(ctx context.Context, tx *tx, steps []advance) ([]bool, error) {
	n := len(steps)
	place, id, from, to := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	heard, at := make([]int64, n), make([]int64, n)
	before, hash, state := make([][]byte, n), make([][]byte, n), make([][]byte, n)
	for i, a := range steps {
		place[i], id[i], from[i], to[i], heard[i], at[i] = int64(i), a.id, a.from, a.to, a.heard, a.at
		before[i], hash[i], state[i] = a.before, a.hash, a.state
	}
	rows, err := tx.QueryContext(ctx, `UPDATE source s SET through = a.through, hash = a.hash, heard = greatest(s.heard, a.heard), state = a.state, stored_at = a.at
		FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bigint[], $6::bytea[], $7::bigint[], $8::bigint[], $9::bytea[])
			AS a (place, id, was, before, through, hash, heard, at, state)
		WHERE s.id = a.id AND s.through = a.was AND s.hash = a.before AND NOT s.closed RETURNING a.place`,
		place, id, from, before, to, hash, heard, at, state)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	done := make([]bool, n)
	for rows.Next() {
		var i int
		if err := rows.Scan(&i); err != nil {
			return nil, err
		}
		done[i] = true
	}
	return done, rows.Err()
}

// insertRows bounds the rows of a statement: reading a large journal again would
// else make one of a hundred megabytes.
const insertRows = 20_000

func (w *postgresWriter) insert(ctx context.Context, tx *tx, t *table, values []any) error {
	for wide := len(t.columns); len(values) > 0; {
		n := min(len(values)/wide, insertRows)
		if _, err := tx.ExecContext(ctx, w.inserts[t], arraysOf(t, values[:n*wide])...); err != nil {
			return err
		}
		values = values[n*wide:]
	}
	return nil
}

// arraysOf turns rows into columns.
func arraysOf(t *table, values []any) []any {
	wide := len(t.columns)
	arrays := make([]any, wide)
	for i, c := range t.columns {
		switch c.kind {
		case number:
			arrays[i] = arrayOf[int64](values, i, wide)
		case binary:
			arrays[i] = arrayOf[[]byte](values, i, wide)
		case text:
			arrays[i] = arrayOf[string](values, i, wide)
		}
	}
	return arrays
}

func arrayOf[T any](values []any, at, wide int) []T {
	out := make([]T, 0, len(values)/wide)
	for ; at < len(values); at += wide {
		out = append(out, values[at].(T))
	}
	return out
}

// room makes the partition of a month. It is made apart and then attached, which
// waits for nobody who reads; the lock of the term keeps a second one away.
func (w *postgresWriter) room(ctx context.Context, tx *tx, m month) error {
	name := "record_" + m.String()
	var there bool
	err := tx.QueryRowContext(ctx, "SELECT to_regclass(current_schema() || '.' || ?) IS NOT NULL", name).Scan(&there)
	if err != nil || there {
		return err
	}
	_, err = tx.ExecContext(ctx, fmt.Sprintf(`CREATE TABLE %s (LIKE record INCLUDING ALL);
		ALTER TABLE record ATTACH PARTITION %s FOR VALUES FROM (%d) TO (%d)`, name, name, m.first(), (m+1).first()))
	return err
}

// brokenConstraint reports whether a statement failed for what it was given:
// SQLSTATE classes 22 and 23, and a row that stands twice in one INSERT.
func brokenConstraint(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (strings.HasPrefix(e.Code, "22") || strings.HasPrefix(e.Code, "23") || e.Code == "21000")
}
