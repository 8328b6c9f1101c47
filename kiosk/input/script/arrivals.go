package script

import (
	"math/rand/v2"
	"time"
)

// Constant is a visitor in each interval, on the beat.
type Constant time.Duration

// Next implements Arrivals.
func (c Constant) Next(after time.Time, _ *rand.Rand) time.Time {
	if c <= 0 {
		return time.Time{}
	}
	return after.Add(time.Duration(c))
}

// Rated is a model without memory: each instant has a rate, and a visitor comes
// without regard to those before.
type Rated interface {
	Arrivals
	// Rate returns how many visitors an hour there are at an instant, and until
	// when that holds: a later instant, the zero Time for ever.
	Rate(at time.Time) (perHour float64, until time.Time)
}

// Poisson is so many visitors an hour on average, each without regard to the
// others.
type Poisson float64

// Rate implements Rated.
func (p Poisson) Rate(time.Time) (float64, time.Time) { return float64(p), time.Time{} }

// Next implements Arrivals.
func (p Poisson) Next(after time.Time, r *rand.Rand) time.Time { return next(p, after, r) }

// forEver is when nobody waits any longer.
const forEver = 100 * 365 * 24 * time.Hour

// year without anybody is for ever too.
const year = 366 * 24 * time.Hour

// next draws the first arrival after an instant. What has no memory may be drawn
// anew at the end of each rate.
func next(m Rated, after time.Time, r *rand.Rand) time.Time {
	for at := after; at.Sub(after) < year; {
		perHour, until := m.Rate(at)
		gap, ok := draw(perHour, r)
		if until.IsZero() || ok && at.Add(gap).Before(until) {
			if !ok {
				return time.Time{}
			}
			return at.Add(gap)
		}
		at = until
	}
	return time.Time{}
}

// draw returns an exponential gap for a rate per hour, false when it is longer
// than anybody waits.
func draw(perHour float64, r *rand.Rand) (time.Duration, bool) {
	hours := r.ExpFloat64() / perHour
	if !(perHour > 0) || hours > forEver.Hours() {
		return 0, false
	}
	return time.Duration(hours * float64(time.Hour)), true
}

// Hourly are visitors by the hour of the day.
type Hourly struct {
	PerHour [24]float64    // on average, from midnight
	Zone    *time.Location // of the hours; nil means UTC
}

// Rate implements Rated.
func (h Hourly) Rate(at time.Time) (float64, time.Time) {
	local := at.In(in(h.Zone))
	return h.PerHour[local.Hour()], endOfHour(local)
}

// Next implements Arrivals.
func (h Hourly) Next(after time.Time, r *rand.Rand) time.Time { return next(h, after, r) }

// Weekly are visitors by the hour of the week.
type Weekly struct {
	PerHour [7 * 24]float64 // on average, from midnight between Sunday and Monday
	Zone    *time.Location  // of the hours; nil means UTC
}

// Rate implements Rated.
func (w Weekly) Rate(at time.Time) (float64, time.Time) {
	local := at.In(in(w.Zone))
	monday := (int(local.Weekday()) + 6) % 7 // days since
	return w.PerHour[24*monday+local.Hour()], endOfHour(local)
}

// Next implements Arrivals.
func (w Weekly) Next(after time.Time, r *rand.Rand) time.Time { return next(w, after, r) }

func in(zone *time.Location) *time.Location {
	if zone == nil {
		return time.UTC
	}
	return zone
}

// endOfHour returns the end of the local hour: where a zone leaps, it leaps at
// the end of an hour of its own.
func endOfHour(local time.Time) time.Time {
	past := time.Duration(local.Minute())*time.Minute + time.Duration(local.Second())*time.Second + time.Duration(local.Nanosecond())
	return local.Add(time.Hour - past)
}
