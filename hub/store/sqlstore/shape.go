package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// shape is a table as a copy sees it, read from the schema of its database: there
// is no list of tables that could lack one.
type shape struct {
	name   string
	fields []field // by name
}

// field is a column.
type field struct {
	name     string
	kind     kind
	boolean  bool // a number here, a truth value in the database
	key      int  // its place in the primary key, from 1; 0: none
	identity bool // numbered by the database
}

// special are the tables that a copy does not take row by row, and why.
func special() map[string]string {
	return map[string]string{
		"schema_migration": "each database has steps of its own",
		"meta":             "the copy gets an id of its own, and a mark until it is whole",
	}
}

// readShapes returns the tables of a database that are copied row by row.
func readShapes(ctx context.Context, tx *tx, query string) (map[string]*shape, error) {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	defer rows.Close()
	not := special()
	out := make(map[string]*shape)
	for rows.Next() {
		var table, declared string
		var f field
		if err := rows.Scan(&table, &f.name, &declared, &f.key, &f.identity); err != nil {
			return nil, fmt.Errorf("schema: %w", err)
		}
		if _, ok := not[table]; ok {
			continue
		}
		switch strings.ToLower(declared) {
		case "boolean":
			f.boolean = true
		case "integer", "bigint", "smallint":
		case "blob", "bytea":
			f.kind = binary
		case "text":
			f.kind = text
		default:
			return nil, fmt.Errorf("table %s: a copy does not know what the type %s of column %s is", table, declared, f.name)
		}
		if out[table] == nil {
			out[table] = &shape{name: table}
		}
		out[table].fields = append(out[table].fields, f)
	}
	return out, rows.Err()
}

// compareShapes says which of the tables that a file has another database lacks,
// or has with other columns. That one may have more: it need not be the hub's alone.
func compareShapes(file, other map[string]*shape) error {
	names := func(s *shape) (out []string) {
		for _, f := range s.fields {
			out = append(out, f.name)
		}
		slices.Sort(out)
		return out
	}
	for name, s := range file {
		o := other[name]
		if o == nil {
			return fmt.Errorf("table %s is in the file's schema and not in the other: nothing can be copied", name)
		}
		if a, b := names(s), names(o); !slices.Equal(a, b) {
			return fmt.Errorf("table %s has the columns %v in the file's schema and %v in the other: nothing can be copied", name, a, b)
		}
	}
	return nil
}

// sort brings the columns of both sides into one order.
func (s *shape) sort() {
	slices.SortFunc(s.fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
}

func quoted(name string) string { return `"` + name + `"` }

// columns are the names as a list in SQL.
func (s *shape) columns() string {
	var out []string
	for _, f := range s.fields {
		out = append(out, quoted(f.name))
	}
	return strings.Join(out, ", ")
}

// all selects every row, in the order of the key where it matters: whoever
// inserts in that order writes each page once.
func (s *shape) all(ordered bool) string {
	list := make([]string, len(s.fields))
	var key []string
	for i, f := range s.fields {
		list[i] = quoted(f.name)
		if f.boolean {
			list[i] = "CAST(" + list[i] + " AS integer)"
		}
		if f.key > 0 {
			key = append(key, quoted(f.name))
		}
	}
	slices.SortStableFunc(key, func(a, b string) int { return s.place(a) - s.place(b) })
	query := "SELECT " + strings.Join(list, ", ") + " FROM " + quoted(s.name)
	if ordered && len(key) > 0 {
		query += " ORDER BY " + strings.Join(key, ", ")
	}
	return query
}

func (s *shape) place(column string) int {
	for _, f := range s.fields {
		if quoted(f.name) == column {
			return f.key
		}
	}
	return 0
}
