package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"sourire/hub/rollup"
	"sourire/internal/feedback"
)

// zones are calendars by which days stand, as of some state of term.zoning, which
// rises when that of a site changes. A site that is not among them may stand by
// any.
type zones struct {
	zoning int64
	sites  map[feedback.SiteID]*rollup.Calendar
}

func (z *zones) reset(zoning int64) { *z = zones{zoning: zoning} }

// take takes over what a transaction has found.
func (z *zones) take(from *zones) {
	if z.zoning != from.zoning || z.sites == nil || len(z.sites) > maxSources {
		*z = zones{zoning: from.zoning, sites: make(map[feedback.SiteID]*rollup.Calendar)}
	}
	maps.Copy(z.sites, from.sites)
}

// daysOf returns what a change of cells changes in days.
func (s *Store) daysOf(ctx context.Context, tx *tx, cells rollup.Delta, made fresh) (rollup.Days, error) {
	var err error
	days := cells.Days(func(site feedback.SiteID) *rollup.Calendar {
		if err != nil {
			return nil
		}
		var c *rollup.Calendar
		c, err = s.standing(ctx, tx, site, made)
		return c
	})
	return days, err
}

// standing returns the calendar by which the days of a site stand. If there is
// none, or the zone database of this program says something else of that zone,
// they are summed up first. tx holds the term.
func (s *Store) standing(ctx context.Context, tx *tx, site feedback.SiteID, made fresh) (*rollup.Calendar, error) {
	if c := made.zones.sites[site]; c != nil {
		return c, nil
	}
	s.mu.Lock()
	var c *rollup.Calendar
	if s.zones.zoning == made.zones.zoning {
		c = s.zones.sites[site]
	}
	s.mu.Unlock()
	if c != nil {
		return c, nil
	}
	was, err := readStanding(ctx, tx, site)
	if err != nil {
		return nil, err
	}
	name := was.zone
	if name == "" {
		if name, err = wantedZone(ctx, tx, site); err != nil {
			return nil, err
		}
	}
	if c = calendarOf(name); c.Rules() != was.rules {
		if err := derive(ctx, tx, site, name, was); err != nil {
			return nil, fmt.Errorf("days of %s: %w", site, err)
		}
		if was.zone != "" {
			made.zones.zoning++ // as derive has
		}
	}
	if made.zones.sites == nil {
		made.zones.sites = make(map[feedback.SiteID]*rollup.Calendar)
	}
	made.zones.sites[site] = c
	return c, nil
}

// standing is how the days of a site stand; zone is "" when it has none.
type standing struct {
	zone  string
	rules int64
}

func readStanding(ctx context.Context, q querier, site feedback.SiteID) (st standing, err error) {
	err = q.QueryRowContext(ctx, "SELECT zone, rules FROM day_zone WHERE site = ?", site).Scan(&st.zone, &st.rules)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return st, err
}

// wantedZone returns the zone in which the days of a site ought to stand: its own,
// or the one of sites that nobody has named, or UTC.
func wantedZone(ctx context.Context, q querier, site feedback.SiteID) (name string, err error) {
	err = q.QueryRowContext(ctx, `SELECT coalesce((SELECT zone FROM site WHERE id = ?), (SELECT value FROM meta WHERE name = 'zone'), 'UTC')`, site).Scan(&name)
	return name, err
}

// calendarOf returns the calendar of a zone. One that this machine does not know
// counts as UTC, rather than to stop what kiosks send: its rules then differ from
// those of a program that knows it, which sums the days up anew.
func calendarOf(zone string) *rollup.Calendar {
	l, err := time.LoadLocation(zone)
	if err != nil {
		l = time.UTC
	}
	return rollup.NewCalendar(l)
}

// derive sums the days of a site up from its cells, by the calendar of a zone.
func derive(ctx context.Context, tx *tx, site feedback.SiteID, zone string, was standing) error {
	if was.zone != "" {
		// Of all days there are, for a rebuild must find those that ought not to be.
		if _, err := tx.ExecContext(ctx, "DELETE FROM day WHERE asked IN (SELECT id FROM asked WHERE site = ?)", site); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE term SET zoning = zoning + 1"); err != nil {
			return err
		}
	}
	c := calendarOf(zone)
	if _, err := tx.ExecContext(ctx, sumIntoDays(c), site); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO day_zone (site, zone, rules) VALUES (?, ?, ?) ON CONFLICT (site) DO UPDATE SET zone = excluded.zone, rules = excluded.rules",
		site, zone, c.Rules())
	return err
}

