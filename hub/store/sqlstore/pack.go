package sqlstore

import (
	"context"
	varint "encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"sourire/hub/archive"
	"sourire/hub/ingest"
	"sourire/internal/feedback"
)

// Pack implements ingest.Packs.
func (s *Store) Pack(ctx context.Context, term int64, from ingest.Place, o ingest.Packing) (next ingest.Place, records int, err error) {
	before := dayOf(o.Before.UTC())
	at, next, err := s.candidate(ctx, from, before, o.Records)
	if err != nil {
		return next, 0, fmt.Errorf("find what can be packed: %w", err)
	}
	if at == nil {
		if next == (ingest.Place{}) {
			err = s.vacate(ctx, term, monthOf(before))
		}
		return next, 0, err
	}
	err = s.d.update(ctx, func(tx *tx) error {
		next, records = ingest.Place{}, 0
		if err := s.under(ctx, tx, term, newFresh()); err != nil {
			return err
		}
		g := gathering{source: at.Source, before: before, most: feedback.Seq(o.Records)}
		p, end, err := g.gather(ctx, tx, at.After)
		if err != nil {
			return err
		}
		if end == 0 { // nothing more of this journal
			next = ingest.Place{Source: at.Source + 1}
			return nil
		}
		next = ingest.Place{Source: at.Source, After: end}
		if p == nil {
			return nil
		}
		records = int(p.records)
		return putPack(ctx, tx, p)
	})
	if err != nil {
		return ingest.Place{Source: at.Source + 1}, 0, fmt.Errorf("pack journal %d after record %d: %w", at.Source, at.After, err)
	}
	return next, records, nil
}

// candidates is how many journals are looked at in one go.
const candidates = 50

// candidate returns the next journal that may have something to pack, or none and
// where to look on. It asks for no lock: most journals have nothing.
func (s *Store) candidate(ctx context.Context, from ingest.Place, before int64, most int) (at *ingest.Place, next ingest.Place, err error) {
	err = s.d.view(ctx, func(tx *tx) error {
		heads, err := quads(ctx, tx, `SELECT s.id, c.seq, c.day, 0 FROM source s JOIN checkpoint c ON c.source = s.id
			AND c.seq = (SELECT min(x.seq) FROM checkpoint x WHERE x.source = s.id AND x.seq > CASE WHEN s.id = ? THEN ? ELSE 0 END)
			WHERE s.id >= ? AND s.id < (SELECT coalesce(max(id), 0) + 1 FROM (SELECT id FROM source WHERE id >= ? ORDER BY id LIMIT ?) z) ORDER BY s.id`,
			from.Source, int64(from.After), from.Source, from.Source, candidates)
		if err != nil {
			return err
		}
		for _, h := range heads {
			source, first, day := h[0], h[1], h[2]
			if day >= before {
				continue
			}
			if monthOf(day) == monthOf(before) {
				after, err := pointBefore(ctx, tx, source, feedback.Seq(first-1))
				if err != nil {
					return err
				}
				_, end, found, err := checkpointAt(ctx, tx, "seq >= ? ORDER BY seq", source, after.Through+max(1, enough(feedback.Seq(most))))
				if err != nil {
					return err
				}
				if !found || end >= before {
					continue
				}
			}
			at = &ingest.Place{Source: source}
			if source == from.Source {
				at.After = from.After
			}
			return nil
		}
		var last int64
		err = tx.QueryRowContext(ctx, "SELECT coalesce(max(id), 0) FROM (SELECT id FROM source WHERE id >= ? ORDER BY id LIMIT ?) z", from.Source, candidates).Scan(&last)
		if last > 0 {
			next = ingest.Place{Source: last + 1}
		}
		return err
	})
	return at, next, err
}

// gathering is a stretch that is being put together.
type gathering struct {
	source int64
	before int64 // day
	most   feedback.Seq
}

// enough is how many records do not wait for more. A kiosk that few press would
// else fill rows for months; a pack of a sixteenth takes some 8 bytes a press more.
func enough(most feedback.Seq) feedback.Seq { return most / 16 }

// maxPackBytes bounds the bodies of a stretch, but for a single batch that has
// more: records of presses have 30 bytes.
const maxPackBytes = 256 << 10

