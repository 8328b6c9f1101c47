package script

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Rush is a steady trickle and, at certain minutes, a burst: boarding ends, a
// show is over.
type Rush struct {
	Base  float64 // visitors an hour at any time
	Burst float64 // visitors in each burst, beyond the trickle, on average
	// Minutes of the day at which a burst begins, in order.
	Minutes []int
	Lasting time.Duration  // of a burst; 0 means DefaultLasting
	Zone    *time.Location // of the minutes; nil means UTC
}

// DefaultLasting is how long a burst lasts: a gate of 200 people is empty then.
const DefaultLasting = 5 * time.Minute

// dayMinutes is how many minutes a day has. Where a zone leaps, a day begins and
// ends at midnight all the same, and a minute that does not exist has no burst.
const dayMinutes = 24 * 60

// ParseRush reads "BASE+BURST@TIME,TIME…": 30+40@25,55 are thirty visitors an
// hour and forty more from minute 25 and minute 55 of each hour; 30+200@10:30,14:05
// names times of the day.
func ParseRush(text string) (Rush, error) {
	bad := func(what string) error {
		return fmt.Errorf("%q: %s: write BASE+BURST@MINUTES such as 30+40@25,55 (minutes of each hour) or 30+200@10:30,14:05", text, what)
	}
	rates, times, found := strings.Cut(text, "@")
	if !found {
		return Rush{}, bad("no minute says when a burst begins")
	}
	base, burst, found := strings.Cut(rates, "+")
	if !found {
		return Rush{}, bad("no burst")
	}
	var r Rush
	for _, n := range []struct {
		text string
		to   *float64
	}{{base, &r.Base}, {burst, &r.Burst}} {
		v, err := strconv.ParseFloat(n.text, 64)
		if err != nil || !finite(v) {
			return Rush{}, bad(strconv.Quote(n.text) + " is no number of visitors")
		}
		*n.to = v
	}
	for word := range strings.SplitSeq(times, ",") {
		if t, err := time.Parse("15:04", word); err == nil {
			r.Minutes = append(r.Minutes, t.Hour()*60+t.Minute())
			continue
		}
		minute, err := strconv.Atoi(word)
		if err != nil || minute < 0 || minute > 59 {
			return Rush{}, bad(strconv.Quote(word) + " is no minute of an hour, nor a time of the day")
		}
		for hour := range 24 {
			r.Minutes = append(r.Minutes, hour*60+minute)
		}
	}
	slices.Sort(r.Minutes)
	r.Minutes = slices.Compact(r.Minutes)
	return r, nil
}

// Rate implements Rated.
func (m Rush) Rate(at time.Time) (float64, time.Time) {
	lasting := m.Lasting
	if lasting <= 0 {
		lasting = DefaultLasting
	}
	local := at.In(in(m.Zone))
	perHour := m.Base
	until := local.Truncate(time.Minute).Add(24 * time.Hour)
	sooner := func(t time.Time) {
		if t.After(local) && t.Before(until) {
			until = t
		}
	}
	year, month, day := local.Date()
	for d := -1; d <= 1; d++ { // a burst before midnight lasts until after it
		for _, minute := range m.Minutes {
			begin := time.Date(year, month, day+d, minute/60, minute%60, 0, 0, in(m.Zone))
			if begin.Hour()*60+begin.Minute() != minute%dayMinutes {
				continue
			}
			end := begin.Add(lasting)
			if !begin.After(local) && end.After(local) {
				perHour += m.Burst / lasting.Hours()
			}
			sooner(begin)
			sooner(end)
		}
	}
	return perHour, until
}

// Next implements Arrivals.
func (m Rush) Next(after time.Time, r *rand.Rand) time.Time { return next(m, after, r) }
