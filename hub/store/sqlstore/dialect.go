package sqlstore

import (
	"context"
	"database/sql"
	"strings"
)

// dialect is all that SQLite and PostgreSQL do differently; the rest of the
// package is one body of SQL.
type dialect struct {
	database
	writer
	copier copier
	packer
	file bool // else it is a database of a server
	// legible is how a text for people is stored.
	legible func(text string) string
	hubs
	// constraint reports whether err says that a row breaks a rule of the
	// schema, so that the change it belongs to is to blame and not the store.
	constraint func(err error) bool
	// verbatim is how a text is stored that must come back byte for byte.
	verbatim func(text string) any
	// mentions tells journals whose state holds some bytes.
	mentions string
	// check reads the whole database and says whether it is sound.
	check func(ctx context.Context) error
}

// database is how a database is read and written.
type database interface {
	// update runs do in a write transaction, which is durable when update
	// returns nil. An error means that nothing was written or, if the commit
	// itself failed, that it is not known whether it was.
	update(ctx context.Context, do func(*tx) error) error
	// view runs do in a transaction that sees one state throughout.
	view(ctx context.Context, do func(*tx) error) error
	// reader answers single questions.
	reader() querier
	close() error
}

// writer is how rows are written fast.
type writer interface {
	// term reads the term and holds it until tx ends: others that write under a
	// term, or raise it, or move days, or pack, wait.
	term(ctx context.Context, tx *tx) (termRow, error)
	// advance sets marks of journals that are not closed, each if it still
	// stands at its from, and reports which it has set.
	advance(ctx context.Context, tx *tx, steps []advance) ([]bool, error)
	// insert writes rows given as one flat list of values.
	insert(ctx context.Context, tx *tx, t *table, values []any) error
	// room makes room for records that are stored in a month.
	room(ctx context.Context, tx *tx, m month) error
}

// termRow is the term, and what rises when days move to another zone and when
// records are packed.
type termRow struct{ n, zoning, packing int64 }

// packer is what packing needs beside.
type packer interface {
	// still holds the months of records that there are until tx ends. It comes
	// before the first question of a transaction that sees one state.
	still(ctx context.Context, tx *tx) error
	// vacant returns the months before one that have room for records and hold
	// none.
	vacant(ctx context.Context, before month) ([]month, error)
	// drop takes the room of a month away, if it still holds none.
	drop(ctx context.Context, tx *tx, m month) error
	// busy reports whether either failed because of others who read or drop, so
	// that it is for later.
	busy(err error) bool
}

// advance is a step of the mark of the journal with that id.
type advance struct {
	id           int64
	from, to     int64 // record numbers
	before, hash []byte
	heard, at    int64
	state        []byte
}

// querier is a transaction or a pool.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// tx is a transaction whose statements are written with ? as placeholder.
type tx struct {
	*sql.Tx
	rebind func(query string) string
}

// ExecContext executes a statement of the body.
func (t *tx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return t.Tx.ExecContext(ctx, t.rebind(query), args...)
}

// QueryContext asks a question of the body.
func (t *tx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return t.Tx.QueryContext(ctx, t.rebind(query), args...)
}

// QueryRowContext asks a question of the body that one row answers.
func (t *tx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	return t.Tx.QueryRowContext(ctx, t.rebind(query), args...)
}

// table is one that rows come to in bulk.
type table struct {
	name    string
	columns []column
	tail    string // of the INSERT: what to do with a row that is there
}

// column of a table.
type column struct {
	name string
	kind kind
}

// kind is what the values of a column are, in the driver's own types: any other
// goes through reflection, for each value of each row.
type kind int

const (
	number kind = iota // int64
	binary             // []byte
	text               // string
)

// names are the columns' names, as a list in SQL.
func (t *table) names() string {
	var names []string
	for _, c := range t.columns {
		names = append(names, c.name)
	}
	return strings.Join(names, ", ")
}

func numbers(names ...string) []column {
	out := make([]column, 0, len(names))
	for _, n := range names {
		out = append(out, column{n, number})
	}
	return out
}

// tables are those that rows come to in bulk.
type tables struct{ record, checkpoint, visit, cell, day, life table }

func bulkTables() tables {
	// counts is a table of cells, to which others are added.
	counts := func(name string, key ...string) table {
		columns := cellColumns()
		sums := make([]string, len(columns))
		for i, c := range columns {
			sums[i] = c + " = " + name + "." + c + " + excluded." + c
		}
		return table{
			name: name, columns: append(numbers(key...), numbers(columns...)...),
			tail: "ON CONFLICT (" + strings.Join(key, ", ") + ") DO UPDATE SET " + strings.Join(sums, ", "),
		}
	}
	return tables{
		record: table{name: "record", columns: append(numbers("day", "source", "seq"), column{"body", binary})},
		checkpoint: table{
			name: "checkpoint", columns: []column{{"source", number}, {"seq", number}, {"hash", binary}, {"day", number}},
			tail: "ON CONFLICT (source, seq) DO NOTHING",
		},
		visit: table{
			name:    "visit",
			columns: numbers("source", "seq", "boot", "since", "asked", "rating", "presses", "marks", "aside", "at", "within"),
			tail: `ON CONFLICT (source, seq) DO UPDATE SET asked = excluded.asked, rating = excluded.rating, presses = excluded.presses,
		marks = excluded.marks, aside = excluded.aside, at = excluded.at, within = excluded.within`,
		},
		cell: counts("cell", "asked", "bucket"),
		day:  counts("day", "day", "asked"),
		life: table{
			name: "life", columns: append([]column{{"site", text}}, numbers("pressed_at", "stored_at")...),
			tail: `ON CONFLICT (site) DO UPDATE SET
		pressed_at = CASE WHEN excluded.pressed_at > life.pressed_at THEN excluded.pressed_at ELSE life.pressed_at END,
		stored_at = CASE WHEN excluded.stored_at > life.stored_at THEN excluded.stored_at ELSE life.stored_at END`,
		},
	}
}

// cellColumns are the counting columns of a cell, in the order of cellFields.
func cellColumns() []string {
	return []string{
		"s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10",
		"test", "technician", "cleaning", "stuck", "closed", "play", "undated",
		"presses", "aside_presses", "mixed", "insistent",
	}
}
