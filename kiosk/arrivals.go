package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"sourire/kiosk/input/script"
)

// newArrivals returns a model of when visitors come.
func newArrivals(kind, argument string) (script.Arrivals, error) {
	switch kind {
	case "poisson":
		perHour, err := strconv.ParseFloat(argument, 64)
		if err != nil || !(perHour > 0) {
			return nil, fmt.Errorf("%q is no number of visitors an hour: write poisson:30", argument)
		}
		return script.Poisson(perHour), nil
	case "every":
		d, err := time.ParseDuration(argument)
		if err != nil || d <= 0 {
			return nil, fmt.Errorf("%q is no time between visitors: write every:10s", argument)
		}
		return script.Constant(d), nil
	case "hourly":
		return readHours(argument)
	case "rush":
		rush, err := script.ParseRush(argument)
		rush.Zone = time.Local
		return rush, err
	}
	return nil, fmt.Errorf("%q is not known: choose poisson:PER_HOUR, every:DURATION, hourly:FILE or rush:BASE+BURST@MINUTES", kind)
}

func readHours(name string) (script.Arrivals, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close() // only read
	hours, err := script.ReadHours(file, time.Local)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return hours, nil
}

// differing makes the days of a model differ.
func differing(m script.Arrivals, spread float64, seed uint64) (script.Arrivals, error) {
	if spread == 0 {
		return m, nil
	}
	rated, ok := m.(script.Rated)
	if !ok || !(spread > 0 && spread <= maxSpread) {
		return nil, fmt.Errorf("--day-spread=%v: write a number from 0 to %d, with a model of chance, not every:DURATION", spread, maxSpread)
	}
	return script.Days{Of: rated, Spread: spread, Seed: seed, Zone: time.Local}, nil
}

// maxSpread is where nearly all days are empty.
const maxSpread = 10
