package sqlite

import (
	"context"
	"time"
)

// How EmptyLog goes about it: the writer waits no longer than emptyWait for a
// reader each time, and it is tried for emptyFor.
const (
	emptyWait  = 20 * time.Millisecond
	emptyEvery = 250 * time.Millisecond
	emptyFor   = 3 * time.Second
)

// EmptyLog copies the log back into the file and cuts it to nothing, so that it
// holds no earlier state of any page. It reports false when readers have kept it
// from that.
func (db *DB) EmptyLog(ctx context.Context) (bool, error) {
	o := Options{MustExist: true, BusyTimeout: emptyWait}.withDefaults()
	pool, err := openPool(db.path, o, commonPragmas(o), "")
	if err != nil {
		return false, err
	}
	defer pool.Close() // it has written nothing of ours
	pool.SetMaxOpenConns(1)
	// Most of it while others read and write; only the rest holds up the writer.
	mode := "PASSIVE"
	for end := time.Now().Add(emptyFor); ; mode = "TRUNCATE" {
		var busy, pages, copied int
		err := pool.QueryRowContext(ctx, "PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &pages, &copied)
		switch {
		case err != nil && !IsBusy(err):
			return false, describe(db.path, err)
		case mode == "PASSIVE":
			continue
		case err == nil && busy == 0:
			return true, nil
		case time.Now().After(end):
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-time.After(emptyEvery):
		}
	}
}
