// Package migration brings the schema of a database to that of the program, step
// by step, and refuses one that it does not understand.
//
// It is mechanism beside the straight line: internal/sqlite and
// hub/store/sqlstore run it inside a transaction of theirs, so that a migration
// that is interrupted, by SIGKILL too, leaves the database as it was. Each step
// that was taken is written down in the database with its checksum.
//
// The package must not know any table but its own, nor which database it is.
package migration

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

// ErrNewer marks a database that a newer program has migrated.
var ErrNewer = errors.New("the database is newer than this program")

// ErrChanged marks a database whose steps are not the ones this program holds:
// one was edited after it had been released.
var ErrChanged = errors.New("the database was migrated by other steps than this program holds")

// Step is one step of a schema. Its number is its place in the list, counted from
// 1. A released step is never edited; the next one is added.
type Step struct {
	Name string // for people; may be changed
	SQL  string // one or more statements; none may begin, commit or vacuum
}

// checksum identifies the step in the database that has taken it.
func (s Step) checksum() string {
	sum := sha256.Sum256([]byte(s.SQL))
	return hex.EncodeToString(sum[:])
}

// Steps reads the steps of a schema from the .sql files at the top of fsys, in
// the order of their names ("0001_records.sql", "0002_…").
func Steps(fsys fs.FS) ([]Step, error) {
	names, err := fs.Glob(fsys, "*.sql") // sorted
	if err != nil {
		return nil, fmt.Errorf("migrations: %w", err)
	}
	steps := make([]Step, 0, len(names))
	for _, name := range names {
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("migrations: %w", err)
		}
		steps = append(steps, Step{Name: strings.TrimSuffix(path.Base(name), ".sql"), SQL: string(text)})
	}
	return steps, nil
}

// Dialect is how a database lists the steps taken. The list has no time of day: a
// kiosk may not know it.
type Dialect struct {
	// Table creates the table schema_migration (version, name, checksum)
	// unless it exists.
	Table string
	// Insert adds a row to it.
	Insert string
}

// Run takes the steps that the database of tx lacks. On an error, which wraps
// ErrNewer or ErrChanged for a database that it does not understand, tx must be
// rolled back.
func Run(ctx context.Context, tx *sql.Tx, d Dialect, steps []Step) error {
	if _, err := tx.ExecContext(ctx, d.Table); err != nil {
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
		if err := take(ctx, tx, d, i+1, steps[i]); err != nil {
			return err
		}
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

func compare(taken []string, steps []Step) error {
	if len(taken) > len(steps) {
		return fmt.Errorf("%w: its schema has version %d and this program knows %d: run the newer program, or restore a backup made before the upgrade",
			ErrNewer, len(taken), len(steps))
	}
	for i, sum := range taken {
		if sum != steps[i].checksum() {
			return fmt.Errorf("%w: step %d (%s) differs: run the release that made this database, or restore a backup",
				ErrChanged, i+1, steps[i].Name)
		}
	}
	return nil
}

func take(ctx context.Context, tx *sql.Tx, d Dialect, version int, step Step) error {
	if _, err := tx.ExecContext(ctx, step.SQL); err != nil {
		return fmt.Errorf("step %d (%s): %w", version, step.Name, err)
	}
	_, err := tx.ExecContext(ctx, d.Insert, version, step.Name, step.checksum())
	return err
}
