package sqlstore

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"sourire/hub/ingest"
	"sourire/hub/rollup"
	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// AskRebuild implements ingest.Rebuilds.
func (s *Store) AskRebuild(ctx context.Context) (ingest.Rebuild, error) {
	r := ingest.Rebuild{ID: rand.Text(), Phase: ingest.PhaseAsked}
	return r, s.d.update(ctx, func(tx *tx) error {
		if _, err := s.d.term(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE source SET rule = 0"); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO rebuild (one, id, phase, done, total, why) VALUES (1, ?, ?, 0, 0, '')
			ON CONFLICT (one) DO UPDATE SET id = excluded.id, phase = excluded.phase, done = 0, total = 0, why = ''`, r.ID, r.Phase)
		return err
	})
}

// LastRebuild implements ingest.Rebuilds.
func (s *Store) LastRebuild(ctx context.Context) (r ingest.Rebuild, err error) {
	err = s.d.reader().QueryRowContext(ctx, "SELECT id, phase, done, total, why FROM rebuild").Scan(&r.ID, &r.Phase, &r.Done, &r.Total, &r.Why)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return r, err
}

// NoteRebuild implements ingest.Rebuilds.
func (s *Store) NoteRebuild(ctx context.Context, r ingest.Rebuild) error {
	return s.d.update(ctx, func(tx *tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE rebuild SET phase = ?, done = ?, total = ?, why = ? WHERE id = ?", r.Phase, r.Done, r.Total, legible(r.Why), r.ID)
		return err
	})
}

// Recount implements ingest.Rebuilds. What is held in memory at a time is what one
// touchpoint counts. Visits lie by journals, of which a touchpoint has few, so
// most visits are read once.
func (s *Store) Recount(ctx context.Context, do func(ingest.Recount) error) error {
	return s.d.view(ctx, func(tx *tx) error {
		sources, err := pairs(ctx, tx, "SELECT DISTINCT asked, source FROM visit ORDER BY 1, 2")
		if err != nil {
			return fmt.Errorf("journals of visits: %w", err)
		}
		if sources, err = withPacked(ctx, tx, sources); err != nil {
			return fmt.Errorf("journals of packed visits: %w", err)
		}
		all, err := pairs(ctx, tx, "SELECT id, id FROM asked ORDER BY 1")
		if err != nil {
			return fmt.Errorf("asked: %w", err)
		}
		for i, p := range all {
			c := ingest.Recount{Counted: make(rollup.Delta), Done: i, Of: len(all)}
			for ; len(sources) > 0 && sources[0][0] <= p[0]; sources = sources[1:] {
				if sources[0][0] < p[0] {
					continue // of something that nobody asked: no visit can be read
				}
				if err := countVisits(ctx, tx, sources[0], c.Counted); err != nil {
					return fmt.Errorf("visits: %w", err)
				}
			}
			if c.Stored, err = readCells(ctx, tx, "WHERE asked.id = ?", p[0]); err != nil {
				return fmt.Errorf("cells: %w", err)
			}
			if err := do(c); err != nil {
				return err
			}
		}
		return nil
	})
}

func pairs(ctx context.Context, tx *tx, query string) ([][2]int64, error) {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out [][2]int64
	for rows.Next() {
		var p [2]int64
		if err := rows.Scan(&p[0], &p[1]); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// countVisits adds the visits of one journal that answer one thing asked.
func countVisits(ctx context.Context, tx *tx, p [2]int64, to rollup.Delta) error {
	rows, err := tx.QueryContext(ctx, "SELECT "+visitColumns+" FROM visit JOIN asked ON asked.id = visit.asked WHERE visit.asked = ? AND visit.source = ?", p[0], p[1])
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		v, err := scanVisit(rows)
		if err != nil {
			return err
		}
		to.Add(visit.Change{After: &v})
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	return eachPacked(ctx, tx, p[0], func(v visit.Visit) { to.Add(visit.Change{After: &v}) }, "WHERE source = ? ORDER BY first", p[1])
}

// withPacked adds to the pairs of what is asked and a journal those of packs.
func withPacked(ctx context.Context, tx *tx, of [][2]int64) ([][2]int64, error) {
	rows, err := tx.QueryContext(ctx, "SELECT DISTINCT source, asked FROM pack") // few, of however many packs
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var h packHead
		if err := rows.Scan(&h.source, &h.asked); err != nil {
			return nil, err
		}
		for _, asked := range h.asks() {
			of = append(of, [2]int64{asked, h.source})
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	slices.SortFunc(of, func(a, b [2]int64) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(of), nil
}

// AddCells implements ingest.Rebuilds.
func (s *Store) AddCells(ctx context.Context, term int64, cells rollup.Delta) error {
	made := newFresh()
	var sites []feedback.SiteID
	for k := range cells {
		if !slices.Contains(sites, k.Asked.Site) { // of one touchpoint they are one
			sites = append(sites, k.Asked.Site)
		}
	}
	sites = newsOf(sites)
	err := s.d.update(ctx, func(tx *tx) error {
		if err := s.under(ctx, tx, term, made); err != nil {
			return err
		}
		if err := s.count(ctx, tx, cells, made); err != nil {
			return err
		}
		return s.d.tell(ctx, tx, sites)
	})
	if err == nil {
		s.remember(made)
		s.d.told(sites)
	}
	return err
}

// SumDays implements ingest.Rebuilds. Days that are to be summed up anew are not
// read until they are.
func (s *Store) SumDays(ctx context.Context, step func(done, of int)) error {
	err := s.d.update(ctx, func(tx *tx) error {
		if _, err := s.d.term(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE day_zone SET rules = 0"); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "UPDATE term SET zoning = zoning + 1")
		return err
	})
	if err != nil {
		return err
	}
	return s.settle(ctx, step)
}
