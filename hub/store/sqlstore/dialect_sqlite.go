package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"sourire/internal/migration"
	"sourire/internal/sqlite"
)

//go:embed schema/sqlite/*.sql
var sqliteSchema embed.FS

// Open opens or creates the store in the SQLite file at path and brings its
// schema up to date. The data folder must be locked by the caller.
func Open(ctx context.Context, path string) (*Store, error) {
	db, err := sqlite.Open(path, sqlite.Options{
		CacheKiB:       64 << 10,
		CheckpointSize: 16 << 10, // pages: 64 MiB of log before it is copied back
	})
	if err != nil {
		return nil, err
	}
	s, err := openSQLite(ctx, db)
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("store %s: %w", path, err)
	}
	if err := s.whole(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("store %s: %w", path, err), s.Close())
	}
	return s, nil
}

func openSQLite(ctx context.Context, db *sqlite.DB) (*Store, error) {
	steps, err := stepsOf(sqliteSchema, "schema/sqlite")
	if err != nil {
		return nil, err
	}
	if err := sqlite.Migrate(ctx, db, steps); err != nil {
		return nil, err
	}
	w := &sqliteWriter{}
	s := newStore(dialect{
		database:   &sqliteDatabase{db, w},
		writer:     w,
		copier:     sqliteCopier{db},
		packer:     w,
		file:       true,
		legible:    asItIs,
		hubs:       &alone{},
		constraint: sqlite.IsConstraint,
		verbatim:   func(text string) any { return text },
		mentions:   "instr(state, ?) > 0",
		check:      db.QuickCheck,
	})
	if err := w.prepare(ctx, db.Write, &s.tables); err != nil {
		return nil, err
	}
	return s, s.name(ctx)
}

func stepsOf(files embed.FS, folder string) ([]migration.Step, error) {
	sub, err := fs.Sub(files, folder)
	if err != nil {
		return nil, err
	}
	return migration.Steps(sub)
}

// sqliteDatabase is a file. One connection writes, so that writers wait for each
// other before they begin.
type sqliteDatabase struct {
	*sqlite.DB
	writer *sqliteWriter
}

func asItIs(query string) string { return query }

func (d *sqliteDatabase) update(ctx context.Context, do func(*tx) error) error {
	err := d.Update(ctx, func(t *sql.Tx) error { return do(&tx{t, asItIs}) })
	if sqlite.IsFull(err) { // the log of a hub that serves is where this is read
		return fmt.Errorf("database %s: the disk is full, free some space: %w", d.Path(), err)
	}
	return err
}

func (d *sqliteDatabase) view(ctx context.Context, do func(*tx) error) error {
	return d.View(ctx, func(t *sql.Tx) error { return do(&tx{t, asItIs}) })
}

func (d *sqliteDatabase) reader() querier { return d.Read }

func (d *sqliteDatabase) close() error { return errors.Join(d.writer.close(), d.Close()) }

// sqliteWriter holds the statements of the writing connection, prepared once. A
// profile of one-row statements showed 60 % of the time in database/sql and the
// parser.
type sqliteWriter struct {
	readTerm, move *sql.Stmt
	bulks          map[*table][]sized // largest first, the last is one row
}

// sized is an INSERT of so many rows.
type sized struct {
	rows int
	*sql.Stmt
}

// bulkSizes are the numbers of rows of a statement. With 10 rows a row of a
// record and its visit takes 4.2 µs, with 50 3.7, with 100 and more 3.6; a
// statement of one row takes 5 or more.
func bulkSizes() []int { return []int{100, 10, 1} }

func (w *sqliteWriter) prepare(ctx context.Context, db *sql.DB, ts *tables) error {
	var err error
	if w.readTerm, err = db.PrepareContext(ctx, "SELECT n, zoning, packing FROM term"); err != nil {
		return err
	}
	if w.move, err = db.PrepareContext(ctx, `UPDATE source SET through = ?, hash = ?, heard = max(heard, ?), state = ?, stored_at = ?
		WHERE id = ? AND through = ? AND hash = ? AND closed = 0`); err != nil {
		return err
	}
	w.bulks = make(map[*table][]sized)
	for _, t := range []*table{&ts.record, &ts.checkpoint, &ts.visit, &ts.cell, &ts.day, &ts.life} {
		row := ", (" + strings.Repeat("?, ", len(t.columns)-1) + "?)"
		for _, n := range bulkSizes() {
			st, err := db.PrepareContext(ctx, "INSERT OR FAIL INTO "+t.name+" ("+t.names()+") VALUES "+strings.Repeat(row, n)[2:]+" "+t.tail)
			if err != nil {
				return fmt.Errorf("rows of %s: %w", t.name, err)
			}
			w.bulks[t] = append(w.bulks[t], sized{n, st})
		}
	}
	return nil
}

func (w *sqliteWriter) close() error {
	errs := []error{w.readTerm.Close(), w.move.Close()}
	for _, sizes := range w.bulks {
		for _, st := range sizes {
			errs = append(errs, st.Close())
		}
	}
	return errors.Join(errs...)
}

// term holds the term by the write lock, which tx has.
func (w *sqliteWriter) term(ctx context.Context, tx *tx) (t termRow, err error) {
	err = tx.StmtContext(ctx, w.readTerm).QueryRowContext(ctx).Scan(&t.n, &t.zoning, &t.packing)
	return t, err
}

func (w *sqliteWriter) advance(ctx context.Context, tx *tx, steps []advance) ([]bool, error) {
	done := make([]bool, len(steps))
	st := tx.StmtContext(ctx, w.move)
	for i, a := range steps {
		var err error
		// By number, and without an answer to be read, which took twice as long.
		if done[i], err = changed(st.ExecContext(ctx, a.to, a.hash, a.heard, a.state, a.at, a.id, a.from, a.before)); err != nil {
			return nil, err
		}
	}
	return done, nil
}

// insert may leave a part of the rows behind when it fails, and its callers then
// undo the transaction or the savepoint around it. That is what OR FAIL means: a
// statement that undid its own rows would first copy every page that it touches,
// which took 3 µs of a single press.
func (w *sqliteWriter) insert(ctx context.Context, tx *tx, t *table, values []any) error {
	for _, s := range w.bulks[t] {
		wide := s.rows * len(t.columns)
		if len(values) < wide {
			continue
		}
		st := tx.StmtContext(ctx, s.Stmt)
		for ; len(values) >= wide; values = values[wide:] {
			if _, err := st.ExecContext(ctx, values[:wide]...); err != nil {
				return err
			}
		}
	}
	return nil
}

// room has nothing to do: a table of a file has room.
func (w *sqliteWriter) room(context.Context, *tx, month) error { return nil }

// A file has one table for all months: what packing frees in it is filled again.
func (w *sqliteWriter) still(context.Context, *tx) error               { return nil }
func (w *sqliteWriter) vacant(context.Context, month) ([]month, error) { return nil, nil }
func (w *sqliteWriter) drop(context.Context, *tx, month) error         { return nil }
func (w *sqliteWriter) busy(error) bool                                { return false }
