package sqlstore

import (
	"context"
	"errors"
	"fmt"

	"sourire/hub/ingest"
	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// Outdated implements ingest.Journals.
func (s *Store) Outdated(ctx context.Context, rule int, version string) ([]ingest.Key, error) {
	rows, err := s.d.reader().QueryContext(ctx, `SELECT kiosk, epoch FROM source
		WHERE rule <> ? OR quarantined > 0 AND read_by <> ? ORDER BY id`, rule, version)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []ingest.Key
	for rows.Next() {
		var k ingest.Key
		var epoch int64
		if err := rows.Scan(&k.Kiosk, &epoch); err != nil {
			return nil, err
		}
		k.Epoch = feedback.Epoch(epoch)
		out = append(out, k)
	}
	return out, rows.Err()
}

// Journal implements ingest.Journals.
func (s *Store) Journal(ctx context.Context, key ingest.Key, do func(ingest.Row) error) (m ingest.Mark, visits []visit.Visit, err error) {
	err = s.journals(ctx, func(tx *tx) error {
		if m, err = readMark(ctx, tx, key); err != nil {
			return err
		}
		r := snapshot{tx}
		if visits, err = r.Visits(ctx, key); err != nil {
			return err
		}
		return r.Rows(ctx, key, do)
	})
	return m, visits, err
}

// replay writes what only a replay changes: records that leave the quarantine or
// go there, visits that are gone.
func (s *Store) replay(ctx context.Context, tx *tx, source int64, c *ingest.Change, made fresh) error {
	var bytes int
	for _, r := range c.Freed {
		bytes += len(r.Body)
		if err := s.free(ctx, tx, source, r, made); err != nil {
			return fmt.Errorf("free record %d: %w", r.Seq, err)
		}
	}
	for _, r := range c.Bad { // beside has put it into quarantine
		_, day, _, err := checkpointAt(ctx, tx, "seq >= ? ORDER BY seq", source, r.Seq)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM record WHERE day = ? AND source = ? AND seq = ?", day, source, r.Seq); err != nil {
			return fmt.Errorf("record %d: %w", r.Seq, err)
		}
	}
	for _, v := range c.Gone {
		if _, err := tx.ExecContext(ctx, "DELETE FROM visit WHERE source = ? AND seq = ?", source, v.Seq); err != nil {
			return fmt.Errorf("visit %d: %w", v.Seq, err)
		}
	}
	_, err := tx.ExecContext(ctx, "UPDATE source SET quarantined = quarantined - ?, read_by = ?, rule = ? WHERE id = ?",
		bytes, c.ReadBy, visit.Rule, source)
	return err
}

// free takes a record out of quarantine and puts it among the others of its
// batch, on the day on which that was stored.
func (s *Store) free(ctx context.Context, tx *tx, source int64, r ingest.Record, made fresh) error {
	consumed, err := changed(tx.ExecContext(ctx, "DELETE FROM quarantine WHERE source = ? AND seq = ?", source, r.Seq))
	if err != nil {
		return err
	}
	_, day, found, err := checkpointAt(ctx, tx, "seq >= ? ORDER BY seq", source, r.Seq)
	if err != nil {
		return err
	}
	if !consumed || !found {
		return errors.New("it is not in quarantine")
	}
	if err := s.room(ctx, tx, day, made); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO record (day, source, seq, body) VALUES (?, ?, ?, ?)", day, source, r.Seq, r.Body)
	return err
}
