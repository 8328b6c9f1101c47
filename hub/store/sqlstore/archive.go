package sqlstore

import (
	"context"
	"errors"
	"fmt"

	"sourire/hub/archive"
	"sourire/hub/history"
	"sourire/hub/ingest"
	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// Cut implements archive.Store.
func (s *Store) Cut(ctx context.Context) (archive.Cut, error) {
	var cut archive.Cut
	err := s.d.view(ctx, func(tx *tx) error {
		if err := tx.QueryRowContext(ctx, "SELECT value FROM meta WHERE name = 'store'").Scan(&cut.StoreID); err != nil {
			return fmt.Errorf("store id: %w", err)
		}
		var err error
		if cut.Sources, err = readSources(ctx, tx); err != nil {
			return fmt.Errorf("journals: %w", err)
		}
		if cut.Gaps, err = readGaps(ctx, tx); err != nil {
			return fmt.Errorf("gaps: %w", err)
		}
		if cut.Refusals, err = readRefusals(ctx, tx); err != nil {
			return fmt.Errorf("refusals: %w", err)
		}
		return nil
	})
	return cut, err
}

func readSources(ctx context.Context, tx *tx) ([]archive.Source, error) {
	rows, err := tx.QueryContext(ctx, `SELECT kiosk, epoch, through, hash, heard, closed, parent, parent_last, again, rule, read_by, created_at, stored_at
		FROM source ORDER BY kiosk, id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []archive.Source
	for rows.Next() {
		var x archive.Source
		var epoch, parent, created, stored int64
		var hash []byte
		if err := rows.Scan(&x.Key.Kiosk, &epoch, &x.Through, &hash, &x.Heard, &x.Closed, &parent, &x.ParentLast, &x.Again,
			&x.Rule, &x.ReadBy, &created, &stored); err != nil {
			return nil, err
		}
		x.Key.Epoch, x.Parent = feedback.Epoch(epoch), feedback.Epoch(parent)
		x.CreatedAt, x.StoredAt = instant(created), instant(stored)
		copy(x.Hash[:], hash)
		out = append(out, x)
	}
	return out, rows.Err()
}

func readGaps(ctx context.Context, tx *tx) (map[ingest.Key][]archive.Gap, error) {
	rows, err := tx.QueryContext(ctx, `SELECT s.kiosk, s.epoch, g.first, g.last, g.why, g.at
		FROM gap g JOIN source s ON s.id = g.source ORDER BY g.source, g.first`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make(map[ingest.Key][]archive.Gap)
	for rows.Next() {
		var key ingest.Key
		var epoch, at int64
		var g archive.Gap
		if err := rows.Scan(&key.Kiosk, &epoch, &g.First, &g.Last, &g.Why, &at); err != nil {
			return nil, err
		}
		key.Epoch, g.At = feedback.Epoch(epoch), instant(at)
		out[key] = append(out[key], g)
	}
	return out, rows.Err()
}

func readRefusals(ctx context.Context, tx *tx) ([]archive.Refusal, error) {
	rows, err := tx.QueryContext(ctx, "SELECT kiosk, refusal, n, last_at FROM refusals ORDER BY kiosk, refusal")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []archive.Refusal
	for rows.Next() {
		var x archive.Refusal
		var at int64
		if err := rows.Scan(&x.Kiosk, &x.Refusal, &x.Count, &at); err != nil {
			return nil, err
		}
		x.LastAt = instant(at)
		out = append(out, x)
	}
	return out, rows.Err()
}

// Bounds of a page: how many batches it looks at, and how many numbers it spans
// unless one batch, or one gap, spans more.
const (
	pageBatches = 2_000
	pageRecords = 5_000
)

// Page implements archive.Store. A page is a transaction of some milliseconds:
// its batches, their records by the days on which they were stored, and what lies
// beside them.
func (s *Store) Page(ctx context.Context, key ingest.Key, after, through feedback.Seq) (p archive.Page, err error) {
	err = s.journals(ctx, func(tx *tx) error {
		var source int64
		err := tx.QueryRowContext(ctx, "SELECT id, rule, read_by FROM source WHERE kiosk = ? AND epoch = ?", key.Kiosk, int64(key.Epoch)).
			Scan(&source, &p.Rule, &p.ReadBy)
		if err != nil {
			return err
		}
		for p.Through = after; p.Through < through && len(p.Rows) < pageRecords; {
			rows, end, err := pagePiece(ctx, tx, source, p.Through, through)
			if err != nil {
				return err
			}
			if end == p.Through {
				return fmt.Errorf("no batch of records %d to %d is stored, sourire-hub verify says what is wrong", end+1, through)
			}
			p.Through, p.Rows = end, append(p.Rows, rows...)
		}
		return readTexts(ctx, tx, source, after, &p)
	})
	return p, err
}

// pagePiece reads some batches of a journal after a record, out of a pack or up to
// the next one, and returns where they end.
func pagePiece(ctx context.Context, tx *tx, source int64, after, through feedback.Seq) (rows []archive.Row, end feedback.Seq, err error) {
	packs, err := packHeads(ctx, tx, "WHERE source = ? AND last > ? AND first <= ? ORDER BY first LIMIT 1", source, int64(after), int64(through))
	if err != nil {
		return nil, after, fmt.Errorf("packs: %w", err)
	}
	if len(packs) > 0 && packs[0].first <= after+1 {
		_, all, err := loadPack(ctx, tx, &packs[0])
		if err != nil {
			return nil, after, err
		}
		from := after + 1 - packs[0].first
		n := from
		for i, r := range all {
			if r.Checked && r.Seq > after && r.Seq <= through {
				n, end = feedback.Seq(i+1), r.Seq
			}
		}
		return all[from:n], max(end, after), nil
	}
	if len(packs) > 0 {
		through = packs[0].first - 1
	}
	batches, err := batchesAfter(ctx, tx, source, after, through)
	if err != nil {
		return nil, after, fmt.Errorf("checkpoints: %w", err)
	}
	if len(batches) == 0 {
		return nil, after, nil
	}
	if rows, err = pageRows(ctx, tx, source, after, batches); err != nil {
		return nil, after, fmt.Errorf("records: %w", err)
	}
	return rows, batches[len(batches)-1].through, nil
}

// batch is the end of a stored batch, or an anchor.
type batch struct {
	through feedback.Seq
	hash    feedback.Hash
	day     int64
}

func batchesAfter(ctx context.Context, tx *tx, source int64, after, through feedback.Seq) ([]batch, error) {
	rows, err := tx.QueryContext(ctx, "SELECT seq, hash, day FROM checkpoint WHERE source = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
		source, int64(after), int64(through), pageBatches)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []batch
	for rows.Next() {
		var b batch
		var hash []byte
		if err := rows.Scan(&b.through, &hash, &b.day); err != nil {
			return nil, err
		}
		if len(out) > 0 && b.through-after > pageRecords {
			break
		}
		copy(b.hash[:], hash)
		out = append(out, b)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

var errTwice = errors.New("is stored twice, sourire-hub verify says more")

// pageRows reads the records of some batches, in the order of numbers, and the
// anchors among the batches: those that end with no record.
func pageRows(ctx context.Context, tx *tx, source int64, after feedback.Seq, batches []batch) ([]archive.Row, error) {
	last := batches[len(batches)-1].through
	bad, err := readRows(ctx, tx, "SELECT seq, body, why FROM quarantine WHERE source = ? AND seq > ? AND seq <= ? ORDER BY seq", source, int64(after), int64(last))
	if err != nil {
		return nil, err
	}
	var out []archive.Row
	from := after
	for i := 0; i < len(batches); {
		day := batches[i].day
		end := i
		for end+1 < len(batches) && batches[end+1].day == day {
			end++
		}
		good, err := readRows(ctx, tx, "SELECT seq, body, '' FROM record WHERE day = ? AND source = ? AND seq > ? AND seq <= ? ORDER BY seq",
			day, source, int64(from), int64(batches[end].through))
		if err != nil {
			return nil, err
		}
		for ; i <= end; i++ {
			b := batches[i]
			for seq := from; len(good) > 0 && good[0].Seq <= b.through || len(bad) > 0 && bad[0].Seq <= b.through; {
				from := &good
				if len(good) == 0 || len(bad) > 0 && bad[0].Seq < good[0].Seq {
					from = &bad
				}
				row := (*from)[0]
				*from = (*from)[1:]
				if row.Seq <= seq {
					return nil, fmt.Errorf("record %d %w", row.Seq, errTwice)
				}
				seq = row.Seq
				row.StoredOn = storedOn(day)
				out = append(out, row)
			}
			if n := len(out); n > 0 && out[n-1].Seq == b.through {
				out[n-1].Checked, out[n-1].Hash = true, b.hash
			} else {
				out = append(out, archive.Row{Seq: b.through, Checked: true, Hash: b.hash, StoredOn: storedOn(day)})
			}
			from = b.through
		}
	}
	return out, nil
}

func readRows(ctx context.Context, tx *tx, query string, args ...any) ([]archive.Row, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []archive.Row
	for rows.Next() {
		var r archive.Row
		if err := rows.Scan(&r.Seq, &r.Body, &r.Bad); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

func readTexts(ctx context.Context, tx *tx, source int64, after feedback.Seq, p *archive.Page) error {
	rows, err := tx.QueryContext(ctx, "SELECT seq, salt, text FROM comment WHERE source = ? AND seq > ? AND seq <= ? ORDER BY seq",
		source, int64(after), int64(p.Through))
	if err != nil {
		return fmt.Errorf("comments: %w", err)
	}
	defer rows.Close()
	at := 0
	for rows.Next() {
		var seq feedback.Seq
		var c archive.Comment
		if err := rows.Scan(&seq, &c.Salt, &c.Text); err != nil {
			return fmt.Errorf("comments: %w", err)
		}
		for at < len(p.Rows) && p.Rows[at].Seq < seq {
			at++
		}
		if at < len(p.Rows) && p.Rows[at].Seq == seq {
			p.Rows[at].Comment = &c
		}
	}
	return rows.Err()
}

// Spans implements history.Store.
func (s *Store) Spans(ctx context.Context, kiosk feedback.KioskID) ([]history.Span, error) {
	var out []history.Span
	err := s.d.view(ctx, func(tx *tx) error {
		spans, err := quads(ctx, tx, `SELECT s.id, coalesce(min(v.at), 0), coalesce(max(v.at), 0), count(v.at) FROM source s
			LEFT JOIN visit v ON v.source = s.id AND v.at > 0 WHERE s.kiosk = ? GROUP BY s.id ORDER BY s.id`, kiosk)
		if err != nil {
			return err
		}
		for _, x := range spans {
			source, first, last, visits := x[0], x[1], x[2], x[3]
			err := eachPacked(ctx, tx, anything, func(v visit.Visit) {
				if !v.Dated() {
					return
				}
				if visits == 0 {
					first, last = v.At, v.At
				}
				first, last, visits = min(first, v.At), max(last, v.At), visits+1
			}, "WHERE source = ?", source)
			if err != nil {
				return err
			}
			if visits == 0 {
				continue
			}
			var epoch int64
			if err := tx.QueryRowContext(ctx, "SELECT epoch FROM source WHERE id = ?", source).Scan(&epoch); err != nil {
				return err
			}
			out = append(out, history.Span{Epoch: feedback.Epoch(epoch), First: instant(first), Last: instant(last), Visits: visits})
		}
		return nil
	})
	return out, err
}