// gather returns the next stretch of a journal after a record that can be packed,
// and its end. Without a stretch, end is how far there is none, or 0: for now there
// is none in all the rest.
func (g *gathering) gather(ctx context.Context, tx *tx, after feedback.Seq) (p *packed, end feedback.Seq, err error) {
	first, _, found, err := checkpointAt(ctx, tx, "seq > ? ORDER BY seq", g.source, after)
	if err != nil || !found {
		return nil, 0, err
	}
	at, err := pointBefore(ctx, tx, g.source, first.Through-1)
	if err != nil {
		return nil, 0, err
	}
	batches, closed, err := g.batches(ctx, tx, at)
	if err != nil || len(batches) == 0 {
		return nil, 0, err
	}
	rows, err := pageRows(ctx, tx, g.source, at.Through, batches)
	if errors.Is(err, errTwice) {
		return nil, first.Through, nil // verify says so
	} else if err != nil {
		return nil, 0, err
	}
	p = &packed{packHead: packHead{source: g.source, first: at.Through + 1, before: at.Hash, hash: at.Hash, last: at.Through, firstBoot: 1}}
	n := p.fold(rows, batches)
	closed = closed || n < len(batches)
	switch {
	case n == 0: // an anchor, or what does not agree
		return nil, first.Through, nil
	case !closed:
		return nil, 0, nil
	}
	p.batches = batches[:n]
	p.rated, err = rowsOfVisits(ctx, tx, "WHERE source = ? AND seq >= ? AND seq <= ? ORDER BY seq", g.source, int64(p.first), int64(p.last))
	if err != nil {
		return nil, 0, err
	}
	p.describe()
	return p, p.last, nil
}

// batches returns those of a stretch from a point on, and whether it is to be
// packed or waits for more.
func (g *gathering) batches(ctx context.Context, tx *tx, at ingest.Point) (out []batch, closed bool, err error) {
	limit := feedback.Seq(math.MaxInt64)
	next, err := packHeads(ctx, tx, "WHERE source = ? AND first > ? ORDER BY first LIMIT 1", g.source, int64(at.Through))
	if err != nil {
		return nil, false, err
	}
	if len(next) > 0 {
		limit = next[0].first - 1
	}
	all, err := batchesAfter(ctx, tx, g.source, at.Through, limit)
	if err != nil || len(all) == 0 || all[0].day >= g.before {
		return nil, false, err
	}
	month := monthOf(all[0].day)
	closed = month < monthOf(g.before)
	for i, b := range all {
		if b.day >= g.before {
			break
		}
		if i > 0 && (monthOf(b.day) != month || b.through-at.Through > g.most) {
			closed = true
			break
		}
		out = append(out, b)
	}
	if len(out) == len(all) && !closed {
		// All that a page takes: another pack follows, or something far away.
		_, _, more, err := checkpointAt(ctx, tx, "seq > ? ORDER BY seq", g.source, all[len(all)-1].through)
		if err != nil {
			return nil, false, err
		}
		closed = more || len(next) > 0
	}
	return out, closed || out[len(out)-1].through-at.Through >= enough(g.most), nil
}

// fold takes in rows as long as batches are whole and the running hash agrees, and
// returns how many batches that are.
func (p *packed) fold(rows []archive.Row, batches []batch) int {
	size, records, kept := 0, int64(0), 0
	at := ingest.Point{Through: p.last, Hash: p.hash}
	for n, b := range batches {
		for ; len(rows) > 0 && rows[0].Seq <= b.through; rows = rows[1:] {
			r := rows[0]
			if r.Body == nil || r.Seq != at.Through+1 {
				p.bodies = p.bodies[:kept]
				return n
			}
			at = ingest.Point{Through: r.Seq, Hash: at.Hash.Next(r.Body)}
			size += len(r.Body)
			if r.Bad != "" {
				p.bodies = append(p.bodies, nil)
				continue
			}
			p.bodies = append(p.bodies, r.Body)
			records++
		}
		if at != (ingest.Point{Through: b.through, Hash: b.hash}) || n > 0 && size > maxPackBytes {
			p.bodies = p.bodies[:kept]
			return n
		}
		p.last, p.hash, p.records, kept = at.Through, at.Hash, records, len(p.bodies)
	}
	return len(batches)
}

