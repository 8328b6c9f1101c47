package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// bulk is an INSERT that is prepared for several numbers of rows.
type bulk struct {
	columns int
	sizes   []sized // largest first, the last is one row
}

type sized struct {
	rows int
	*sql.Stmt
}

// bulkSizes are the numbers of rows of a statement. With 10 rows a row of a
// record and its visit takes 4.2 µs, with 50 3.7, with 100 and more 3.6; a
// statement of one row takes 5 or more.
func bulkSizes() []int { return []int{100, 10, 1} }

// newBulk prepares "head VALUES (?, …) tail".
func newBulk(ctx context.Context, db *sql.DB, head string, columns int, tail string) (bulk, error) {
	row := ", (" + strings.Repeat("?, ", columns-1) + "?)"
	b := bulk{columns: columns}
	for _, n := range bulkSizes() {
		st, err := db.PrepareContext(ctx, head+" VALUES "+strings.Repeat(row, n)[2:]+" "+tail)
		if err != nil {
			return b, fmt.Errorf("%s: %w", head, err)
		}
		b.sizes = append(b.sizes, sized{n, st})
	}
	return b, nil
}

// exec writes rows given as one flat list of values.
func (b bulk) exec(ctx context.Context, tx *sql.Tx, values []any) error {
	for _, s := range b.sizes {
		wide := s.rows * b.columns
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

func (b bulk) close() error {
	var errs []error
	for _, st := range b.sizes {
		errs = append(errs, st.Close())
	}
	return errors.Join(errs...)
}

// statements are those of the writing connection.
type statements struct {
	term, move       *sql.Stmt
	record, visit    bulk
	cell, checkpoint bulk
	life             bulk
}

func (st *statements) close() error {
	var errs []error
	for _, x := range []*sql.Stmt{st.term, st.move} {
		if x != nil {
			errs = append(errs, x.Close())
		}
	}
	for _, b := range []bulk{st.record, st.visit, st.cell, st.checkpoint, st.life} {
		errs = append(errs, b.close())
	}
	return errors.Join(errs...)
}

// cellColumns are the counting columns of a cell, in the order of cellValues.
func cellColumns() []string {
	return []string{
		"s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10",
		"test", "technician", "cleaning", "stuck", "closed", "play", "undated",
		"presses", "aside_presses", "mixed", "insistent",
	}
}

func (s *Store) prepare(ctx context.Context) error {
	db := s.db.Write
	columns := cellColumns()
	sums := make([]string, len(columns))
	for i, c := range columns {
		sums[i] = c + " = cell." + c + " + excluded." + c
	}
	var err error
	one := func(to **sql.Stmt, query string) {
		if err == nil {
			*to, err = db.PrepareContext(ctx, query)
		}
	}
	many := func(to *bulk, head string, columns int, tail string) {
		if err == nil {
			*to, err = newBulk(ctx, db, head, columns, tail)
		}
	}
	one(&s.stmts.term, "SELECT n FROM term")
	one(&s.stmts.move, `UPDATE source SET through = ?, hash = ?, heard = max(heard, ?), state = ?, stored_at = ?
		WHERE id = ? AND through = ? AND hash = ? AND closed = 0`)
	many(&s.stmts.record, "INSERT INTO record (day, source, seq, body)", 4, "")
	many(&s.stmts.checkpoint, "INSERT INTO checkpoint (source, seq, hash, day)", 4, "ON CONFLICT (source, seq) DO NOTHING")
	many(&s.stmts.visit, "INSERT INTO visit (source, seq, boot, since, asked, rating, presses, marks, aside, at, within)", 11,
		`ON CONFLICT (source, seq) DO UPDATE SET asked = excluded.asked, rating = excluded.rating, presses = excluded.presses,
		marks = excluded.marks, aside = excluded.aside, at = excluded.at, within = excluded.within`)
	many(&s.stmts.cell, "INSERT INTO cell (asked, bucket, "+strings.Join(columns, ", ")+")", 2+len(columns),
		"ON CONFLICT (asked, bucket) DO UPDATE SET "+strings.Join(sums, ", "))
	many(&s.stmts.life, "INSERT INTO life (site, pressed_at, stored_at)", 3,
		"ON CONFLICT (site) DO UPDATE SET pressed_at = max(life.pressed_at, excluded.pressed_at), stored_at = max(life.stored_at, excluded.stored_at)")
	return err
}
