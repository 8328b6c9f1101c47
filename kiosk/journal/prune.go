package journal

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"sourire/internal/feedback"
)

const (
	// pruneStep bounds one deletion, so that a press never waits for a long one.
	pruneStep = 2000
	// pruneRounds bounds the deletions of one Renew.
	pruneRounds = 50
	// fullAt is the share of the bound at which room is made, in percent.
	fullAt = 90
)

// prune drops acknowledged records that are too old, then as many as it takes to
// have room, step by step.
func (j *Journal) prune(ctx context.Context) error {
	if err := j.pruneOld(ctx); err != nil {
		return err
	}
	for range pruneRounds {
		room, err := j.room(ctx)
		if err != nil || !room.tight() {
			return err
		}
		var dropped int64
		err = j.locked(func() (err error) {
			dropped, err = j.dropOldest(ctx, pruneStep)
			return err
		})
		if err != nil || dropped == 0 {
			return err
		}
	}
	return nil
}

// pruneOld drops by age. Age is known only for records whose instant was known
// and while this instant is; the others go by room alone.
func (j *Journal) pruneOld(ctx context.Context) error {
	now := j.Now()
	if now.IsZero() {
		return nil
	}
	cutoff := now.Add(-j.o.Keep).UnixMilli()
	for _, e := range j.Epochs() {
		for range pruneRounds {
			var last sql.NullInt64
			// The records before one that is old are old, whatever they say.
			err := j.db.Read.QueryRowContext(ctx, `SELECT max(seq) FROM (
				SELECT seq, at FROM record WHERE epoch = ? AND seq <= ? ORDER BY seq LIMIT ?
				) WHERE at > 0 AND at < ?`, int64(e.ID), e.Acked, pruneStep, cutoff).Scan(&last)
			if err != nil {
				return err
			}
			if !last.Valid {
				break
			}
			err = j.locked(func() error { return j.drop(ctx, e.ID, feedback.Seq(last.Int64)) })
			if err != nil {
				return err
			}
		}
	}
	return j.locked(func() error { return j.dropEmpty(ctx) })
}

// dropOldest drops up to n acknowledged records of the oldest epoch that has
// any, and returns how many it dropped. j.writer is held.
func (j *Journal) dropOldest(ctx context.Context, n int64) (int64, error) {
	for _, e := range j.Epochs() {
		if have := int64(e.Acked - e.Oldest + 1); have > 0 {
			n = min(n, have)
			return n, j.drop(ctx, e.ID, e.Oldest+feedback.Seq(n)-1)
		}
	}
	return 0, nil
}

// drop deletes the records of an epoch up to and with last, but none above the
// mark, which may have gone back. j.writer is held.
func (j *Journal) drop(ctx context.Context, id feedback.Epoch, last feedback.Seq) error {
	e, err := j.epoch(id)
	if err != nil {
		return err
	}
	last = min(last, e.Acked)
	return j.inTx(ctx, func(tx *sql.Tx) error {
		for _, statement := range []string{
			"DELETE FROM record WHERE epoch = ?1 AND seq <= ?2",
			"DELETE FROM comment WHERE epoch = ?1 AND seq <= ?2",
			"DELETE FROM hole WHERE epoch = ?1 AND last <= ?2",
			`DELETE FROM landmark WHERE epoch = ?1 AND seq < (SELECT max(l.seq) FROM landmark l
				WHERE l.epoch = landmark.epoch AND l.kind = landmark.kind AND l.seq <= ?2)`,
			// A hole that follows is gone with the records before it.
			`UPDATE epoch SET oldest = coalesce((SELECT min(seq) FROM record WHERE epoch = ?1), next) WHERE id = ?1`,
			`DELETE FROM hole WHERE epoch = ?1 AND last < (SELECT oldest FROM epoch WHERE id = ?1)`,
		} {
			if _, err := tx.ExecContext(ctx, statement, int64(id), last); err != nil {
				return fmt.Errorf("drop records up to %d: %w", last, err)
			}
		}
		return nil
	})
}

// dropEmpty forgets closed epochs of which nothing is held. The newest of them
// stays: it tells how far the current one's parent came. j.writer is held.
func (j *Journal) dropEmpty(ctx context.Context) error {
	all := j.Epochs()
	for i, e := range all {
		if i >= len(all)-2 || e.Oldest < e.Next {
			continue
		}
		err := j.inTx(ctx, func(tx *sql.Tx) error {
			for _, statement := range []string{"DELETE FROM landmark WHERE epoch = ?", "DELETE FROM epoch WHERE id = ?"} {
				if _, err := tx.ExecContext(ctx, statement, int64(e.ID)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// makeRoom drops acknowledged records after SQLite said that there is no room,
// and reports whether another attempt makes sense. j.writer is held.
func (j *Journal) makeRoom(ctx context.Context) bool {
	dropped, err := j.dropOldest(ctx, pruneStep)
	return err == nil && dropped > 0
}

// room is how much of the file and of the disk is used, in bytes.
type room struct {
	used, bound   int64
	free, reserve int64 // of the disk
}

// tight reports whether acknowledged records should make room.
func (r room) tight() bool {
	inFile := r.used*100 < r.bound*fullAt
	return !inFile || r.free < r.reserve && r.used > r.bound/100
}

// left returns how many bytes can still be written without dropping anything.
func (r room) left() int64 { return max(0, min(r.bound-r.used, r.free)) }

func (j *Journal) room(ctx context.Context) (room, error) {
	return roomOf(ctx, j.db.Read, j.pageSize, j.o)
}

func roomOf(ctx context.Context, db *sql.DB, pageSize int64, o Options) (room, error) {
	var pages, unused int64
	err := db.QueryRowContext(ctx, "SELECT page_count, freelist_count FROM pragma_page_count, pragma_freelist_count").
		Scan(&pages, &unused)
	if err != nil {
		return room{}, err
	}
	r := room{used: (pages - unused) * pageSize, bound: o.MaxBytes, free: o.MaxBytes, reserve: o.Reserve}
	if o.DiskFree != nil {
		if r.free, err = o.DiskFree(); err != nil {
			return r, err
		}
		r.free += unused * pageSize // free inside the file
	} else {
		r.reserve = 0
	}
	return r, nil
}

// pace is what a kiosk is assumed to record until it has shown its own pace.
const (
	paceRecords = 250
	paceAfter   = 24 * time.Hour
)
