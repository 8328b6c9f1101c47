package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sourire/hub/insight"
	"sourire/hub/rollup"
	"sourire/hub/site"
	"sourire/internal/feedback"
)

// few is up to how many sites are read one by one: each of their days is a seek.
// Beyond it, the days of all sites are read in one go.
const few = 4

// Read implements insight.Store.
func (s *Store) Read(ctx context.Context, questions ...insight.Question) ([]insight.Answer, error) {
	answers := make([]insight.Answer, len(questions))
	err := s.d.view(ctx, func(tx *tx) error {
		if len(questions) > few {
			return s.readAll(ctx, tx, questions, answers)
		}
		for i, q := range questions {
			if err := s.readOne(ctx, tx, q, &answers[i]); err != nil {
				return fmt.Errorf("site %s: %w", q.Site.ID, err)
			}
		}
		return nil
	})
	return answers, err
}

func (s *Store) readOne(ctx context.Context, tx *tx, q insight.Question, a *insight.Answer) error {
	is, err := readStanding(ctx, tx, q.Site.ID)
	if err != nil {
		return fmt.Errorf("zone: %w", err)
	}
	if s.stands(is, q.Site) {
		a.Days, err = readDays(ctx, tx, q)
	} else {
		a.Days, err = sumCells(ctx, tx, q)
	}
	if err != nil {
		return fmt.Errorf("days: %w", err)
	}
	if err := readUndated(ctx, tx, q, a); err != nil {
		return fmt.Errorf("undated: %w", err)
	}
	var pressed, stored int64
	err = tx.QueryRowContext(ctx, "SELECT pressed_at, stored_at FROM life WHERE site = ?", q.Site.ID).Scan(&pressed, &stored)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("life: %w", err)
	}
	a.PressedAt, a.StoredAt = instant(pressed), instant(stored)
	if q.Shown == "" {
		return nil
	}
	a.Shown = insight.Snapshot{Site: q.Site.ID, Day: q.Shown}
	err = tx.QueryRowContext(ctx, "SELECT body, at FROM published WHERE site = ? AND day = ?", q.Site.ID, q.Shown).Scan(&a.Shown.Body, &a.Shown.At)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("published: %w", err)
	}
	return nil
}

// readAll answers for many sites with one question for each table.
func (s *Store) readAll(ctx context.Context, tx *tx, questions []insight.Question, answers []insight.Answer) error {
	stand, err := standings(ctx, tx)
	if err != nil {
		return fmt.Errorf("zones: %w", err)
	}
	of := make(map[feedback.SiteID][]int) // the questions about each site whose days stand as asked for
	for i, q := range questions {
		if s.stands(stand[q.Site.ID], q.Site) {
			of[q.Site.ID] = append(of[q.Site.ID], i)
		} else if answers[i].Days, err = sumCells(ctx, tx, q); err != nil {
			return fmt.Errorf("days of %s: %w", q.Site.ID, err)
		}
		if err := readUndated(ctx, tx, q, &answers[i]); err != nil {
			return fmt.Errorf("undated of %s: %w", q.Site.ID, err)
		}
	}
	if err := readAllDays(ctx, tx, questions, answers, of); err != nil {
		return fmt.Errorf("days: %w", err)
	}
	lives, err := allLives(ctx, tx)
	if err != nil {
		return fmt.Errorf("life: %w", err)
	}
	shown, err := allShown(ctx, tx)
	if err != nil {
		return fmt.Errorf("published: %w", err)
	}
	for i, q := range questions {
		l := lives[q.Site.ID]
		answers[i].PressedAt, answers[i].StoredAt = instant(l[0]), instant(l[1])
		if q.Shown == "" {
			continue
		}
		answers[i].Shown = insight.Snapshot{Site: q.Site.ID, Day: q.Shown}
		if x, ok := shown[q.Site.ID]; ok && x.Day == q.Shown {
			answers[i].Shown = x
		}
	}
	return nil
}

// stands reports whether the days of a site stand as its zone wants it. If not,
// for a moment, they are summed up from cells.
func (s *Store) stands(is standing, of site.Site) bool {
	return is.zone == of.Zone.String() && is.rules == s.rulesOf(of.Zone)
}

