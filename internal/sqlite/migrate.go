package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"sourire/internal/migration"
)

// dialect lists the steps taken in SQLite's own words.
func dialect() migration.Dialect {
	return migration.Dialect{
		Table: `CREATE TABLE IF NOT EXISTS schema_migration (
	version  INTEGER PRIMARY KEY,
	name     TEXT NOT NULL,
	checksum TEXT NOT NULL
) STRICT`,
		Insert: "INSERT INTO schema_migration (version, name, checksum) VALUES (?, ?, ?)",
	}
}

// Migrate brings the schema of db to the last of steps, in one transaction: on
// any error the database is as it was. It refuses with migration.ErrNewer or
// migration.ErrChanged a database that it does not understand.
func Migrate(ctx context.Context, db *DB, steps []migration.Step) error {
	err := db.Update(ctx, func(tx *sql.Tx) error { return migration.Run(ctx, tx, dialect(), steps) })
	if err != nil {
		return fmt.Errorf("database %s: migrate: %w", db.path, err)
	}
	return nil
}
