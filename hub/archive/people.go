package archive

import (
	"strconv"
	"strings"
	"time"

	"sourire/hub/ingest"
	"sourire/hub/rollup"
	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// How instants are written in tables.
const (
	localTime = "2006-01-02T15:04:05.000-07:00"
	utcTime   = "2006-01-02T15:04:05.000Z"
)

func visitTitles() []string {
	return []string{
		"site", "touchpoint", "survey", "scale", "local time (with offset)", "time (UTC)", "give or take (ms)",
		"rating (step of the scale)", "presses (number)", "counted (yes/no)", "set aside because", "marks", "kiosk", "epoch", "record (number)",
	}
}

func (e *exporter) zone(s feedback.SiteID) *time.Location {
	if z, ok := e.zones[s]; ok {
		return z
	}
	return e.o.Zone
}

// visit writes a line of visits.csv and adds the visit to the roll-ups.
func (e *exporter) visit(key ingest.Key, v visit.Visit) error {
	e.manifest.Counts.Visits++
	counted, aside := "yes", ""
	if v.Aside == visit.Counted {
		e.manifest.Counts.Counted++
	} else {
		counted, aside = "no", v.Aside.String()
	}
	var local, utc, within string
	if v.Dated() {
		at := time.UnixMilli(v.At)
		local, utc = at.In(e.zone(v.Asked.Site)).Format(localTime), at.UTC().Format(utcTime)
		within = strconv.FormatInt(v.Within, 10)
	}
	var marks []string
	if v.Mixed {
		marks = append(marks, "mixed")
	}
	if v.Insistent {
		marks = append(marks, "insistent")
	}
	e.visits.rows++
	err := e.visitTable.Row(
		string(v.Asked.Site), string(v.Asked.Touchpoint), string(v.Asked.Survey), string(v.Asked.Scale), local, utc, within,
		strconv.Itoa(v.Rating), strconv.Itoa(v.Presses), counted, aside, strings.Join(marks, " "),
		string(key.Kiosk), key.Epoch.String(), strconv.FormatInt(int64(v.Seq), 10),
	)
	if err != nil {
		return err
	}
	return e.tally.add(v)
}

func rollupTitles() []string {
	titles := []string{"site", "touchpoint", "survey", "scale", "quarter-hour begins (local, with offset)", "quarter-hour begins (UTC)", "ratings (number)"}
	for i := range feedback.MaxSteps {
		title := "step " + strconv.Itoa(i+1) + " (ratings)"
		if i == 0 {
			title = "step 1, the worst (ratings)"
		}
		titles = append(titles, title)
	}
	for a := visit.Counted + 1; a < visit.Asides; a++ {
		titles = append(titles, "set aside: "+a.String()+" (visits)")
	}
	return append(titles, "presses (number)", "presses set aside (number)", "mixed (ratings)", "insistent (ratings)")
}

// rollups writes rollups.csv. What has no date stands in a line without times.
func (e *exporter) rollups() error {
	o, err := e.create(fileRollups)
	if err != nil {
		return err
	}
	t := NewTable(o)
	if err := t.Row(rollupTitles()...); err != nil {
		return err
	}
	return e.tally.each(func(k rollup.Key, c rollup.Cell) error {
		var local, utc string
		if k.Bucket != 0 {
			local, utc = k.Bucket.At().In(e.zone(k.Asked.Site)).Format(localTime), k.Bucket.At().Format(utcTime)
		}
		row := []string{
			string(k.Asked.Site), string(k.Asked.Touchpoint), string(k.Asked.Survey), string(k.Asked.Scale), local, utc,
			strconv.FormatInt(c.Ratings(), 10),
		}
		steps := feedback.MaxSteps
		if s, err := feedback.ParseScale(string(k.Asked.Scale)); err == nil {
			steps = s.Steps
		}
		for i, n := range c.Steps {
			text := ""
			if i < steps || n != 0 {
				text = strconv.FormatInt(n, 10)
			}
			row = append(row, text)
		}
		for _, n := range c.Aside[visit.Counted+1:] {
			row = append(row, strconv.FormatInt(n, 10))
		}
		for _, n := range []int64{c.Presses, c.AsidePresses, c.Mixed, c.Insistent} {
			row = append(row, strconv.FormatInt(n, 10))
		}
		o.rows++
		e.manifest.Counts.Rollups++
		return t.Row(row...)
	})
}
