package script

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
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

// Poisson is so many visitors an hour on average, each without regard to the
// others.
type Poisson float64

// Next implements Arrivals.
func (p Poisson) Next(after time.Time, r *rand.Rand) time.Time {
	gap, ok := draw(float64(p), r)
	if !ok {
		return time.Time{}
	}
	return after.Add(gap)
}

// draw returns an exponential gap for a rate per hour, false when it is longer
// than anybody waits.
func draw(perHour float64, r *rand.Rand) (time.Duration, bool) {
	hours := r.ExpFloat64() / perHour
	if !(perHour > 0) || hours > 100*365*24 {
		return 0, false
	}
	return time.Duration(hours * float64(time.Hour)), true
}

// Hourly are visitors by the hour of the day.
type Hourly struct {
	PerHour [24]float64    // on average, from midnight
	Zone    *time.Location // of the hours; nil means UTC
}

// Next implements Arrivals.
func (h Hourly) Next(after time.Time, r *rand.Rand) time.Time {
	zone := h.Zone
	if zone == nil {
		zone = time.UTC
	}
	at := after
	for range 366 * 24 { // a year without anybody is for ever
		local := at.In(zone)
		gap, ok := draw(h.PerHour[local.Hour()], r)
		// Where a zone leaps, it leaps at the end of an hour of its own.
		past := time.Duration(local.Minute())*time.Minute + time.Duration(local.Second())*time.Second + time.Duration(local.Nanosecond())
		if left := time.Hour - past; !ok || gap >= left {
			at = at.Add(left) // without memory: draw again from there
			continue
		}
		return at.Add(gap)
	}
	return time.Time{}
}

// ReadHourly reads lines "hour,presses" of a CSV with that heading: the hour
// from 0 to 23 and how many presses it has on average. Hours that are not named
// have none; naming one twice is an error.
func ReadHourly(from io.Reader) (Hourly, error) {
	var h Hourly
	var seen [24]bool
	lines := csv.NewReader(from)
	lines.FieldsPerRecord = 2
	lines.TrimLeadingSpace = true
	for first := true; ; first = false {
		fields, err := lines.Read()
		if errors.Is(err, io.EOF) && !first {
			return h, nil
		}
		if err != nil {
			return h, fmt.Errorf("script: visitors by the hour: %w", err)
		}
		if first {
			if strings.TrimSpace(fields[0]) != "hour" || strings.TrimSpace(fields[1]) != "presses" {
				return h, fmt.Errorf("script: visitors by the hour: the first line is %q: want hour,presses", strings.Join(fields, ","))
			}
			continue
		}
		line, _ := lines.FieldPos(0)
		hour, err := strconv.Atoi(strings.TrimSpace(fields[0]))
		if err != nil || hour < 0 || hour > 23 || seen[hour] {
			return h, fmt.Errorf("script: visitors by the hour: line %d: hour %q: want 0 to 23, each once", line, fields[0])
		}
		presses, err := strconv.ParseFloat(strings.TrimSpace(fields[1]), 64)
		if err != nil || !finite(presses) || math.IsNaN(presses) {
			return h, fmt.Errorf("script: visitors by the hour: line %d: presses %q: want a number from 0", line, fields[1])
		}
		h.PerHour[hour], seen[hour] = presses, true
	}
}
