// Package schedule says when a site is open.
//
// It stands on the line that steers, on both sides of the wire: a plan carries
// [Hours], a kiosk sleeps outside of them, and a hub may ask the same question of
// the same bytes. It is pure arithmetic on the calendar of a time zone that is
// handed in; nothing is kept. The package must not know what time it is.
package schedule

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Hours are opening hours as a plan carries them.
type Hours struct {
	// Week has the spans of a day by its name, "mon" to "sun"; a day that is not
	// there is closed.
	Week map[string][]Span `json:"week"`
	// Dates are exceptional days, "2026-12-25": their spans stand in place of the
	// week's. None: closed.
	Dates map[string][]Span `json:"dates,omitempty"`
}

// Span is a part of a day by the wall clock, "09:00" to "18:30". An Until that is
// not after From is on the next day; "24:00" is midnight.
type Span struct {
	From  string `json:"from"`
	Until string `json:"until"`
}

// Days are the names of the days, Sunday first as in [time.Weekday].
func Days() []string { return []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} }

// lookAhead is how many days are searched for the next change: a site that is
// closed for longer is looked at again then.
const lookAhead = 8

// minutes are a span in minutes of its day.
type minutes struct{ from, until int }

// Schedule is opening hours that can be asked. The zero Schedule never closes.
type Schedule struct {
	zone  *time.Location // nil: always open
	week  [7][]minutes
	dates map[string][]minutes
	grace time.Duration
}

// New reads opening hours in a zone. The site counts as open for grace before and
// after each span.
func New(h Hours, zone *time.Location, grace time.Duration) (Schedule, error) {
	s := Schedule{zone: zone, dates: make(map[string][]minutes), grace: grace}
	for name, spans := range h.Week {
		day := slices.Index(Days(), name)
		if day < 0 {
			return Schedule{}, fmt.Errorf("hours: %.20q is no day: write mon, tue, wed, thu, fri, sat or sun", name)
		}
		var err error
		if s.week[day], err = readAll(spans); err != nil {
			return Schedule{}, fmt.Errorf("hours: %s: %w", name, err)
		}
	}
	for date, spans := range h.Dates {
		if _, err := time.Parse(time.DateOnly, date); err != nil {
			return Schedule{}, fmt.Errorf("hours: %.20q is no date: write it like 2026-12-25", date)
		}
		var err error
		if s.dates[date], err = readAll(spans); err != nil {
			return Schedule{}, fmt.Errorf("hours: %s: %w", date, err)
		}
	}
	return s, nil
}

func readAll(spans []Span) ([]minutes, error) {
	all := make([]minutes, 0, len(spans))
	for _, s := range spans {
		m, err := s.read()
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// Check says what is wrong with a span.
func (s Span) Check() error {
	_, err := s.read()
	return err
}

// Has reports whether the wall clock of at is in the span. A span that cannot be
// read has nothing in it.
func (s Span) Has(at time.Time) bool {
	m, err := s.read()
	if err != nil {
		return false
	}
	now := at.Hour()*60 + at.Minute()
	return now >= m.from && now < m.until || now+24*60 < m.until
}

func (s Span) read() (minutes, error) {
	from, err := minuteOf(s.From)
	if err != nil {
		return minutes{}, err
	}
	until, err := minuteOf(s.Until)
	if err != nil {
		return minutes{}, err
	}
	if from == 24*60 {
		return minutes{}, fmt.Errorf("no span begins at 24:00: write 00:00 of the next day")
	}
	if until <= from {
		until += 24 * 60
	}
	return minutes{from, until}, nil
}

// minuteOf reads "09:30".
func minuteOf(clock string) (int, error) {
	if len(clock) == 5 && clock[2] == ':' {
		h, errH := strconv.ParseUint(clock[:2], 10, 8)
		m, errM := strconv.ParseUint(clock[3:], 10, 8)
		if total := int(h)*60 + int(m); errH == nil && errM == nil && m < 60 && total <= 24*60 {
			return total, nil
		}
	}
	return 0, fmt.Errorf("%.20q is no time of day: write it like 09:30", clock)
}

// interval is a stretch of time in which the site is open.
type interval struct{ from, until time.Time }

// At reports whether the site is open at an instant, and until when that stays so
// at least.
func (s Schedule) At(at time.Time) (open bool, until time.Time) {
	until = at.AddDate(0, 0, lookAhead)
	if s.zone == nil {
		return true, until
	}
	for _, i := range s.around(at) {
		switch {
		case !i.until.After(at):
		case !i.from.After(at):
			return true, i.until
		default:
			return false, i.from
		}
	}
	return false, until
}

// around returns the intervals near an instant, in order, those that touch each
// other as one.
func (s Schedule) around(at time.Time) []interval {
	year, month, day := at.In(s.zone).Date()
	var all []interval
	for d := -2; d <= lookAhead; d++ { // a span over midnight and its grace began before
		date := time.Date(year, month, day+d, 12, 0, 0, 0, s.zone)
		spans, special := s.dates[date.Format(time.DateOnly)]
		if !special {
			spans = s.week[date.Weekday()]
		}
		for _, m := range spans {
			// By the wall clock: the day that the clocks change is not 24 hours.
			all = append(all, interval{
				time.Date(year, month, day+d, 0, m.from, 0, 0, s.zone).Add(-s.grace),
				time.Date(year, month, day+d, 0, m.until, 0, 0, s.zone).Add(s.grace),
			})
		}
	}
	slices.SortFunc(all, func(a, b interval) int { return a.from.Compare(b.from) })
	var merged []interval
	for _, i := range all {
		if n := len(merged); n > 0 && !i.from.After(merged[n-1].until) {
			if i.until.After(merged[n-1].until) {
				merged[n-1].until = i.until
			}
			continue
		}
		merged = append(merged, i)
	}
	return merged
}
