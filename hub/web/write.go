package web

import (
	"strconv"
	"time"

	"sourire/hub/insight"
	"sourire/hub/site"
	"sourire/internal/i18n"
)

// gauge is a share with its interval on a line from 0 to 100.
type gauge struct{ Low, High, Width, At string }

func gaugeOf(f insight.Figures) gauge {
	return gauge{
		Low:   coordinate(100 * f.Interval.Low),
		High:  coordinate(100 * f.Interval.High),
		Width: coordinate(100 * (f.Interval.High - f.Interval.Low)),
		At:    coordinate(100 * f.Share),
	}
}

// coordinate writes a number for SVG, whatever the language.
func coordinate(x float64) string { return strconv.FormatFloat(x, 'f', 2, 64) }

// digits returns how many digits after the point a share deserves: one when
// its interval is narrower than two points.
func digits(f insight.Figures) int {
	if f.Interval.High-f.Interval.Low < 0.02 {
		return 1
	}
	return 0
}

// roughWidth is the width of an interval from which on a share says little: it
// takes some twenty independent ratings to come under it.
const roughWidth = 0.4

// rough reports whether a share is to be shown as less than a fact.
func rough(f insight.Figures) bool { return f.Interval.High-f.Interval.Low > roughWidth }

func percent(l *i18n.Language, f insight.Figures) string { return l.Percent(f.Share, digits(f)) }

func intervalText(l *i18n.Language, f insight.Figures) string {
	return l.Text("interval_short", "low", l.Decimal(100*f.Interval.Low, digits(f)), "high", l.Percent(f.Interval.High, digits(f)))
}

// clock writes instants in a site's zone, as short as today allows.
type clock struct {
	l     *i18n.Language
	site  site.Site
	today site.Day
}

func clockOf(l *i18n.Language, s site.Site, now time.Time) clock {
	return clock{l, s, s.Today(now)}
}

// at writes an instant: the time of day, and the date unless it is today's. The
// zero Time gives "".
func (c clock) at(t time.Time) string { return c.write(t, c.l.Clock) }

// exact is at with seconds.
func (c clock) exact(t time.Time) string { return c.write(t, c.l.Seconds) }

func (c clock) write(t time.Time, timeOfDay func(time.Time) string) string {
	if t.IsZero() {
		return ""
	}
	here := timeOfDay(t.In(c.site.Zone))
	day := c.site.Today(t)
	if day == c.today {
		return here
	}
	return c.l.Text("date_clock", "date", c.l.ShortDate(day.Month, day.Day), "clock", here)
}

func (c clock) orElse(t time.Time, never string) string {
	if t.IsZero() {
		return never
	}
	return c.at(t)
}

func shortDay(l *i18n.Language, d site.Day) string { return l.ShortDate(d.Month, d.Day) }

func longDay(l *i18n.Language, d site.Day) string { return l.Date(d.Year, d.Month, d.Day) }
