package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	driver "modernc.org/sqlite"

	"sourire/internal/durable"
)

// findings is how many defects QuickCheck names; the first few tell where.
const findings = 5

// QuickCheck reads every page and returns an error that wraps ErrDamaged when
// the file is not whole. Counting rows proves nothing: a count can be answered
// from an index while the table cannot be read.
func (db *DB) QuickCheck(ctx context.Context) error {
	found, err := db.quickCheck(ctx)
	if err != nil {
		return describe(db.path, err)
	}
	if len(found) == 1 && found[0] == "ok" {
		return nil
	}
	return fmt.Errorf("%w: %s: set it aside and restore a backup: %s", ErrDamaged, db.path,
		strings.ReplaceAll(strings.Join(found, "; "), "\n", " "))
}

func (db *DB) quickCheck(ctx context.Context) ([]string, error) {
	rows, err := db.Read.QueryContext(ctx, fmt.Sprintf("PRAGMA quick_check(%d)", findings))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, err
		}
		found = append(found, line)
	}
	return found, rows.Err()
}

// vacuumInto copies through a connection of its own: the writer must stay free
// and a reader is not allowed to.
func (db *DB) vacuumInto(ctx context.Context, path string) error {
	o := Options{MustExist: true}.withDefaults()
	pool, err := openPool(db.path, o, commonPragmas(o), "")
	if err != nil {
		return err
	}
	defer pool.Close() // it has written nothing of ours
	_, err = pool.ExecContext(ctx, "VACUUM INTO ?", path)
	return err
}

// VacuumInto writes a compact copy of one state of the database into the file at
// path, which must be missing or empty. What is there after an error, or a crash,
// is no database; forcing it to the disk is the caller's.
func (db *DB) VacuumInto(ctx context.Context, path string) error {
	if err := db.vacuumInto(ctx, path); err != nil {
		return describe(path, err)
	}
	return nil
}

// Extract writes a compact copy of the file at from, which is read and not
// changed, to a new file at to. It refuses with ErrDamaged what is no database or
// not a whole one, and lays hold of what stands in a log beside it.
func Extract(ctx context.Context, from, to string) error {
	abs, err := filepath.Abs(from)
	if err != nil {
		return fmt.Errorf("database %s: %w", from, err)
	}
	o := Options{MustExist: true}.withDefaults()
	source := dataSource(abs, o, commonPragmas(o), "")
	if log, err := os.Stat(abs + "-wal"); err != nil || log.Size() == 0 {
		// Nothing is written beside it: the folder may be read-only.
		source = strings.Replace(source, "mode=rw", "mode=ro&immutable=1", 1)
	}
	connector, err := driver.NewConnector(source)
	if err != nil {
		return fmt.Errorf("database %s: %w", abs, err)
	}
	db := &DB{Read: sql.OpenDB(connector), path: abs}
	defer db.Read.Close() // it was only read
	if err := db.QuickCheck(ctx); err != nil {
		return err
	}
	if _, err := db.Read.ExecContext(ctx, "VACUUM INTO ?", to); err != nil {
		return describe(to, err)
	}
	return nil
}

// BackupTo writes a compact copy of one state of the database to path, while
// others go on reading and writing. The copy appears whole or not at all, is
// readable by its owner only, and never replaces a file that is there. The log
// grows while it runs.
func (db *DB) BackupTo(ctx context.Context, path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("backup to %s: %w", path, err)
	}
	if _, err := os.Lstat(abs); err == nil {
		return fmt.Errorf("backup to %s: the file exists already, name another: %w", abs, os.ErrExist)
	}
	// SQLite accepts an existing file when it is empty: thus the name is ours
	// alone and the mode 0600.
	file, err := os.CreateTemp(filepath.Dir(abs), filepath.Base(abs)+".*.part")
	if err != nil {
		return fmt.Errorf("backup to %s: %w", abs, err)
	}
	part := file.Name()
	defer os.Remove(part) // gone already when the backup succeeded
	if err := file.Close(); err != nil {
		return fmt.Errorf("backup to %s: %w", abs, err)
	}
	if err := db.vacuumInto(ctx, part); err != nil {
		return fmt.Errorf("backup to %s: %w", abs, err)
	}
	if err := durable.Rename(part, abs); err != nil {
		return fmt.Errorf("backup to %s: %w", abs, err)
	}
	return nil
}