// describe fills in what the head says of the rest.
func (p *packed) describe() {
	p.firstDay, p.lastDay = p.batches[0].day, p.batches[0].day
	for _, b := range p.batches {
		p.firstDay, p.lastDay = min(p.firstDay, b.day), max(p.lastDay, b.day)
	}
	p.visits = int64(len(p.rated))
	var asked []int64
	for i, v := range p.rated {
		if i == 0 {
			p.firstBoot, p.lastBoot = v.boot, v.boot
		}
		p.firstBoot, p.lastBoot = min(p.firstBoot, v.boot), max(p.lastBoot, v.boot)
		if !slices.Contains(asked, v.asked) {
			asked = append(asked, v.asked)
		}
	}
	slices.Sort(asked)
	p.asked = []byte{}
	for _, id := range asked {
		p.asked = varint.AppendUvarint(p.asked, uint64(id))
	}
}

// putPack writes a pack and deletes the rows that it stands for.
func putPack(ctx context.Context, tx *tx, p *packed) error {
	visits, err := p.visitsBlob()
	if err != nil {
		return err
	}
	bodies, err := p.bodiesBlob()
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO pack ("+headColumns+", visits, bodies) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		p.source, int64(p.first), int64(p.last), p.records, p.visits, p.firstDay, p.lastDay, p.firstBoot, p.lastBoot,
		p.before[:], p.hash[:], p.asked, visits, bodies); err != nil {
		return err
	}
	gone := func(want int64, query string, args ...any) error {
		r, err := tx.ExecContext(ctx, query, args...)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n != want {
			return errors.Join(err, fmt.Errorf("%d rows were packed and %d deleted by %q", want, n, query))
		}
		return nil
	}
	from := p.first - 1
	for i := 0; i < len(p.batches); {
		end := i
		for end+1 < len(p.batches) && p.batches[end+1].day == p.batches[i].day {
			end++
		}
		through, n := p.batches[end].through, int64(0)
		for _, body := range p.bodies[from+1-p.first : through+1-p.first] {
			if body != nil {
				n++
			}
		}
		if err := gone(n, "DELETE FROM record WHERE day = ? AND source = ? AND seq > ? AND seq <= ?", p.batches[i].day, p.source, int64(from), int64(through)); err != nil {
			return err
		}
		i, from = end+1, through
	}
	if err := gone(int64(len(p.batches)), "DELETE FROM checkpoint WHERE source = ? AND seq >= ? AND seq <= ?", p.source, int64(p.first), int64(p.last)); err != nil {
		return err
	}
	if err := gone(p.visits, "DELETE FROM visit WHERE source = ? AND seq >= ? AND seq <= ?", p.source, int64(p.first), int64(p.last)); err != nil {
		return err
	}
	return packingChanged(ctx, tx)
}

// packingChanged tells every writer to ask anew where packs are, and which months
// have room.
func packingChanged(ctx context.Context, tx *tx) error {
	_, err := tx.ExecContext(ctx, "UPDATE term SET packing = packing + 1")
	return err
}

// packs say how far journals have packs, as of some state of term.packing, which
// rises when something is packed.
type packs struct {
	packing int64
	last    map[int64]feedback.Seq
}

// take takes over what a transaction has found.
func (p *packs) take(from *packs) {
	if p.last == nil || len(p.last) > maxSources {
		p.last = make(map[int64]feedback.Seq)
	}
	for source, last := range from.last {
		p.last[source] = last
	}
}

// touched returns the records, in order, on whose rows, or on those of whose
// visits, a change works that may have been stored long ago.
func touched(c *ingest.Change) []feedback.Seq {
	var out []feedback.Seq
	for _, v := range c.Visits {
		if v.After.Seq <= c.From.Through {
			out = append(out, v.After.Seq)
		}
	}
	for _, v := range c.Gone {
		out = append(out, v.Seq)
	}
	for _, r := range c.Freed {
		out = append(out, r.Seq)
	}
	for _, b := range c.Bad {
		if b.Seq <= c.From.Through {
			out = append(out, b.Seq)
		}
	}
	slices.Sort(out)
	return out
}

