package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"sourire/hub/ingest"
	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// Marks implements ingest.Store.
func (s *Store) Marks(ctx context.Context, keys []ingest.Key) ([]ingest.Mark, error) {
	marks := make([]ingest.Mark, len(keys))
	for i, k := range keys {
		m, err := readMark(ctx, s.d.reader(), k)
		if err != nil {
			return nil, fmt.Errorf("mark of %s epoch %s: %w", k.Kiosk, k.Epoch, err)
		}
		marks[i] = m
	}
	return marks, nil
}

func readMark(ctx context.Context, q querier, k ingest.Key) (ingest.Mark, error) {
	var m ingest.Mark
	err := q.QueryRowContext(ctx, "SELECT CAST(coalesce(sum(quarantined), 0) AS BIGINT) FROM source WHERE kiosk = ?", k.Kiosk).Scan(&m.Quarantined)
	if err != nil {
		return m, err
	}
	var hash, state []byte
	err = q.QueryRowContext(ctx, "SELECT through, hash, heard, state FROM source WHERE kiosk = ? AND epoch = ?", k.Kiosk, int64(k.Epoch)).
		Scan(&m.Through, &hash, &m.Heard, &state)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return m, nil
	case err != nil:
		return m, err
	}
	m.Known = true
	copy(m.Hash[:], hash)
	return m, json.Unmarshal(state, &m.State)
}

// HashAt implements ingest.Store: from the checkpoint before seq, or the end of
// the pack before it, over the records up to it.
func (s *Store) HashAt(ctx context.Context, key ingest.Key, seq feedback.Seq) (h feedback.Hash, known bool, err error) {
	if seq == 0 {
		return h, true, nil
	}
	err = s.journals(ctx, func(tx *tx) error {
		var source int64
		err := tx.QueryRowContext(ctx, "SELECT id FROM source WHERE kiosk = ? AND epoch = ?", key.Kiosk, int64(key.Epoch)).Scan(&source)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		} else if err != nil {
			return err
		}
		if pack, err := packAt(ctx, tx, source, seq); err != nil {
			return err
		} else if pack != nil && seq <= pack.last {
			known = true
			h, err = pack.hashAt(ctx, tx, seq)
			return err
		}
		from, err := pointBefore(ctx, tx, source, seq)
		if err != nil {
			return err
		}
		if from.Through == seq {
			h, known = from.Hash, true
			return nil
		}
		_, day, found, err := checkpointAt(ctx, tx, "seq >= ? ORDER BY seq", source, seq)
		if err != nil || !found {
			return err
		}
		h, known, err = hashOver(ctx, tx, span{source: source, day: day, after: from, through: seq})
		return err
	})
	return h, known, err
}

func checkpointAt(ctx context.Context, tx *tx, where string, source int64, seq feedback.Seq) (p ingest.Point, day int64, found bool, err error) {
	var hash []byte
	err = tx.QueryRowContext(ctx, "SELECT seq, hash, day FROM checkpoint WHERE source = ? AND "+where+" LIMIT 1", source, seq).
		Scan(&p.Through, &hash, &day)
	if errors.Is(err, sql.ErrNoRows) {
		return p, 0, false, nil
	}
	copy(p.Hash[:], hash)
	return p, day, err == nil, err
}

// span names the records of one batch after a checkpoint.
type span struct {
	source, day int64
	after       ingest.Point
	through     feedback.Seq
}

func hashOver(ctx context.Context, tx *tx, sp span) (feedback.Hash, bool, error) {
	rows, err := tx.QueryContext(ctx, `SELECT seq, body FROM record WHERE day = ? AND source = ? AND seq > ? AND seq <= ?
		UNION ALL SELECT seq, body FROM quarantine WHERE source = ? AND seq > ? AND seq <= ? ORDER BY 1`,
		sp.day, sp.source, sp.after.Through, sp.through, sp.source, sp.after.Through, sp.through)
	if err != nil {
		return feedback.Hash{}, false, err
	}
	defer rows.Close()
	at := sp.after
	for rows.Next() {
		var seq feedback.Seq
		var body []byte
		if err := rows.Scan(&seq, &body); err != nil {
			return at.Hash, false, err
		}
		if seq != at.Through+1 {
			return at.Hash, false, nil
		}
		at = ingest.Point{Through: seq, Hash: at.Hash.Next(body)}
	}
	return at.Hash, at.Through == sp.through, rows.Err()
}

