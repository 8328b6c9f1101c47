package rollup_test

import (
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sourire/hub/rollup"
	"sourire/hub/site"
	"sourire/internal/feedback"
)

func zones() []string {
	return []string{
		"UTC", "Europe/Paris", "Asia/Kathmandu", "America/Sao_Paulo", "Pacific/Chatham", "Africa/Cairo", "Australia/Eucla",
		"Australia/Lord_Howe", "America/St_Johns", "Asia/Gaza", "Pacific/Apia", "Africa/Monrovia", "Asia/Tehran", "Africa/Casablanca",
	}
}

// A calendar and the bounds of the days of a site say the same of every bucket,
// and what they say is the local date of its last instant.
func TestCalendar_agreesWithBounds(t *testing.T) {
	for _, name := range zones() {
		s, err := site.New("x", "", name)
		if err != nil {
			t.Fatal(err)
		}
		c := rollup.NewCalendar(s.Zone)
		var first, end rollup.Bucket // of the day that the bucket before was on
		for b := rollup.BucketOf(time.Date(2003, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()); b.At().Year() < 2032; b++ {
			y, m, d := b.At().Add(rollup.Width - time.Millisecond).In(s.Zone).Date()
			day := site.Day{Year: y, Month: m, Day: d}
			if got := c.Day(b); got != day.Number() {
				t.Fatalf("%s, bucket %v: got day %d, want %v", name, b.At(), got, day)
			}
			if b >= end {
				first, end = s.Begins(day), s.Begins(day.Add(1))
			}
			if b < first || b >= end || c.Day(first) != c.Day(b) {
				t.Fatalf("%s, bucket %v: the day %v has %v up to %v", name, b.At(), day, first.At(), end.At())
			}
		}
	}
}

func TestCalendar_edges(t *testing.T) {
	for _, name := range zones() {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		c := rollup.NewCalendar(zone)
		for _, b := range []rollup.Bucket{1, 30, 95, 96, 100_000, 4_558_271, 5_000_000} {
			at := b.At().Add(rollup.Width - time.Second).In(zone)
			want := time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC).Unix() / 86400
			if b < 4_558_271 && int64(c.Day(b)) != want {
				t.Errorf("%s, bucket %d: got day %d, want %d", name, b, c.Day(b), want)
			}
		}
		spans := c.Spans()
		for i, s := range spans {
			switch {
			case s.First >= s.End, i == 0 && s.First != 1, i > 0 && (s.First != spans[i-1].End || s.Offset == spans[i-1].Offset):
				t.Errorf("%s: span %d is %+v", name, i, s)
			}
		}
	}
}

// Two zones have the same rules only if they say the same.
func TestCalendar_Rules(t *testing.T) {
	seen := make(map[int64]string)
	for _, name := range zones() {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		r := rollup.NewCalendar(zone).Rules()
		if other := seen[r]; other != "" || r == 0 {
			t.Errorf("%s has the rules %d of %q", name, r, other)
		}
		seen[r] = name
		if r != rollup.NewCalendar(zone).Rules() {
			t.Errorf("%s: the rules differ from call to call", name)
		}
	}
}

// Days of deltas add up to the days of the sum, in any groups, and count every
// press that has a date, once.
func TestDelta_Days(t *testing.T) {
	calendars := make(map[string]*rollup.Calendar)
	for _, name := range zones() {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		calendars[name] = rollup.NewCalendar(zone)
	}
	rapid.Check(t, func(t *rapid.T) {
		of := map[feedback.SiteID]string{
			"lyon": rapid.SampledFrom(zones()).Draw(t, "zone of lyon"), "nice": rapid.SampledFrom(zones()).Draw(t, "zone of nice"),
		}
		calendar := func(s feedback.SiteID) *rollup.Calendar { return calendars[of[s]] }
		total, sum := make(rollup.Delta), make(rollup.Days)
		var presses int64
		for range rapid.IntRange(1, 20).Draw(t, "groups") {
			group := make(rollup.Delta)
			for range rapid.IntRange(1, 4).Draw(t, "cells") {
				k := rollup.Key{Asked: feedback.Asked{Site: rapid.SampledFrom([]feedback.SiteID{"lyon", "nice"}).Draw(t, "site"), Scale: "smiley3"}}
				k.Bucket = rollup.Bucket(rapid.SampledFrom([]int64{0, 1_970_000, 1_970_080, 1_970_190}).Draw(t, "bucket"))
				n := rapid.Int64Range(-3, 3).Draw(t, "presses")
				group.Merge(rollup.Delta{k: rollup.Cell{Presses: n}})
				if k.Bucket != 0 {
					presses += n
				}
			}
			for k, c := range group.Days(calendar) {
				if sum[k] = sum[k].Plus(c); sum[k].IsZero() {
					delete(sum, k)
				}
			}
			total.Merge(group)
		}
		if want := total.Days(calendar); !maps.Equal(sum, want) {
			t.Fatalf("got %v, want %v", sum, want)
		}
		for _, c := range sum {
			presses -= c.Presses
		}
		if presses != 0 {
			t.Fatalf("%d presses with a date are on no day", presses)
		}
		other := make(rollup.Delta)
		if back := total.Minus(other); !maps.Equal(back, total) || len(total.Minus(total)) != 0 {
			t.Fatalf("a difference with nothing: got %v", back)
		}
	})
}
