package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sourire/hub/change"
	"sourire/hub/insight"
	"sourire/hub/kpi"
	"sourire/hub/rollup"
	"sourire/hub/site"
	"sourire/internal/feedback"
)

// bigClock is the hub's: set while the years pass, then it runs.
type bigClock struct {
	mu   sync.Mutex
	at   time.Time
	from time.Time // zero: it stands
}

func (c *bigClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.from.IsZero() {
		return c.at
	}
	return c.at.Add(time.Since(c.from))
}

// set sets the clock, to last at the latest.
func (c *bigClock) set(at, last time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at = at; at.After(last) {
		c.at = last
	}
}

// visitCounts are cells of days, counted from visits one by one.
type visitCounts map[feedback.Asked]map[rollup.Day]rollup.Cell

// countVisits counts the visits of sites whose first press lies on local days
// first to last, without roll-ups: in the database, which groups them by what can
// be seen on a visit. It is what a page would do that had no roll-ups, and would
// do well: a site's journals are ranges of the key.
func countVisits(ctx context.Context, db *sql.DB, first, last rollup.Day, sites ...site.Site) (visitCounts, error) {
	out := make(visitCounts)
	zones := make(map[*time.Location][]string)
	for _, s := range sites {
		zones[s.Zone] = append(zones[s.Zone], "'"+string(s.ID)+"'")
	}
	for zone, ids := range zones {
		if err := countVisitsOf(ctx, db, out, zone, ids, first, last); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func countVisitsOf(ctx context.Context, db *sql.DB, out visitCounts, zone *time.Location, ids []string, first, last rollup.Day) error {
	from, to := time.Unix(int64(first)*86400, 0).Add(-26*time.Hour), time.Unix(int64(last)*86400, 0).Add(50*time.Hour)
	asked := make(map[int64]feedback.Asked)
	rows, err := db.QueryContext(ctx, "SELECT id, site, touchpoint, survey, scale FROM asked WHERE site IN ("+strings.Join(ids, ", ")+")")
	if err != nil {
		return err
	}
	defer rows.Close()
	var list, kiosks []string
	for rows.Next() {
		var id int64
		var a feedback.Asked
		if err := rows.Scan(&id, &a.Site, &a.Touchpoint, &a.Survey, &a.Scale); err != nil {
			return err
		}
		asked[id] = a
		list = append(list, fmt.Sprint(id))
	}
	if err := rows.Err(); err != nil || len(list) == 0 {
		return err
	}
	for _, id := range ids { // the fleet's kiosks are named for their sites, and never move
		kiosks = append(kiosks, "kiosk LIKE 'k"+strings.Trim(strings.TrimPrefix(id, "'site-"), "'")+"-%'")
	}
	rows, err = db.QueryContext(ctx, fmt.Sprintf(`SELECT asked, (at + %s) / 86400000, rating, aside, marks, count(*), CAST(sum(presses) AS BIGINT)
		FROM visit WHERE source IN (SELECT id FROM source WHERE %s) AND asked IN (%s) AND at >= %d AND at < %d GROUP BY 1, 2, 3, 4, 5`,
		offsets(zone, from, to), strings.Join(kiosks, " OR "), strings.Join(list, ", "), from.UnixMilli(), to.UnixMilli()))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id, rating, aside, marks, visits, presses int64
		var day rollup.Day
		if err := rows.Scan(&id, &day, &rating, &aside, &marks, &visits, &presses); err != nil {
			return err
		}
		if day < first || day > last {
			continue
		}
		a := asked[id]
		if out[a] == nil {
			out[a] = make(map[rollup.Day]rollup.Cell)
		}
		c := out[a][day]
		c.Presses += presses
		if aside != 0 {
			c.Aside[aside] += visits
			c.AsidePresses += presses
		} else {
			scale, err := feedback.ParseScale(string(a.Scale))
			if err != nil {
				return err
			}
			c.Steps[scale.Step(int(rating))] += visits
			c.Mixed += visits * (marks & 1)
			c.Insistent += visits * (marks >> 1 & 1)
		}
		out[a][day] = c
	}
	return rows.Err()
}

// offsets is an expression in SQL: how many milliseconds a zone is before UTC at
// the instant "at".
func offsets(zone *time.Location, from, to time.Time) string {
	var b strings.Builder
	b.WriteString("CASE")
	at := from.In(zone)
	for {
		_, end := at.ZoneBounds()
		_, offset := at.Zone()
		if end.IsZero() || end.After(to) {
			fmt.Fprintf(&b, " WHEN at > 0 THEN %d ELSE 0 END", offset*1000)
			return b.String()
		}
		fmt.Fprintf(&b, " WHEN at < %d THEN %d", end.UnixMilli(), offset*1000)
		at = end
	}
}

// moments are what a view of a site must show of a day, with a trend of so many
// days: nothing of it is read from roll-ups. spreads gives the factors of moments
// with enough history.
func (v visitCounts) moments(s site.Site, last site.Day, days int, others insight.Spread) []insight.Moment {
	var out []insight.Moment
	end := last.Number()
	for asked, by := range v {
		if asked.Site != s.ID {
			continue
		}
		m := insight.Moment{Asked: asked, Cell: by[end], Spread: others}
		m.Scale, _ = feedback.ParseScale(string(asked.Scale))
		seen := false
		for d := end - rollup.Day(days) + 1; d <= end; d++ {
			seen = seen || !by[d].IsZero()
		}
		if !seen {
			continue
		}
		var before []change.Day
		open := 0
		for d := end - 2*change.ClusterDays; d < end; d++ {
			if t := kpi.TallyOf(m.Scale, by[d]); t.N() > 0 {
				before = append(before, change.Day{X: t.Positive, N: t.N()})
				open++
			}
		}
		if phi, ok := change.Clustering(before); ok {
			m.Spread = insight.Spread{Phi: phi, Days: min(open, change.ClusterDays)}
		}
		m.Figures = bigFigures(m.Scale, m.Cell, m.Spread.Phi)
		m.Cell = faceless(m.Cell)
		if days > 1 {
			for i := range days {
				c := by[end-rollup.Day(days-1-i)]
				m.Trend = append(m.Trend, insight.Point{Day: last.Add(i - days + 1), Cell: faceless(c), Figures: bigFigures(m.Scale, c, m.Spread.Phi)})
			}
		}
		out = append(out, m)
	}
	slices.SortFunc(out, func(a, b insight.Moment) int {
		return strings.Compare(string(a.Asked.Touchpoint+"\x00")+string(a.Asked.Survey), string(b.Asked.Touchpoint+"\x00")+string(b.Asked.Survey))
	})
	return out
}

func bigFigures(scale feedback.Scale, c rollup.Cell, phi float64) insight.Figures {
	f := insight.Figures{N: c.Ratings()}
	if f.N < kpi.MinimumCell {
		f.Few = true
		return f
	}
	f.Steps = c.Steps[:scale.Steps]
	f.Tally = kpi.TallyOf(scale, c)
	f.Share = float64(f.Tally.Positive) / float64(f.N)
	f.NEff = float64(f.N) / phi
	f.Interval = kpi.Wilson(f.Share, f.NEff)
	return f
}

// faceless is a cell as pages get it.
func faceless(c rollup.Cell) rollup.Cell {
	n := c.Ratings()
	c.Steps = [feedback.MaxSteps]int64{n}
	return c
}

// bigMedian is the spread of a moment that has no history, of that of all others.
func bigMedian(v visitCounts, sites []site.Site, now time.Time) insight.Spread {
	var all []float64
	for asked, by := range v {
		i := slices.IndexFunc(sites, func(s site.Site) bool { return s.ID == asked.Site })
		scale, err := feedback.ParseScale(string(asked.Scale))
		if i < 0 || err != nil {
			continue
		}
		var before []change.Day
		end := sites[i].Today(now).Number()
		for d := end - 2*change.ClusterDays; d < end; d++ {
			if t := kpi.TallyOf(scale, by[d]); t.N() > 0 {
				before = append(before, change.Day{X: t.Positive, N: t.N()})
			}
		}
		if phi, ok := change.Clustering(before); ok {
			all = append(all, phi)
		}
	}
	phi, ok := change.Median(all)
	if !ok {
		return insight.Spread{Phi: 1}
	}
	return insight.Spread{Phi: phi, Others: len(all)}
}

// same compares what was shown with what was counted.
func same(t *testing.T, what string, got, want []insight.Moment) bool {
	t.Helper()
	if len(got) == 0 && len(want) == 0 || reflect.DeepEqual(got, want) {
		return true
	}
	t.Errorf("%s: got\n%+v\nvisits say\n%+v", what, got, want)
	return false
}
