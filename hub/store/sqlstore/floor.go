package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"sourire/hub/ingest"
	"sourire/internal/visit"
)

// floorOf returns the floor of a journal and the fold there; the zero Point and nil
// when all of its records are kept.
func floorOf(ctx context.Context, tx *tx, source int64) (p ingest.Point, state *visit.State, err error) {
	var hash, text []byte
	err = tx.QueryRowContext(ctx, "SELECT seq, hash, state FROM floor WHERE source = ?", source).Scan(&p.Through, &hash, &text)
	if errors.Is(err, sql.ErrNoRows) {
		return p, nil, nil
	} else if err != nil {
		return p, nil, err
	}
	copy(p.Hash[:], hash)
	state = new(visit.State)
	return p, state, json.Unmarshal(text, state)
}

// outrun notes which replays began at a floor that has been raised since: their
// visits would count again what is settled.
func (s *Store) outrun(ctx context.Context, tx *tx, changes []ingest.Change, errs []error) error {
	for i := range changes {
		c := &changes[i]
		if c.ReadBy == "" {
			continue
		}
		var now int64
		err := tx.QueryRowContext(ctx, "SELECT coalesce(max(f.seq), 0) FROM source s JOIN floor f ON f.source = s.id WHERE s.kiosk = ? AND s.epoch = ?",
			c.Key.Kiosk, int64(c.Key.Epoch)).Scan(&now)
		if err != nil {
			return err
		}
		if now != int64(c.Floor) {
			errs[i] = ingest.ErrStale
		}
	}
	return nil
}
