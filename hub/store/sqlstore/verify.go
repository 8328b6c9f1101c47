package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"

	"sourire/hub/ingest"
	"sourire/hub/rollup"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// Snapshot implements verify.Store.
func (s *Store) Snapshot(ctx context.Context, read func(verify.Reader) error) error {
	return s.journals(ctx, func(tx *tx) error { return read(snapshot{tx}) })
}

// snapshot is a read transaction as a verify.Reader.
type snapshot struct{ tx *tx }

// Sources implements verify.Reader.
func (r snapshot) Sources(ctx context.Context) ([]verify.Source, error) {
	rows, err := r.tx.QueryContext(ctx, "SELECT kiosk, epoch, through, hash, heard, state, closed FROM source ORDER BY kiosk, id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []verify.Source
	for rows.Next() {
		var src verify.Source
		var epoch int64
		var hash, state []byte
		if err := rows.Scan(&src.Key.Kiosk, &epoch, &src.Mark.Through, &hash, &src.Mark.Heard, &state, &src.Closed); err != nil {
			return nil, err
		}
		src.Key.Epoch = feedback.Epoch(epoch)
		src.Mark.Known = true
		copy(src.Mark.Hash[:], hash)
		if err := json.Unmarshal(state, &src.Mark.State); err != nil {
			return nil, err
		}
		out = append(out, src)
	}
	return out, rows.Err()
}

func (r snapshot) source(ctx context.Context, key ingest.Key) (int64, error) {
	var id int64
	err := r.tx.QueryRowContext(ctx, "SELECT id FROM source WHERE kiosk = ? AND epoch = ?", key.Kiosk, int64(key.Epoch)).Scan(&id)
	return id, err
}

// Rows implements verify.Reader. The key of a record begins with the day of its
// storing, so it goes through the runs of checkpoints of one day: in the order of
// numbers, for the hub's clock may have been set back over midnight.
func (r snapshot) Rows(ctx context.Context, key ingest.Key, do func(ingest.Row) error) error {
	source, err := r.source(ctx, key)
	if err != nil {
		return err
	}
	runs, err := r.runs(ctx, source)
	if err != nil {
		return err
	}
	for _, run := range runs {
		if run.pack != nil {
			if err := r.packed(ctx, run.pack, do); err != nil {
				return err
			}
			continue
		}
		rows, err := r.tx.QueryContext(ctx, `
			SELECT r.seq, r.body, FALSE, c.hash FROM record r
				LEFT JOIN checkpoint c ON c.source = r.source AND c.seq = r.seq
				WHERE r.day = ? AND r.source = ? AND r.seq > ? AND r.seq <= ?
			UNION ALL
			SELECT q.seq, q.body, TRUE, c.hash FROM quarantine q
				LEFT JOIN checkpoint c ON c.source = q.source AND c.seq = q.seq
				WHERE q.source = ? AND q.seq > ? AND q.seq <= ?
			UNION ALL
			SELECT c.seq, NULL, FALSE, c.hash FROM checkpoint c
				WHERE c.source = ? AND c.seq > ? AND c.seq <= ?
				AND NOT EXISTS (SELECT 1 FROM record x WHERE x.day = c.day AND x.source = c.source AND x.seq = c.seq)
				AND NOT EXISTS (SELECT 1 FROM quarantine x WHERE x.source = c.source AND x.seq = c.seq)
			ORDER BY 1`,
			run.day, source, run.after, run.through, source, run.after, run.through, source, run.after, run.through)
		if err != nil {
			return err
		}
		if err := eachRow(rows, do); err != nil {
			return err
		}
	}
	return r.strays(ctx, source, runs, do)
}

// strays reads the records of a journal that stand on a day of its runs and in
// none of them: there should be none.
func (r snapshot) strays(ctx context.Context, source int64, runs []run, do func(ingest.Row) error) error {
	ends := make(map[int64]feedback.Seq) // of each day, how far it was read
	between := func(day int64, after, through feedback.Seq) error {
		rows, err := r.tx.QueryContext(ctx, "SELECT seq, body, FALSE, NULL FROM record WHERE day = ? AND source = ? AND seq > ? AND seq <= ? ORDER BY seq",
			day, source, after, through)
		if err != nil {
			return err
		}
		return eachRow(rows, do)
	}
	for _, run := range runs {
		if run.pack != nil {
			continue
		}
		if err := between(run.day, ends[run.day], run.after); err != nil {
			return err
		}
		ends[run.day] = run.through
	}
	for _, day := range slices.Sorted(maps.Keys(ends)) {
		if err := between(day, ends[day], math.MaxInt64); err != nil {
			return err
		}
	}
	return nil
}

// packed reads the records of a pack.
func (r snapshot) packed(ctx context.Context, h *packHead, do func(ingest.Row) error) error {
	_, rows, err := loadPack(ctx, r.tx, h)
	if err != nil {
		return err
	}
	for _, x := range rows {
		if err := do(ingest.Row{Seq: x.Seq, Body: x.Body, Bad: x.Bad != "", Checked: x.Checked, Checkpoint: x.Hash}); err != nil {
			return err
		}
	}
	return nil
}

// run is a stretch of a journal that was stored on one day, or is packed.
type run struct {
	day            int64
	after, through feedback.Seq
	pack           *packHead
}

func (r snapshot) runs(ctx context.Context, source int64) ([]run, error) {
	packs, err := packHeads(ctx, r.tx, "WHERE source = ? ORDER BY first", source)
	if err != nil {
		return nil, err
	}
	rows, err := r.tx.QueryContext(ctx, "SELECT seq, day FROM checkpoint WHERE source = ? ORDER BY seq", source)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []run
	pack := func() {
		out = append(out, run{after: packs[0].first - 1, through: packs[0].last, pack: &packs[0]})
		packs = packs[1:]
	}
	for rows.Next() {
		var seq feedback.Seq
		var day int64
		if err := rows.Scan(&seq, &day); err != nil {
			return nil, err
		}
		for len(packs) > 0 && packs[0].first <= seq {
			pack()
		}
		switch n := len(out); {
		case n > 0 && out[n-1].pack == nil && out[n-1].day == day:
			out[n-1].through = seq
		case n > 0:
			out = append(out, run{day: day, after: out[n-1].through, through: seq})
		default:
			out = append(out, run{day: day, through: seq})
		}
	}
	for len(packs) > 0 {
		pack()
	}
	return out, rows.Err()
}

func eachRow(rows *sql.Rows, do func(ingest.Row) error) error {
	defer rows.Close()
	for rows.Next() {
		var row ingest.Row
		var hash []byte
		if err := rows.Scan(&row.Seq, &row.Body, &row.Bad, &hash); err != nil {
			return err
		}
		row.Checked = hash != nil
		copy(row.Checkpoint[:], hash)
		if err := do(row); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Gaps implements verify.Reader.
func (r snapshot) Gaps(ctx context.Context, key ingest.Key) ([]ingest.Gap, error) {
	source, err := r.source(ctx, key)
	if err != nil {
		return nil, err
	}
	rows, err := r.tx.QueryContext(ctx, "SELECT first, last, why FROM gap WHERE source = ? ORDER BY first", source)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []ingest.Gap
	for rows.Next() {
		var g ingest.Gap
		if err := rows.Scan(&g.First, &g.Last, &g.Why); err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, rows.Err()
}

// Visits implements verify.Reader.
func (r snapshot) Visits(ctx context.Context, key ingest.Key) ([]visit.Visit, error) {
	source, err := r.source(ctx, key)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	rows, err := r.tx.QueryContext(ctx, "SELECT "+visitColumns+" FROM visit JOIN asked ON asked.id = visit.asked WHERE source = ? ORDER BY visit.seq", source)
	if err != nil {
		return nil, err
	}
	out, err := appendVisits(nil, rows)
	if err != nil {
		return nil, err
	}
	err = eachPacked(ctx, r.tx, anything, func(v visit.Visit) { out = append(out, v) }, "WHERE source = ? ORDER BY first", source)
	return sorted(out), err
}

// Cells implements verify.Reader.
func (r snapshot) Cells(ctx context.Context) (rollup.Delta, error) {
	return readCells(ctx, r.tx, "")
}

// Days implements verify.Reader.
func (r snapshot) Days(ctx context.Context) (rollup.Days, map[feedback.SiteID]*rollup.Calendar, error) {
	stand, err := standings(ctx, r.tx)
	if err != nil {
		return nil, nil, err
	}
	calendars := make(map[feedback.SiteID]*rollup.Calendar)
	of := make(map[string]*rollup.Calendar)
	for id, st := range stand {
		if of[st.zone] == nil {
			of[st.zone] = calendarOf(st.zone)
		}
		calendars[id] = nil
		if of[st.zone].Rules() == st.rules {
			calendars[id] = of[st.zone]
		}
	}
	rows, err := r.tx.QueryContext(ctx, dayColumns("day.day")+" FROM day JOIN asked ON asked.id = day.asked")
	if err != nil {
		return nil, nil, err
	}
	days := make(rollup.Days)
	err = eachDay(rows, func(asked feedback.Asked, day rollup.Day, c rollup.Cell) {
		days[rollup.DayKey{Asked: asked, Day: day}] = c
	})
	return days, calendars, err
}

// Records implements verify.Reader.
func (r snapshot) Records(ctx context.Context) (n int64, err error) {
	err = r.tx.QueryRowContext(ctx, "SELECT (SELECT count(*) FROM record) + (SELECT CAST(coalesce(sum(records), 0) AS BIGINT) FROM pack)").Scan(&n)
	return n, err
}

// readCells returns the cells that a condition over cell and asked selects.
func readCells(ctx context.Context, q querier, where string, args ...any) (rollup.Delta, error) {
	rows, err := q.QueryContext(ctx, "SELECT site, touchpoint, survey, scale, bucket, "+strings.Join(cellColumns(), ", ")+
		" FROM cell JOIN asked ON asked.id = cell.asked "+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make(rollup.Delta)
	for rows.Next() {
		var k rollup.Key
		var c rollup.Cell
		to := []any{&k.Asked.Site, &k.Asked.Touchpoint, &k.Asked.Survey, &k.Asked.Scale, &k.Bucket}
		if err := rows.Scan(append(to, cellFields(&c)...)...); err != nil {
			return nil, err
		}
		if !c.IsZero() {
			out[k] = c
		}
	}
	return out, rows.Err()
}
