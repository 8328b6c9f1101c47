package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	varint "encoding/binary"
	"errors"
	"fmt"
	"slices"

	"sourire/hub/archive"
	"sourire/hub/ingest"
	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// journals runs do in a transaction that sees one state of records, in both forms,
// throughout: no month of them goes meanwhile.
func (s *Store) journals(ctx context.Context, do func(*tx) error) error {
	return s.d.view(ctx, func(tx *tx) error {
		if err := s.d.still(ctx, tx); err != nil {
			return err
		}
		return do(tx)
	})
}

// headColumns are those of packHead.
const headColumns = "source, first, last, records, rated, first_day, last_day, first_boot, last_boot, before, hash, asked"

// packHeads returns the packs that a condition selects, without what is in them.
func packHeads(ctx context.Context, q querier, where string, args ...any) ([]packHead, error) {
	rows, err := q.QueryContext(ctx, "SELECT "+headColumns+" FROM pack "+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []packHead
	for rows.Next() {
		var h packHead
		var before, hash []byte
		if err := rows.Scan(&h.source, &h.first, &h.last, &h.records, &h.visits, &h.firstDay, &h.lastDay, &h.firstBoot, &h.lastBoot,
			&before, &hash, &h.asked); err != nil {
			return nil, err
		}
		copy(h.before[:], before)
		copy(h.hash[:], hash)
		out = append(out, h)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

func (h *packHead) damage(format string, args ...any) error {
	return &ingest.DamageError{First: h.first, Last: h.last, Why: fmt.Sprintf(format, args...)}
}

func (h *packHead) blob(ctx context.Context, tx *tx, column string) (b []byte, err error) {
	err = tx.QueryRowContext(ctx, "SELECT "+column+" FROM pack WHERE source = ? AND first = ?", h.source, int64(h.first)).Scan(&b)
	return b, err
}

// loadPack reads the records of a pack and, with those of its stretch that are in
// quarantine, proves them by the running hash. It returns them as a page has them.
func loadPack(ctx context.Context, tx *tx, h *packHead) (*packed, []archive.Row, error) {
	p := &packed{packHead: *h}
	blob, err := h.blob(ctx, tx, "bodies")
	if err != nil {
		return nil, nil, err
	}
	if err := p.readBodies(blob); err != nil {
		return nil, nil, h.damage("its records: %v", err)
	}
	bad, err := readRows(ctx, tx, "SELECT seq, body, why FROM quarantine WHERE source = ? AND seq >= ? AND seq <= ? ORDER BY seq", h.source, int64(h.first), int64(h.last))
	if err != nil {
		return nil, nil, err
	}
	rows := make([]archive.Row, 0, len(p.bodies))
	hash, records, n := h.before, int64(0), 0
	for i, body := range p.bodies {
		r := archive.Row{Seq: h.first + feedback.Seq(i), Body: body, StoredOn: storedOn(p.batches[n].day)}
		quarantined := len(bad) > 0 && bad[0].Seq == r.Seq
		switch {
		case quarantined != (body == nil):
			return nil, nil, h.damage("record %d stands in it and in quarantine, or nowhere", r.Seq)
		case quarantined:
			r.Body, r.Bad, bad = bad[0].Body, bad[0].Bad, bad[1:]
		default:
			records++
		}
		hash = hash.Next(r.Body)
		if b := &p.batches[n]; b.through == r.Seq {
			b.hash, r.Checked, r.Hash = hash, true, hash
			n = min(n+1, len(p.batches)-1)
		}
		rows = append(rows, r)
	}
	if hash != h.hash || records != h.records {
		return nil, nil, h.damage("its %d records end with hash %s, it says %d with %s", records, hash, h.records, h.hash)
	}
	return p, rows, nil
}

// loadVisits reads the visits of a pack.
func loadVisits(ctx context.Context, tx *tx, p *packed) error {
	blob, err := p.blob(ctx, tx, "visits")
	if err != nil {
		return err
	}
	if err := p.readVisits(blob); err != nil {
		return p.damage("its visits: %v", err)
	}
	return nil
}

// anything is what eachPacked is asked for when it does not matter what a visit
// answers.
const anything = 0

// eachPacked calls do for every visit in the packs that a condition selects, or
// for those alone that answer one thing asked.
func eachPacked(ctx context.Context, tx *tx, of int64, do func(visit.Visit), where string, args ...any) error {
	heads, err := packHeads(ctx, tx, where, args...)
	if err != nil {
		return err
	}
	asked := make(map[int64]feedback.Asked)
	for i := range heads {
		p := &packed{packHead: heads[i]}
		if of != anything && !slices.Contains(p.asks(), of) {
			continue
		}
		if err := loadVisits(ctx, tx, p); err != nil {
			return err
		}
		for _, v := range p.rated {
			if of != anything && v.asked != of {
				continue
			}
			a, ok := asked[v.asked]
			if !ok {
				err := tx.QueryRowContext(ctx, "SELECT site, touchpoint, survey, scale FROM asked WHERE id = ?", v.asked).
					Scan(&a.Site, &a.Touchpoint, &a.Survey, &a.Scale)
				if errors.Is(err, sql.ErrNoRows) {
					return p.damage("visit %d answers what nobody asked", v.seq)
				} else if err != nil {
					return err
				}
				asked[v.asked] = a
			}
			do(v.visit(a))
		}
	}
	return nil
}

func (v *visitRow) visit(a feedback.Asked) visit.Visit {
	return visit.Visit{
		Seq: feedback.Seq(v.seq), Stamp: feedback.Stamp{Boot: feedback.Boot(v.boot), Since: v.since}, Asked: a,
		Rating: int(v.rating), Presses: int(v.presses), Mixed: v.marks&markMixed != 0, Insistent: v.marks&markInsistent != 0,
		Aside: visit.Aside(v.aside), At: v.at, Within: v.within,
	}
}

// rowsOfVisits returns rows of the table visit.
func rowsOfVisits(ctx context.Context, tx *tx, where string, args ...any) ([]visitRow, error) {
	rows, err := tx.QueryContext(ctx, "SELECT seq, boot, since, asked, rating, presses, marks, aside, at, within FROM visit "+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []visitRow
	for rows.Next() {
		var v visitRow
		if err := rows.Scan(&v.seq, &v.boot, &v.since, &v.asked, &v.rating, &v.presses, &v.marks, &v.aside, &v.at, &v.within); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// asks returns what the visits of a pack answer.
func (h *packHead) asks() (out []int64) {
	for b := h.asked; len(b) > 0; {
		id, n := varint.Uvarint(b)
		if n <= 0 {
			break // its checksum says so when it is read
		}
		out, b = append(out, int64(id)), b[n:]
	}
	return out
}

// packAt returns the pack in which a record of a journal stands, or else the last
// one before it, or none.
func packAt(ctx context.Context, q querier, source int64, seq feedback.Seq) (*packHead, error) {
	heads, err := packHeads(ctx, q, "WHERE source = ? AND first <= ? ORDER BY first DESC LIMIT 1", source, int64(seq))
	if err != nil || len(heads) == 0 {
		return nil, err
	}
	return &heads[0], nil
}

// pointBefore returns the last place of a journal, up to a record that is in no
// pack, at which a hash is kept: a checkpoint or the end of a pack.
func pointBefore(ctx context.Context, tx *tx, source int64, seq feedback.Seq) (ingest.Point, error) {
	at, _, _, err := checkpointAt(ctx, tx, "seq <= ? ORDER BY seq DESC", source, seq)
	if err != nil {
		return at, err
	}
	h, err := packAt(ctx, tx, source, seq)
	if err == nil && h != nil && h.last > at.Through && h.last <= seq {
		at = ingest.Point{Through: h.last, Hash: h.hash}
	}
	return at, err
}

// hashAt returns the running hash after a record of a pack.
func (h *packHead) hashAt(ctx context.Context, tx *tx, seq feedback.Seq) (feedback.Hash, error) {
	if seq == h.last {
		return h.hash, nil
	}
	_, rows, err := loadPack(ctx, tx, h)
	if err != nil {
		return feedback.Hash{}, err
	}
	hash := h.before
	for _, r := range rows[:seq-h.first+1] {
		hash = hash.Next(r.Body)
	}
	return hash, nil
}

// quads reads rows of four numbers.
func quads(ctx context.Context, tx *tx, query string, args ...any) ([][4]int64, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out [][4]int64
	for rows.Next() {
		var q [4]int64
		if err := rows.Scan(&q[0], &q[1], &q[2], &q[3]); err != nil {
			return nil, err
		}
		out = append(out, q)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// sorted returns visits in the order of their numbers.
func sorted(visits []visit.Visit) []visit.Visit {
	slices.SortFunc(visits, func(a, b visit.Visit) int { return cmp.Compare(a.Seq, b.Seq) })
	return visits
}
