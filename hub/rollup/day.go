package rollup

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"sort"
	"time"

	"sourire/internal/feedback"
)

// Day numbers local dates: days from 1970-01-01 on the calendar, in whatever zone
// is meant.
type Day int64

const (
	secondsOfBucket = int64(Width / time.Second)
	secondsOfDay    = 24 * 60 * 60
)

// Span is a run of buckets, First up to and without End, during which a zone's
// clocks stand Offset seconds before UTC.
type Span struct {
	First, End Bucket
	Offset     int64
}

// Calendar tells on which local day of a zone a bucket lies: on that of its last
// instant, so that days follow each other without a hole also where clocks went
// back at one minute past midnight. It covers 1970 to 2100, where visits have a
// date. The zero Calendar is not ready; [NewCalendar] makes one.
type Calendar struct {
	spans []Span
	rules int64
}

// NewCalendar returns the calendar of a zone, as the zone database that it came
// from knows it.
func NewCalendar(zone *time.Location) *Calendar {
	const from, to = 0, 4_102_444_800 // 1970, 2100
	c := &Calendar{}
	first := Bucket(1)
	for at := time.Unix(from, 0).In(zone); ; {
		_, offset := at.Zone()
		_, end := at.ZoneBounds()
		if !end.IsZero() && !end.After(at) {
			end = at.Add(Width) // on the last day of leap years to come (go1.26) it is the instant itself
		}
		last := end.IsZero() || end.Unix() >= to
		span := Span{First: first, End: math.MaxInt64, Offset: int64(offset)}
		if !last {
			// The first bucket whose last second lies behind the switch.
			span.End = Bucket(end.Unix() / secondsOfBucket)
		}
		if n := len(c.spans); n > 0 && c.spans[n-1].Offset == span.Offset {
			c.spans[n-1].End = span.End
		} else if span.End > span.First {
			c.spans = append(c.spans, span)
		}
		if last {
			break
		}
		first, at = max(first, span.End), end
	}
	h := fnv.New64a()
	for _, s := range c.spans {
		_, _ = h.Write(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(s.First)), uint64(s.Offset))) // never fails
	}
	c.rules = int64(h.Sum64() | 1) // never 0
	return c
}

// Rules identifies what the calendar says: it differs when a newer zone database
// says something else of the same zone. It is never 0.
func (c *Calendar) Rules() int64 { return c.rules }

// Spans returns the runs of buckets with one offset; the first begins with
// bucket 1, for bucket 0 is without a date.
func (c *Calendar) Spans() []Span { return c.spans }

// Day returns the local day of a bucket; bucket 0 has none and must not be asked
// for.
func (c *Calendar) Day(b Bucket) Day {
	i := len(c.spans) - 1
	if b < c.spans[i].First {
		i = sort.Search(i, func(i int) bool { return b < c.spans[i].End })
	}
	last := (int64(b)+1)*secondsOfBucket - 1 + c.spans[i].Offset
	return Day((last+secondsOfDay)/secondsOfDay - 1) // rounds down on the first day of 1970 too
}

// DayKey names the count of a day: what was asked, and on which local day of its
// site.
type DayKey struct {
	Asked feedback.Asked
	Day   Day
}

// Days is what is to be added to days, or what they hold.
type Days map[DayKey]Cell

// Add adds a cell of a bucket by the calendar of its site. What has no date
// belongs to no day.
func (d Days) Add(c *Calendar, k Key, cell Cell) {
	if k.Bucket == 0 {
		return
	}
	day := DayKey{k.Asked, c.Day(k.Bucket)}
	if sum := d[day].Plus(cell); sum.IsZero() {
		delete(d, day)
	} else {
		d[day] = sum
	}
}

// Days returns the sums of the cells by the days of their sites. Cells of a site
// for which calendar returns nil are left out.
func (d Delta) Days(calendar func(feedback.SiteID) *Calendar) Days {
	out := make(Days)
	for k, cell := range d {
		if c := calendar(k.Asked.Site); c != nil {
			out.Add(c, k, cell)
		}
	}
	return out
}

// Minus returns what is to be added to other to make it d.
func (d Delta) Minus(other Delta) Delta {
	out := make(Delta)
	out.Merge(d)
	for k, c := range other {
		if sum := out[k].Plus(c.Negative()); sum.IsZero() {
			delete(out, k)
		} else {
			out[k] = sum
		}
	}
	return out
}

// Negative returns what takes a cell back.
func (c Cell) Negative() Cell {
	for i := range c.Steps {
		c.Steps[i] = -c.Steps[i]
	}
	for i := range c.Aside {
		c.Aside[i] = -c.Aside[i]
	}
	c.Presses, c.AsidePresses, c.Mixed, c.Insistent = -c.Presses, -c.AsidePresses, -c.Mixed, -c.Insistent
	return c
}
