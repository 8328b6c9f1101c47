package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"sourire/internal/sqlite"
)

// OpenCopy opens or creates a file for a copy to be written into: it need not be
// durable before it is whole, and may be one that was begun.
func OpenCopy(ctx context.Context, path string) (*Store, error) {
	db, err := sqlite.Open(path, sqlite.Options{Synchronous: sqlite.Normal, CacheKiB: 64 << 10, CheckpointSize: 16 << 10, SecureDelete: true})
	if err != nil {
		return nil, err
	}
	s, err := openSQLite(ctx, db)
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("store %s: %w", path, err)
	}
	return s, nil
}

// sqliteCopier is how a file is copied from and into.
type sqliteCopier struct{ db *sqlite.DB }

func (c sqliteCopier) shapes() string {
	return `SELECT m.name, p.name, p.type, p.pk, FALSE FROM sqlite_schema m JOIN pragma_table_info(m.name) p
		WHERE m.type = 'table' AND substr(m.name, 1, 7) <> 'sqlite_' ORDER BY 1, 2`
}

// vacuum writes a copy into an empty file; it is the faster way from file to file.
func (c sqliteCopier) vacuum(ctx context.Context, path string) error {
	return c.db.VacuumInto(ctx, path)
}

func (c sqliteCopier) clear(ctx context.Context, tx *tx, s *shape) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM "+quoted(s.name))
	return err
}

func (c sqliteCopier) insert(ctx context.Context, tx *tx, s *shape, values []any) error {
	const rows = 100 // of a statement, see bulkSizes
	wide := len(s.fields)
	prepare := func(n int) (*sql.Stmt, error) {
		row := ", (" + strings.Repeat("?, ", wide-1) + "?)"
		return tx.PrepareContext(ctx, "INSERT INTO "+quoted(s.name)+" ("+s.columns()+") VALUES "+strings.Repeat(row, n)[2:])
	}
	for _, n := range []int{rows, 1} {
		if len(values) < n*wide {
			continue
		}
		st, err := prepare(n)
		if err != nil {
			return err
		}
		for ; len(values) >= n*wide; values = values[n*wide:] {
			if _, err := st.ExecContext(ctx, values[:n*wide]...); err != nil {
				_ = st.Close()
				return err
			}
		}
		if err := st.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (c sqliteCopier) settle(context.Context, *tx, []*shape) error { return nil }
