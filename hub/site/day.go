package site

import (
	"fmt"
	"time"

	"sourire/hub/rollup"
)

// Day is a date on a calendar, without a zone.
type Day struct {
	Year  int
	Month time.Month
	Day   int
}

func dayOf(at time.Time, zone *time.Location) Day {
	y, m, d := at.In(zone).Date()
	return Day{y, m, d}
}

// layout is how a day is written in addresses and stores.
const layout = "2006-01-02"

// ParseDay reads a day such as 2026-08-03.
func ParseDay(s string) (Day, error) {
	t, err := time.Parse(layout, s)
	if err != nil {
		return Day{}, fmt.Errorf("day %q: want a date such as 2026-08-03", s)
	}
	return dayOf(t, time.UTC), nil
}

// String writes the day such as 2026-08-03.
func (d Day) String() string { return d.utc().Format(layout) }

// IsZero reports whether no day is meant.
func (d Day) IsZero() bool { return d == Day{} }

// Before reports whether d comes before e.
func (d Day) Before(e Day) bool { return d.utc().Before(e.utc()) }

// Add returns the day n days later.
func (d Day) Add(n int) Day { return dayOf(d.utc().AddDate(0, 0, n), time.UTC) }

// Number returns the day as roll-ups number it.
func (d Day) Number() rollup.Day { return rollup.Day(d.utc().Unix() / (24 * 60 * 60)) }

// Weekday returns the day of the week.
func (d Day) Weekday() time.Weekday { return d.utc().Weekday() }

func (d Day) utc() time.Time { return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC) }