// rulesOf returns the rules of a zone: those of its calendar, which takes a while
// to make.
func (s *Store) rulesOf(zone *time.Location) int64 {
	s.mu.Lock()
	rules := s.rules[zone]
	s.mu.Unlock()
	if rules != 0 {
		return rules
	}
	rules = rollup.NewCalendar(zone).Rules()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rules == nil || len(s.rules) > maxRules {
		s.rules = make(map[*time.Location]int64)
	}
	s.rules[zone] = rules
	return rules
}

// maxRules bounds that cache: there are 600 zones.
const maxRules = 1000

func standings(ctx context.Context, q querier) (map[feedback.SiteID]standing, error) {
	rows, err := q.QueryContext(ctx, "SELECT site, zone, rules FROM day_zone")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make(map[feedback.SiteID]standing)
	for rows.Next() {
		var id feedback.SiteID
		var st standing
		if err := rows.Scan(&id, &st.zone, &st.rules); err != nil {
			return nil, err
		}
		out[id] = st
	}
	return out, rows.Err()
}

// dayColumns are what eachDay reads.
func dayColumns(day string) string {
	return "SELECT asked.site, asked.touchpoint, asked.survey, asked.scale, " + day + ", " + strings.Join(cellColumns(), ", ")
}

func eachDay(rows *sql.Rows, do func(feedback.Asked, rollup.Day, rollup.Cell)) error {
	defer rows.Close()
	var k rollup.DayKey
	var c rollup.Cell
	to := append([]any{&k.Asked.Site, &k.Asked.Touchpoint, &k.Asked.Survey, &k.Asked.Scale, &k.Day}, cellFields(&c)...)
	for rows.Next() {
		if err := rows.Scan(to...); err != nil {
			return err
		}
		if !c.IsZero() {
			do(k.Asked, k.Day, c)
		}
	}
	return rows.Err()
}

// readDays reads the days of one site: a seek for each day of each touchpoint. The
// joins are CROSS so that SQLite keeps their order.
func readDays(ctx context.Context, tx *tx, q insight.Question) ([]insight.DayCell, error) {
	last := q.Last.Number()
	first := last - rollup.Day(q.Days) + 1
	rows, err := tx.QueryContext(ctx, `WITH RECURSIVE wanted (n) AS (SELECT CAST(? AS BIGINT) UNION ALL SELECT n + 1 FROM wanted WHERE n < ?) `+
		dayColumns("wanted.n")+` FROM asked CROSS JOIN wanted CROSS JOIN day
		WHERE asked.site = ? AND day.day = wanted.n AND day.asked = asked.id`, int64(first), int64(last), q.Site.ID)
	if err != nil {
		return nil, err
	}
	var out []insight.DayCell
	err = eachDay(rows, func(asked feedback.Asked, day rollup.Day, c rollup.Cell) {
		out = append(out, insight.DayCell{Asked: asked, Day: int(day - first), Cell: c})
	})
	return out, err
}

// readAllDays reads the days of all sites between the first and the last that any
// question names, which lie together.
func readAllDays(ctx context.Context, tx *tx, questions []insight.Question, answers []insight.Answer, of map[feedback.SiteID][]int) error {
	first, last := questions[0].Last.Number()+1, questions[0].Last.Number()
	for _, q := range questions {
		last = max(last, q.Last.Number())
		first = min(first, q.Last.Number()-rollup.Day(q.Days)+1)
	}
	rows, err := tx.QueryContext(ctx, dayColumns("day.day")+" FROM day JOIN asked ON asked.id = day.asked WHERE day.day >= ? AND day.day <= ?", int64(first), int64(last))
	if err != nil {
		return err
	}
	return eachDay(rows, func(asked feedback.Asked, day rollup.Day, c rollup.Cell) {
		for _, i := range of[asked.Site] {
			q := questions[i]
			if at := int(day-q.Last.Number()) + q.Days - 1; at >= 0 && at < q.Days {
				answers[i].Days = append(answers[i].Days, insight.DayCell{Asked: asked, Day: at, Cell: c})
			}
		}
	})
}

