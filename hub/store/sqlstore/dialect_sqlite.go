package sqlstore

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

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
	s, err := open(ctx, db)
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("store %s: %w", path, err)
	}
	return s, nil
}

func open(ctx context.Context, db *sqlite.DB) (*Store, error) {
	sub, err := fs.Sub(sqliteSchema, "schema/sqlite")
	if err != nil {
		return nil, err
	}
	steps, err := migration.Steps(sub)
	if err != nil {
		return nil, err
	}
	if err := sqlite.Migrate(ctx, db, steps); err != nil {
		return nil, err
	}
	s := &Store{db: db}
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	return s, s.draw(ctx, "INSERT INTO meta (name, value) VALUES ('store', ?) ON CONFLICT (name) DO NOTHING")
}
