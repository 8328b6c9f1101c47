package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"sourire/hub/upkeep"
)

// postgresEraser makes that what was deleted cannot be read from the files of its
// tables.
//
// VACUUM makes the room of deleted rows free and leaves their bytes there until
// others come. So the tables that hold what visitors wrote are written anew (VACUUM
// FULL), as long as that takes about a second, for it keeps everybody away from them;
// and the partition of a month is dropped when all of its records are gone.
//
// What the server writes ahead (pg_wal) holds rows until its segments are recycled,
// which the server does at its own pace, and archives of it and standbys hold them
// for as long as they are kept. That is for those to settle who run the server.
type postgresEraser struct{ config *pgx.ConnConfig }

const (
	// maxFull is up to which size a table is written anew: 1.3 s for 57 MB.
	maxFull = 64 << 20
	// Of locks that keep everybody away: how long each attempt waits, and with it
	// all who come behind, and how often it is tried.
	lockWait  = 100 * time.Millisecond
	lockTries = 20
)

func (e postgresEraser) erase(ctx context.Context, t tally) (left string, err error) {
	config := e.config.Copy()
	config.RuntimeParams["application_name"] = hubName + " upkeep"
	c, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return "", describe(e.config, err)
	}
	defer hangUp(c)
	if _, err := c.Exec(ctx, fmt.Sprintf("SET lock_timeout = %d; SET statement_timeout = 0", lockWait.Milliseconds())); err != nil {
		return "", err
	}
	for _, table := range []struct {
		name string
		what upkeep.What
	}{{"comment", upkeep.Comments}, {"refused", upkeep.Refused}} {
		if t.Deleted[table.what] == 0 {
			continue
		}
		var size int64
		if err := c.QueryRow(ctx, "SELECT pg_total_relation_size($1::regclass)", table.name).Scan(&size); err != nil {
			return "", err
		}
		if size > maxFull {
			left = fmt.Sprintf("table %s has %d MB, so that what was deleted from it may stand in its files until other rows come in its place: VACUUM FULL %s takes it away, at an hour when kiosks may wait", table.name, size>>20, table.name)
			continue
		}
		if err := patiently(ctx, func() error { _, err := c.Exec(ctx, "VACUUM FULL "+table.name); return err }); err != nil {
			return "", fmt.Errorf("write table %s anew: %w", table.name, err)
		}
	}
	if err := dropMonths(ctx, c, t); err != nil {
		return "", fmt.Errorf("months without records: %w", err)
	}
	// Everything else makes room for what comes.
	_, err = c.Exec(ctx, "VACUUM record, pack, visit, checkpoint, quarantine, comment, refused, settled, cell, day, settled_day")
	return left, err
}

// patiently tries again while somebody else holds what do wants for itself.
func patiently(ctx context.Context, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != "55P03" || try == lockTries {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * lockWait):
		}
	}
}

// dropMonths drops the partitions of months that are over and of which no journal
// has anything left.
func dropMonths(ctx context.Context, c *pgx.Conn, t tally) error {
	if t.Deleted[upkeep.Records] == 0 {
		return nil
	}
	var before struct{ Records time.Time }
	if err := json.Unmarshal(t.Before, &before); err != nil {
		return err
	}
	rows, err := c.Query(ctx, "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'record'::regclass ORDER BY 1")
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		var year, number int
		if _, err := fmt.Sscanf(name, "record_%4d_%2d", &year, &number); err != nil {
			continue // somebody else's
		}
		m := month(year*12 + number - 1)
		if (m + 1).first() > dayOf(before.Records) {
			continue
		}
		err := patiently(ctx, func() error { return dropMonth(ctx, c, name, m) })
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// dropMonth drops a partition in which nothing is, and for which no batch stands
// whose bad records may still come out of quarantine into it.
func dropMonth(ctx context.Context, c *pgx.Conn, name string, m month) error {
	t, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	defer t.Rollback(ctx) //nolint:errcheck // does nothing after Commit
	var used bool
	err = t.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM "+name+") OR EXISTS (SELECT 1 FROM checkpoint WHERE day >= $1 AND day < $2)", m.first(), (m + 1).first()).Scan(&used)
	if err != nil || used {
		return err
	}
	if _, err := t.Exec(ctx, "DROP TABLE "+name); err != nil {
		return err
	}
	return t.Commit(ctx)
}
