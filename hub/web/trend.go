package web

import (
	"fmt"
	"math"
	"strings"

	"sourire/hub/insight"
	"sourire/hub/site"
	"sourire/internal/i18n"
)

// trendData is a curve of days with its interval as a band, in a box of Right by
// 100 that a page stretches as it likes: strokes keep their width there, and
// words stand beside it.
type trendData struct {
	Empty   bool
	Words   string
	Right   string
	Ticks   []string // from the top
	Lines   []string // their heights
	Bands   []string // paths
	Curves  []string
	Bars    []bar // intervals of days that stand alone
	Dots    []dot
	Now     bool // the last dot's day is still going on
	Missing []dot
	Days    []string // under the first, the middle and the last day
	Rows    []dayRow
}

type dot struct {
	X, Y, Title string
	Now         bool // the day is still going on
}

// bar is the interval of one day.
type bar struct{ X, High, Low string }

type dayRow struct {
	Address, ISO, Day string
	N                 int64
	Few, Stuck        bool
	Share, Interval   string
	NEff              string
}

const trendStep = 10 // width of a day

// scaleY is the range of shares that a trend shows.
type scaleY struct{ low, high float64 }

// rangeOf returns the range that holds every interval, in whole fifths and at
// least two of them wide.
func rangeOf(points []insight.Point) (scaleY, bool) {
	r := scaleY{low: 1, high: 0}
	for _, p := range points {
		if !p.Figures.Few {
			r.low, r.high = min(r.low, p.Figures.Interval.Low), max(r.high, p.Figures.Interval.High)
		}
	}
	if r.low > r.high {
		return r, false
	}
	r.low, r.high = math.Floor(r.low*5)/5, math.Ceil(r.high*5)/5
	if r.high-r.low < 0.39 {
		r.low = max(0, r.high-0.4)
		r.high = r.low + 0.4
	}
	return r, true
}

func (r scaleY) y(share float64) string {
	return coordinate(4 + 92*(r.high-share)/(r.high-r.low)) // a margin, so that no dot is cut
}

func trendOf(l *i18n.Language, m insight.Moment, today bool, address func(site.Day) string) trendData {
	d := trendData{Right: fmt.Sprint((len(m.Trend) - 1) * trendStep)}
	d.Rows = rowsOf(l, m.Trend, address)
	if d.Rows[0].Few {
		d.Rows[0].Stuck = m.Stuck
	}
	r, ok := rangeOf(m.Trend)
	if !ok {
		d.Empty = true
		return d
	}
	for at := r.high; at > r.low-0.01; at -= 0.2 {
		d.Ticks = append(d.Ticks, l.Percent(at, 0))
		d.Lines = append(d.Lines, r.y(at))
	}
	var run []int
	flush := func() {
		switch {
		case len(run) == 1: // a band needs two days
			f := m.Trend[run[0]].Figures
			d.Bars = append(d.Bars, bar{fmt.Sprint(run[0] * trendStep), r.y(f.Interval.High), r.y(f.Interval.Low)})
		case len(run) > 1:
			d.Bands = append(d.Bands, r.band(m.Trend, run))
			d.Curves = append(d.Curves, r.curve(m.Trend, run))
		}
		run = run[:0]
	}
	for i, p := range m.Trend {
		x := fmt.Sprint(i * trendStep)
		if p.Figures.Few {
			flush()
			if p.Figures.N > 0 {
				d.Missing = append(d.Missing, dot{X: x, Title: l.Text("trend_missing", "day", shortDay(l, p.Day))})
			}
			continue
		}
		run = append(run, i)
		d.Now = today && i == len(m.Trend)-1
		d.Dots = append(d.Dots, dot{X: x, Y: r.y(p.Figures.Share), Title: pointText(l, p), Now: d.Now})
	}
	flush()
	first, middle, last := m.Trend[0].Day, m.Trend[len(m.Trend)/2].Day, m.Trend[len(m.Trend)-1].Day
	d.Days = []string{shortDay(l, first), shortDay(l, middle), shortDay(l, last)}
	d.Words = trendWords(l, m.Trend)
	return d
}

func (r scaleY) curve(points []insight.Point, run []int) string {
	var b strings.Builder
	for j, i := range run {
		fmt.Fprintf(&b, "%c%d %s", "ML"[min(j, 1)], i*trendStep, r.y(points[i].Figures.Share))
	}
	return b.String()
}

func (r scaleY) band(points []insight.Point, run []int) string {
	var b strings.Builder
	for j, i := range run {
		fmt.Fprintf(&b, "%c%d %s", "ML"[min(j, 1)], i*trendStep, r.y(points[i].Figures.Interval.High))
	}
	for j := len(run) - 1; j >= 0; j-- {
		fmt.Fprintf(&b, "L%d %s", run[j]*trendStep, r.y(points[run[j]].Figures.Interval.Low))
	}
	return b.String() + "Z"
}

func pointText(l *i18n.Language, p insight.Point) string {
	return l.Text("trend_dot", "day", shortDay(l, p.Day), "share", percent(l, p.Figures),
		"interval", intervalText(l, p.Figures), "ratings", l.Count("ratings", p.Figures.N))
}

func trendWords(l *i18n.Language, points []insight.Point) string {
	low, high := math.Inf(1), math.Inf(-1)
	for _, p := range points {
		if !p.Figures.Few {
			low, high = min(low, p.Figures.Share), max(high, p.Figures.Share)
		}
	}
	return l.Text("trend_words", "from", shortDay(l, points[0].Day), "to", shortDay(l, points[len(points)-1].Day),
		"low", l.Percent(low, 0), "high", l.Percent(high, 0))
}

// rowsOf is the table twin of a trend, newest day first.
func rowsOf(l *i18n.Language, points []insight.Point, address func(site.Day) string) []dayRow {
	out := make([]dayRow, 0, len(points))
	for i := len(points) - 1; i >= 0; i-- {
		p := points[i]
		row := dayRow{Address: address(p.Day), ISO: p.Day.String(), Day: shortDay(l, p.Day), N: p.Figures.N, Few: p.Figures.Few}
		if !row.Few {
			row.Share, row.Interval = percent(l, p.Figures), intervalText(l, p.Figures)
			row.NEff = l.Decimal(p.Figures.NEff, 0)
		}
		out = append(out, row)
	}
	return out
}
