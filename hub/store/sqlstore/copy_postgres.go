package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// postgresCopier is how a database of a server is copied from and into.
type postgresCopier struct{}

// shapes leaves partitions out: their rows come with their table's.
func (postgresCopier) shapes() string {
	return `SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL),
			coalesce(array_position(i.indkey::int2[], a.attnum) + 1, 0), a.attidentity <> ''
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
			LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
		WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
			AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1, 2`
}

func (postgresCopier) vacuum(context.Context, string) error { return errors.ErrUnsupported }

func (postgresCopier) clear(ctx context.Context, tx *tx, s *shape) error {
	_, err := tx.ExecContext(ctx, "TRUNCATE "+quoted(s.name))
	return err
}

// insert writes rows as one array for each column, see postgresWriter.
func (postgresCopier) insert(ctx context.Context, tx *tx, s *shape, values []any) error {
	t := table{name: s.name}
	var names, list, arrays []string
	for i, f := range s.fields {
		t.columns = append(t.columns, column{f.name, f.kind})
		names = append(names, fmt.Sprint("c", i))
		arrays = append(arrays, fmt.Sprintf("$%d::%s[]", i+1, [...]string{number: "bigint", binary: "bytea", text: "text"}[f.kind]))
		if f.boolean {
			list = append(list, names[i]+" <> 0")
		} else {
			list = append(list, names[i])
		}
	}
	query := "INSERT INTO " + quoted(s.name) + " (" + s.columns() + ") OVERRIDING SYSTEM VALUE SELECT " + strings.Join(list, ", ") +
		" FROM unnest(" + strings.Join(arrays, ", ") + ") AS x (" + strings.Join(names, ", ") + ")"
	_, err := tx.ExecContext(ctx, query, arraysOf(&t, values)...)
	return err
}

// settle lets the database go on numbering after the rows that were copied, and
// tells its planner what is there.
func (postgresCopier) settle(ctx context.Context, tx *tx, shapes []*shape) error {
	for _, s := range shapes {
		for _, f := range s.fields {
			if !f.identity {
				continue
			}
			_, err := tx.ExecContext(ctx, fmt.Sprintf("SELECT setval(pg_get_serial_sequence('%s', '%s'), coalesce(max(%s), 1), max(%s) IS NOT NULL) FROM %s",
				quoted(s.name), f.name, quoted(f.name), quoted(f.name), quoted(s.name)))
			if err != nil {
				return fmt.Errorf("numbers of %s: %w", s.name, err)
			}
		}
		if _, err := tx.ExecContext(ctx, "ANALYZE "+quoted(s.name)); err != nil {
			return fmt.Errorf("statistics of %s: %w", s.name, err)
		}
	}
	return nil
}