// unpackFor turns the packs on which a change works back into rows: the one rule
// of packing is that rows are written, and packs never. The packer packs them
// again.
func (s *Store) unpackFor(ctx context.Context, tx *tx, source int64, c *ingest.Change, made fresh) error {
	seqs := touched(c)
	if len(seqs) == 0 {
		return nil
	}
	through, err := s.packedThrough(ctx, tx, source, made)
	if err != nil || seqs[0] > through {
		return err
	}
	heads, err := packHeads(ctx, tx, "WHERE source = ? AND last >= ? AND first <= ? ORDER BY first", source, int64(seqs[0]), int64(seqs[len(seqs)-1]))
	if err != nil {
		return err
	}
	for i := range heads {
		at, _ := slices.BinarySearch(seqs, heads[i].first)
		if at == len(seqs) || seqs[at] > heads[i].last {
			continue
		}
		if err := s.unpack(ctx, tx, &heads[i], made); err != nil {
			return err
		}
	}
	return nil
}

// packedThrough returns the last record of a journal that is packed, or was lately.
func (s *Store) packedThrough(ctx context.Context, tx *tx, source int64, made fresh) (feedback.Seq, error) {
	last, ok := made.packs.last[source]
	if ok {
		return last, nil
	}
	s.mu.Lock()
	if s.packs.packing == made.packs.packing {
		last, ok = s.packs.last[source]
	}
	s.mu.Unlock()
	if ok {
		return last, nil
	}
	heads, err := packHeads(ctx, tx, "WHERE source = ? ORDER BY first DESC LIMIT 1", source)
	if err != nil {
		return 0, err
	}
	if len(heads) > 0 {
		last = heads[0].last
	}
	made.packs.last[source] = last
	return last, nil
}

// unpack turns a pack back into rows.
func (s *Store) unpack(ctx context.Context, tx *tx, h *packHead, made fresh) error {
	p, _, err := loadPack(ctx, tx, h)
	if err != nil {
		return err
	}
	if err := loadVisits(ctx, tx, p); err != nil {
		return err
	}
	if err := s.room(ctx, tx, p.firstDay, made); err != nil {
		return err
	}
	from := any(p.source)
	var checkpoints, records, visits []any
	seq := p.first
	for i := range p.batches {
		b := &p.batches[i]
		checkpoints = append(checkpoints, from, int64(b.through), b.hash[:], b.day)
		for ; seq <= b.through; seq++ {
			if body := p.bodies[seq-p.first]; body != nil {
				records = append(records, b.day, from, int64(seq), body)
			}
		}
	}
	for _, v := range p.rated {
		visits = append(visits, from, v.seq, v.boot, v.since, v.asked, v.rating, v.presses, v.marks, v.aside, v.at, v.within)
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM pack WHERE source = ? AND first = ?", p.source, int64(p.first)); err != nil {
		return err
	}
	for _, w := range []struct {
		t      *table
		values []any
	}{{&s.tables.checkpoint, checkpoints}, {&s.tables.record, records}, {&s.tables.visit, visits}} {
		if err := s.d.insert(ctx, tx, w.t, w.values); err != nil {
			return fmt.Errorf("unpack records %d to %d into %s: %w", p.first, p.last, w.t.name, err)
		}
	}
	return nil
}

// vacate drops the months of records before one that packing has emptied.
func (s *Store) vacate(ctx context.Context, term int64, before month) error {
	empty, err := s.d.vacant(ctx, before)
	if err != nil && !s.d.busy(err) {
		return fmt.Errorf("months without records: %w", err)
	}
	for _, m := range empty {
		err := s.d.update(ctx, func(tx *tx) error {
			if err := s.under(ctx, tx, term, newFresh()); err != nil {
				return err
			}
			if err := s.d.drop(ctx, tx, m); err != nil {
				return err
			}
			return packingChanged(ctx, tx)
		})
		if err != nil && !s.d.busy(err) {
			return fmt.Errorf("drop the records of %s, of which there are none: %w", m, err)
		}
	}
	return nil
}

// storedOn is the day of a batch as an instant.
func storedOn(day int64) time.Time { return time.Unix(day*secondsOfDay, 0).UTC() }
