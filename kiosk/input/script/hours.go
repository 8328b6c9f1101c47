package script

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// ReadHours reads visitors by the hour from a CSV whose heading is "hour,presses",
// for the 24 hours of the day, or "hour_of_week,presses", for the 168 of the week
// from Monday's first. Each line gives an hour, counted from 0, and how many
// presses it has on average. Hours that are not named have none; naming one
// twice is an error. The zone is that of the hours; nil means UTC.
func ReadHours(from io.Reader, zone *time.Location) (Rated, error) {
	lines := csv.NewReader(from)
	lines.FieldsPerRecord = -1
	lines.TrimLeadingSpace = true
	heading, err := lines.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("script: visitors by the hour: the file is empty: want the heading hour,presses")
	}
	if err != nil {
		return nil, fmt.Errorf("script: visitors by the hour: %w", err)
	}
	switch text := strings.ToLower(strings.ReplaceAll(strings.Join(heading, ","), " ", "")); text {
	case "hour,presses":
		h := Hourly{Zone: zone}
		err := readHours(lines, h.PerHour[:])
		return h, err
	case "hour_of_week,presses":
		w := Weekly{Zone: zone}
		err := readHours(lines, w.PerHour[:])
		return w, err
	default:
		return nil, fmt.Errorf("script: visitors by the hour: the first line is %q: want hour,presses (0 to 23) or hour_of_week,presses (0 to 167, from Monday)",
			strings.Join(heading, ","))
	}
}

// readHours reads the lines below the heading into perHour.
func readHours(lines *csv.Reader, perHour []float64) error {
	seen := make([]bool, len(perHour))
	for {
		fields, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("script: visitors by the hour: %w", err)
		}
		line, _ := lines.FieldPos(0)
		if len(fields) != 2 {
			return fmt.Errorf("script: visitors by the hour: line %d: %d fields: want an hour and a number of presses", line, len(fields))
		}
		hour, err := strconv.Atoi(strings.TrimSpace(fields[0]))
		if err != nil || hour < 0 || hour >= len(perHour) || seen[hour] {
			return fmt.Errorf("script: visitors by the hour: line %d: hour %q: want 0 to %d, each once", line, fields[0], len(perHour)-1)
		}
		presses, err := strconv.ParseFloat(strings.TrimSpace(fields[1]), 64)
		if err != nil || !finite(presses) {
			return fmt.Errorf("script: visitors by the hour: line %d: presses %q: want a number from 0", line, fields[1])
		}
		perHour[hour], seen[hour] = presses, true
	}
}
