package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// ErrSchemaNewer marks a database that a newer program has migrated.
var ErrSchemaNewer = errors.New("the database is newer than this program")

// ErrSchemaChanged marks a database whose migrations are not the ones this
// program holds: one was edited after it had been released.
var ErrSchemaChanged = errors.New("the database was migrated by other steps than this program holds")

// Migration is one step of a schema. Its number is its place in the list,
// counted from 1. A released step is never edited; the next one is added.
type Migration struct {
	Name string // for people; may be changed
	SQL  string // one or more statements; none may begin, commit or vacuum
}

// checksum identifies the step in the database that has taken it.
func (m Migration) checksum() string {
	sum := sha256.Sum256([]byte(m.SQL))
	return hex.EncodeToString(sum[:])
}

// Migrations reads the steps of a schema from the .sql files at the top of
// fsys, in the order of their names ("0001_records.sql", "0002_…").
func Migrations(fsys fs.FS) ([]Migration, error) {
	names, err := fs.Glob(fsys, "*.sql") // sorted
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	steps := make([]Migration, 0, len(names))
	for _, name := range names {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("migrations: %w", err)
		}
		steps = append(steps, Migration{Name: strings.TrimSuffix(path.Base(name), ".sql"), SQL: string(text)})
	}
	return steps, nil
}

// The table lists the steps taken. It has no time of day: a kiosk may not know it.
const migrationTable = `CREATE TABLE IF NOT EXISTS schema_migration (
	version  INTEGER PRIMARY KEY,
	name     TEXT NOT NULL,
	checksum TEXT NOT NULL
) STRICT`

// Migrate brings the schema of db to the last of steps, in one transaction: on
// any error the database is as it was. It refuses with ErrSchemaNewer or
// ErrSchemaChanged a database that it does not understand.
func Migrate(ctx context.Context, db *DB, steps []Migration) error {
	err := db.Update(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, migrationTable); err != nil {
			return err
		}
		taken, err := takenSteps(ctx, tx)
		if err != nil {
			return err
		}
		if err := compare(taken, steps); err != nil {
			return err
		}
		for i := len(taken); i < len(steps); i++ {
			if err := take(ctx, tx, i+1, steps[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("database %s: migrate: %w", db.path, err)
	}
	return nil
}

// takenSteps returns the checksums of the steps taken, in order.
func takenSteps(ctx context.Context, tx *sql.Tx) ([]string, error) {
	rows, err := tx.QueryContext(ctx, "SELECT checksum FROM schema_migration ORDER BY version")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var sums []string
	for rows.Next() {
		var sum string
		if err := rows.Scan(&sum); err != nil {
			return nil, err
		}
		sums = append(sums, sum)
	}
	return sums, rows.Err()
}

func compare(taken []string, steps []Migration) error {
	if len(taken) > len(steps) {
		return fmt.Errorf("%w: its schema has version %d and this program knows %d: run the newer program, or restore a backup made before the upgrade",
			ErrSchemaNewer, len(taken), len(steps))
	}
	for i, sum := range taken {
		if sum != steps[i].checksum() {
			return fmt.Errorf("%w: step %d (%s) differs: run the release that made this database, or restore a backup",
				ErrSchemaChanged, i+1, steps[i].Name)
		}
	}
	return nil
}

func take(ctx context.Context, tx *sql.Tx, version int, step Migration) error {
	if _, err := tx.ExecContext(ctx, step.SQL); err != nil {
		return fmt.Errorf("step %d (%s): %w", version, step.Name, err)
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO schema_migration (version, name, checksum) VALUES (?, ?, ?)",
		version, step.Name, step.checksum())
	return err
}