func allLives(ctx context.Context, tx *tx) (map[feedback.SiteID][2]int64, error) {
	rows, err := tx.QueryContext(ctx, "SELECT site, pressed_at, stored_at FROM life")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make(map[feedback.SiteID][2]int64)
	for rows.Next() {
		var id feedback.SiteID
		var l [2]int64
		if err := rows.Scan(&id, &l[0], &l[1]); err != nil {
			return nil, err
		}
		out[id] = l
	}
	return out, rows.Err()
}

// allShown returns what is shown of each site; of several days, the last.
func allShown(ctx context.Context, tx *tx) (map[feedback.SiteID]insight.Snapshot, error) {
	rows, err := tx.QueryContext(ctx, "SELECT site, day, body, at FROM published ORDER BY day")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make(map[feedback.SiteID]insight.Snapshot)
	for rows.Next() {
		var x insight.Snapshot
		if err := rows.Scan(&x.Site, &x.Day, &x.Body, &x.At); err != nil {
			return nil, err
		}
		out[x.Site] = x
	}
	return out, rows.Err()
}

func readUndated(ctx context.Context, tx *tx, q insight.Question, a *insight.Answer) error {
	if !q.Undated {
		return nil
	}
	undated, err := readCells(ctx, tx, "cell", "WHERE asked.site = ? AND cell.bucket = 0", q.Site.ID)
	for k, c := range undated {
		a.Undated = append(a.Undated, insight.DayCell{Asked: k.Asked, Day: -1, Cell: c})
	}
	return err
}

// sumCells sums days up from cells and from what is settled of days.
func sumCells(ctx context.Context, tx *tx, q insight.Question) ([]insight.DayCell, error) {
	out, err := sumBuckets(ctx, tx, q)
	if err != nil {
		return nil, err
	}
	last := q.Last.Number()
	first := last - rollup.Day(q.Days) + 1
	rows, err := tx.QueryContext(ctx, dayColumns("settled_day.day")+` FROM asked CROSS JOIN settled_day
		WHERE asked.site = ? AND settled_day.asked = asked.id AND settled_day.day >= ? AND settled_day.day <= ?`, q.Site.ID, int64(first), int64(last))
	if err != nil {
		return nil, err
	}
	err = eachDay(rows, func(asked feedback.Asked, day rollup.Day, c rollup.Cell) {
		x := insight.DayCell{Asked: asked, Day: int(day - first), Cell: c}
		if i := slices.IndexFunc(out, func(o insight.DayCell) bool { return o.Asked == x.Asked && o.Day == x.Day }); i >= 0 {
			out[i].Cell = out[i].Cell.Plus(c)
			return
		}
		out = append(out, x)
	})
	return out, err
}

// sumBuckets sums the cells of each day up inside the store: a month of a
// touchpoint is three thousand quarters of an hour and thirty days. The joins
// are CROSS so that SQLite keeps their order: what was asked, day, and then the
// range of one key.
func sumBuckets(ctx context.Context, tx *tx, q insight.Question) ([]insight.DayCell, error) {
	bounds := q.Site.Bounds(q.Last, q.Days)
	if len(bounds) < 2 {
		return nil, nil
	}
	var query strings.Builder
	query.WriteString("WITH wanted (i, lo, hi) AS (VALUES ")
	for i := range len(bounds) - 1 {
		if i > 0 {
			query.WriteString(", ")
		}
		fmt.Fprintf(&query, "(%d, %d, %d)", i, bounds[i], bounds[i+1])
	}
	query.WriteString(") SELECT site, touchpoint, survey, scale, wanted.i")
	for _, c := range cellColumns() {
		query.WriteString(", CAST(sum(" + c + ") AS BIGINT)")
	}
	query.WriteString(` FROM asked CROSS JOIN wanted CROSS JOIN cell
		WHERE asked.site = ? AND cell.asked = asked.id AND cell.bucket >= wanted.lo AND cell.bucket < wanted.hi
		GROUP BY asked.id, site, touchpoint, survey, scale, wanted.i`)
	rows, err := tx.QueryContext(ctx, query.String(), q.Site.ID)
	if err != nil {
		return nil, err
	}
	var out []insight.DayCell
	err = eachDay(rows, func(asked feedback.Asked, day rollup.Day, c rollup.Cell) {
		out = append(out, insight.DayCell{Asked: asked, Day: int(day), Cell: c})
	})
	return out, err
}
