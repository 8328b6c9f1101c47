package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"sourire/hub/upkeep"
	"sourire/internal/sqlite"
)

// sqliteEraser makes that what was deleted cannot be read from the file, nor from
// its log.
//
// The writer overwrites what it deletes with zeros (secure_delete). That alone does
// not do: when pages are split, SQLite moves rows and leaves copies behind in what
// is free on a page; of 18,000 comments that were deleted 24 could still be read in
// the file (and 500 without secure_delete). So the tables that hold what visitors
// wrote are emptied, which overwrites their pages as a whole, and filled again in
// the same transaction. Records hold nothing that visitors wrote; copies of them go
// when the pages of their days do.
//
// The log is cut to nothing then. The blocks of the disk that it had are the file
// system's.
type sqliteEraser struct{ db *sqlite.DB }

// rewriteRows is up to how many rows a table is written anew in one transaction: 11
// µs each, so that answers to kiosks come up to a second later, once a day.
const rewriteRows = 100_000

func (e sqliteEraser) erase(ctx context.Context, t tally) (left string, err error) {
	for _, table := range []struct {
		name string
		what upkeep.What
	}{{"comment", upkeep.Comments}, {"refused", upkeep.Refused}} {
		if t.Deleted[table.what] == 0 {
			continue
		}
		done, err := e.rewrite(ctx, table.name)
		if err != nil {
			return "", fmt.Errorf("write table %s anew: %w", table.name, err)
		}
		if !done {
			left = fmt.Sprintf("table %s has over %d rows, so that parts of what was deleted from it may stand in free parts of its pages; a backup has none of them, nor a store that is restored from one", table.name, rewriteRows)
		}
	}
	emptied, err := e.db.EmptyLog(ctx)
	if err == nil && !emptied {
		err = errors.New("somebody reads the database for long, so its log cannot be emptied yet")
	}
	return left, err
}

func (e sqliteEraser) rewrite(ctx context.Context, table string) (done bool, err error) {
	err = e.db.Update(ctx, func(tx *sql.Tx) error {
		var rows int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM "+table+" LIMIT ?)", rewriteRows+1).Scan(&rows); err != nil {
			return err
		}
		if done = rows <= rewriteRows; !done {
			return nil
		}
		for _, statement := range []string{
			"CREATE TEMP TABLE kept AS SELECT * FROM main." + table, // in memory, see internal/sqlite
			"DELETE FROM main." + table,
			"INSERT INTO main." + table + " SELECT * FROM temp.kept ORDER BY 1, 2",
			"DROP TABLE temp.kept",
		} {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
	return done, err
}