const visitColumns = `visit.seq, boot, since, site, touchpoint, survey, scale, rating, presses, marks, aside, at, within`

func scanVisit(rows *sql.Rows) (visit.Visit, error) {
	var v visit.Visit
	var marks int
	err := rows.Scan(&v.Seq, &v.Stamp.Boot, &v.Stamp.Since, &v.Asked.Site, &v.Asked.Touchpoint, &v.Asked.Survey,
		&v.Asked.Scale, &v.Rating, &v.Presses, &marks, &v.Aside, &v.At, &v.Within)
	v.Mixed, v.Insistent = marks&markMixed != 0, marks&markInsistent != 0
	return v, err
}

// The bits of visit.marks.
const (
	markMixed     = 1
	markInsistent = 2
)

// VisitsOfBoots implements ingest.Store.
func (s *Store) VisitsOfBoots(ctx context.Context, key ingest.Key, boots []feedback.Boot) ([]visit.Visit, error) {
	var out []visit.Visit
	err := s.d.view(ctx, func(tx *tx) error {
		for _, b := range boots {
			rows, err := tx.QueryContext(ctx, `SELECT `+visitColumns+` FROM visit JOIN asked ON asked.id = visit.asked
				WHERE source = (SELECT id FROM source WHERE kiosk = ? AND epoch = ?) AND boot = ?`, key.Kiosk, int64(key.Epoch), b)
			if err != nil {
				return err
			}
			if out, err = appendVisits(out, rows); err != nil {
				return err
			}
			err = eachPacked(ctx, tx, anything, func(v visit.Visit) {
				if v.Stamp.Boot == b {
					out = append(out, v)
				}
			}, "WHERE source = (SELECT id FROM source WHERE kiosk = ? AND epoch = ?) AND first_boot <= ? AND last_boot >= ? ORDER BY first",
				key.Kiosk, int64(key.Epoch), b, b)
			if err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

func appendVisits(out []visit.Visit, rows *sql.Rows) ([]visit.Visit, error) {
	defer rows.Close()
	for rows.Next() {
		v, err := scanVisit(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// Bounds of what is kept of a kiosk's refused payloads.
const (
	maxRefused     = 20
	maxRefusedSize = 64 << 10
)

// Refuse implements ingest.Store.
func (s *Store) Refuse(ctx context.Context, refused []ingest.Refused) error {
	refused = slices.SortedStableFunc(slices.Values(refused), func(a, b ingest.Refused) int { return cmp.Compare(a.Kiosk, b.Kiosk) })
	return s.d.update(ctx, func(tx *tx) error {
		for _, r := range refused {
			at := r.At.UnixMilli()
			if _, err := tx.ExecContext(ctx, `INSERT INTO refusals (kiosk, refusal, n, last_at) VALUES (?, ?, 1, ?)
				ON CONFLICT (kiosk, refusal) DO UPDATE SET n = refusals.n + 1, last_at = excluded.last_at`, r.Kiosk, r.Refusal, at); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO refused (kiosk, refusal, why, at, payload)
				SELECT ?, ?, ?, ?, ? WHERE (SELECT count(*) FROM refused WHERE kiosk = ?) < ?`,
				r.Kiosk, r.Refusal, legible(r.Why), at, append([]byte{}, r.Payload[:min(len(r.Payload), maxRefusedSize)]...), r.Kiosk, maxRefused); err != nil {
				return err
			}
		}
		return nil
	})
}
