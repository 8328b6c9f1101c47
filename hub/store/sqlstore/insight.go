package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sourire/hub/insight"
	"sourire/hub/rollup"
	"sourire/hub/site"
	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// PutSites implements insight.Store.
func (s *Store) PutSites(ctx context.Context, sites []site.Site) error {
	sites = slices.SortedFunc(slices.Values(sites), func(a, b site.Site) int { return cmp.Compare(a.ID, b.ID) })
	err := s.d.update(ctx, func(tx *tx) error {
		for _, x := range sites {
			_, err := tx.ExecContext(ctx, `INSERT INTO site (id, name, zone) VALUES (?, ?, ?)
				ON CONFLICT (id) DO UPDATE SET name = excluded.name, zone = excluded.zone`, x.ID, x.Name, x.Zone.String())
			if err != nil {
				return fmt.Errorf("site %s: %w", x.ID, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.settle(ctx, nil)
}

// Sites implements insight.Store.
func (s *Store) Sites(ctx context.Context) ([]insight.Place, error) {
	rows, err := s.d.reader().QueryContext(ctx, `SELECT id, name, zone FROM site
		UNION ALL SELECT DISTINCT site, '', '' FROM asked WHERE site NOT IN (SELECT id FROM site) ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []insight.Place
	for rows.Next() {
		var p insight.Place
		if err := rows.Scan(&p.ID, &p.Name, &p.Zone); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

// Kiosks implements insight.Store. A kiosk's newest journal is the last that is
// not closed. Of a site, only the journals of kiosks are read that mention it: the
// site stands inside the state, and with 400 kiosks 1.7 of 2 ms went into carrying
// those of the others out of the database.
func (s *Store) Kiosks(ctx context.Context, at feedback.SiteID) ([]insight.Kiosk, error) {
	var out []insight.Kiosk
	err := s.d.view(ctx, func(tx *tx) error {
		which, args := "", []any(nil)
		if at != "" {
			which = " AND s.kiosk IN (SELECT kiosk FROM source WHERE closed = FALSE AND " + s.d.mentions + ")"
			args = append(args, []byte(strconv.Quote(string(at))))
		}
		rows, err := tx.QueryContext(ctx, `SELECT s.kiosk, s.epoch, s.through, s.state, s.stored_at,
				k.online, k.version, k.epoch, k.next, k.queued, k.heard_at, k.last_at
			FROM source s LEFT JOIN kiosk k ON k.id = s.kiosk
			WHERE s.closed = FALSE`+which+` ORDER BY s.kiosk, s.created_at DESC, s.id DESC`, args...)
		if err != nil {
			return err
		}
		if out, err = s.scanKiosks(rows, at); err != nil {
			return err
		}
		gaps, err := allGaps(ctx, tx)
		if err != nil {
			return fmt.Errorf("gaps: %w", err)
		}
		for i := range out {
			out[i].Gaps = gaps[out[i].ID]
		}
		if err := countBad(ctx, tx, out); err != nil {
			return fmt.Errorf("quarantine: %w", err)
		}
		return nil
	})
	return out, err
}

func (s *Store) scanKiosks(rows *sql.Rows, at feedback.SiteID) ([]insight.Kiosk, error) {
	defer rows.Close()
	var out []insight.Kiosk
	var last feedback.KioskID
	for rows.Next() {
		var k insight.Kiosk
		var epoch, stored int64
		var state []byte
		var online sql.NullBool
		var version sql.NullString
		var pulse [5]sql.NullInt64 // epoch, next, queued, heard_at, last_at
		if err := rows.Scan(&k.ID, &epoch, &k.Through, &state, &stored, &online, &version,
			&pulse[0], &pulse[1], &pulse[2], &pulse[3], &pulse[4]); err != nil {
			return nil, err
		}
		if k.ID == last {
			continue // an older journal
		}
		last = k.ID
		var err error
		if k.State, err = s.stateOf(k.ID, state); err != nil {
			return nil, fmt.Errorf("state of %s: %w", k.ID, err)
		}
		if at != "" && (k.State.Asked == nil || k.State.Asked.Site != at) {
			continue
		}
		k.Epoch, k.StoredAt = feedback.Epoch(epoch), instant(stored)
		if online.Valid {
			k.Pulse = &insight.Pulse{
				Online: online.Bool, Version: version.String, Epoch: feedback.Epoch(pulse[0].Int64),
				Next: feedback.Seq(pulse[1].Int64), Queued: pulse[2].Int64,
				HeardAt: instant(pulse[3].Int64), LastAt: instant(pulse[4].Int64),
			}
		}
		out = append(out, k)
	}
	return out, rows.Err()
}

// decoded is a state and the text that says it.
type decoded struct {
	text  []byte
	state visit.State
}

// maxDecoded bounds what is remembered, of a KiB each.
const maxDecoded = 20_000

// stateOf reads the state of a kiosk, or remembers it: those of 400 kiosks took a
// quarter of an overview, and most have not pressed since the one before. Nobody
// may change what a state refers to.
func (s *Store) stateOf(kiosk feedback.KioskID, text []byte) (visit.State, error) {
	s.mu.Lock()
	d, ok := s.states[kiosk]
	s.mu.Unlock()
	if ok && bytes.Equal(d.text, text) {
		return d.state, nil
	}
	d = decoded{text: text}
	if err := json.Unmarshal(text, &d.state); err != nil {
		return d.state, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.states == nil || len(s.states) >= maxDecoded {
		s.states = make(map[feedback.KioskID]decoded)
	}
	s.states[kiosk] = d
	return d.state, nil
}

// allGaps returns the gaps of every kiosk: they are few.
func allGaps(ctx context.Context, tx *tx) (map[feedback.KioskID][]insight.Gap, error) {
	rows, err := tx.QueryContext(ctx, `SELECT s.kiosk, s.epoch, g.first, g.last, g.why, g.at
		FROM gap g JOIN source s ON s.id = g.source ORDER BY g.at, g.source, g.first`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make(map[feedback.KioskID][]insight.Gap)
	for rows.Next() {
		var g insight.Gap
		var epoch, at int64
		if err := rows.Scan(&g.Kiosk, &epoch, &g.First, &g.Last, &g.Why, &at); err != nil {
			return nil, err
		}
		g.Epoch, g.At = feedback.Epoch(epoch), instant(at)
		out[g.Kiosk] = append(out[g.Kiosk], g)
	}
	return out, rows.Err()
}

// countBad counts the records in quarantine of these kiosks. Few journals have
// any, and only theirs are counted, by one question: one kiosk may have 8 MiB of
// them, and each of 400 kiosks one.
func countBad(ctx context.Context, tx *tx, kiosks []insight.Kiosk) error {
	query, args := "SELECT s.kiosk, COUNT(*) FROM source s JOIN quarantine q ON q.source = s.id WHERE s.quarantined > 0", []any(nil)
	if len(kiosks) <= few { // their journals are found by name
		query += " AND s.kiosk IN (NULL" + strings.Repeat(", ?", len(kiosks)) + ")"
		for _, k := range kiosks {
			args = append(args, k.ID)
		}
	}
	rows, err := tx.QueryContext(ctx, query+" GROUP BY s.kiosk", args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	bad := make(map[feedback.KioskID]int64)
	for rows.Next() {
		var kiosk feedback.KioskID
		var n int64
		if err := rows.Scan(&kiosk, &n); err != nil {
			return err
		}
		bad[kiosk] = n
	}
	for i := range kiosks {
		kiosks[i].Bad = bad[kiosks[i].ID]
	}
	return rows.Err()
}

// cellFields are the fields of a cell in the order of cellColumns.
func cellFields(c *rollup.Cell) []any {
	var to []any
	for i := range c.Steps {
		to = append(to, &c.Steps[i])
	}
	for i := range c.Aside[1:] {
		to = append(to, &c.Aside[1+i])
	}
	return append(to, &c.Presses, &c.AsidePresses, &c.Mixed, &c.Insistent)
}

// Publish implements insight.Store.
func (s *Store) Publish(ctx context.Context, moves ...insight.Move) ([]bool, error) {
	order := make([]int, len(moves)) // in which rows are taken, see putSightings
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(moves[a].Site, moves[b].Site) })
	done := make([]bool, len(moves))
	err := s.d.update(ctx, func(tx *tx) error {
		for _, i := range order {
			var err error
			if done[i], err = changed(show(ctx, tx, moves[i].Snapshot, moves[i].Was)); err != nil {
				return fmt.Errorf("site %s: %w", moves[i].Site, err)
			}
			if !done[i] || moves[i].Was != 0 {
				continue // with its first snapshot a day has put an end to those before
			}
			if _, err := tx.ExecContext(ctx, "DELETE FROM published WHERE site = ? AND day < ?", moves[i].Site, moves[i].Day); err != nil {
				return fmt.Errorf("site %s: %w", moves[i].Site, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return done, nil
}

func show(ctx context.Context, tx *tx, n insight.Snapshot, was int64) (sql.Result, error) {
	if was == 0 {
		return tx.ExecContext(ctx, "INSERT INTO published (site, day, body, at) VALUES (?, ?, ?, ?) ON CONFLICT (site, day) DO NOTHING",
			n.Site, n.Day, n.Body, n.At)
	}
	return tx.ExecContext(ctx, "UPDATE published SET body = ?, at = ? WHERE site = ? AND day = ? AND at = ?",
		n.Body, n.At, n.Site, n.Day, was)
}