// sumIntoDays is the statement that sums the cells of a site up. The joins are
// CROSS so that SQLite keeps their order; the arithmetic is that of
// rollup.Calendar.Day.
func sumIntoDays(c *rollup.Calendar) string {
	var query strings.Builder
	query.WriteString("WITH span (lo, hi, off) AS (VALUES ")
	for i, s := range c.Spans() {
		if i > 0 {
			query.WriteString(", ")
		}
		fmt.Fprintf(&query, "(%d, %d, %d)", s.First, s.End, s.Offset)
	}
	columns := cellColumns()
	query.WriteString(") INSERT INTO day (day, asked, " + strings.Join(columns, ", ") + `)
		SELECT ((cell.bucket + 1) * 900 - 1 + span.off + 86400) / 86400 - 1, cell.asked`)
	for _, c := range columns {
		query.WriteString(", sum(" + c + ")")
	}
	query.WriteString(` FROM asked CROSS JOIN span CROSS JOIN cell
		WHERE asked.site = ? AND cell.asked = asked.id AND cell.bucket >= span.lo AND cell.bucket < span.hi
		GROUP BY 1, 2 ON CONFLICT (day, asked) DO UPDATE SET `)
	for i, c := range columns {
		if i > 0 {
			query.WriteString(", ")
		}
		query.WriteString(c + " = excluded." + c)
	}
	return query.String()
}

// PutZone implements insight.Store.
func (s *Store) PutZone(ctx context.Context, zone *time.Location) error {
	err := s.d.update(ctx, func(tx *tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO meta (name, value) VALUES ('zone', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE meta.value <> excluded.value",
			zone.String())
		return err
	})
	if err != nil {
		return err
	}
	return s.settle(ctx, nil)
}

// settle moves the days of sites that stand otherwise than they ought to, each in
// a transaction of its own: ingest goes on between. step, if not nil, hears of
// each.
func (s *Store) settle(ctx context.Context, step func(done, of int)) error {
	astray, err := s.astray(ctx)
	for i, site := range astray {
		if step != nil {
			step(i, len(astray))
		}
		if err := s.resettle(ctx, site); err != nil {
			return fmt.Errorf("days of %s: %w", site, err)
		}
	}
	return err
}

// resettle sums the days of a site up anew, if they stand otherwise than they ought
// to, and tells of it: whoever shows them shows others now.
func (s *Store) resettle(ctx context.Context, site feedback.SiteID) error {
	news := []feedback.SiteID{site}
	derived := false
	err := s.d.update(ctx, func(tx *tx) error {
		if _, err := s.d.term(ctx, tx); err != nil {
			return err
		}
		want, err := wantedZone(ctx, tx, site)
		if err != nil {
			return err
		}
		was, err := readStanding(ctx, tx, site)
		if err != nil || was == (standing{want, calendarOf(want).Rules()}) {
			return err
		}
		if err := derive(ctx, tx, site, want, was); err != nil {
			return err
		}
		derived = true
		return s.d.tell(ctx, tx, news)
	})
	if err == nil && derived {
		s.d.told(news)
	}
	return err
}

// astray returns the sites whose days stand otherwise than they ought to, or not
// at all.
func (s *Store) astray(ctx context.Context) ([]feedback.SiteID, error) {
	rows, err := s.d.reader().QueryContext(ctx, `SELECT a.site, coalesce(s.zone, (SELECT value FROM meta WHERE name = 'zone'), 'UTC'), coalesce(d.zone, ''), coalesce(d.rules, 0)
		FROM (SELECT DISTINCT site FROM asked) a LEFT JOIN site s ON s.id = a.site LEFT JOIN day_zone d ON d.site = a.site ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	rules := make(map[string]int64)
	var out []feedback.SiteID
	for rows.Next() {
		var site feedback.SiteID
		var want string
		var is standing
		if err := rows.Scan(&site, &want, &is.zone, &is.rules); err != nil {
			return nil, err
		}
		if rules[want] == 0 {
			rules[want] = calendarOf(want).Rules()
		}
		if is != (standing{want, rules[want]}) {
			out = append(out, site)
		}
	}
	return out, errors.Join(rows.Err(), rows.Close())
}
