package rollup_test

import (
	"maps"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"sourire/hub/rollup"
	"sourire/internal/feedback"
	"sourire/internal/visit"
)

func drawVisit(t *rapid.T, seq feedback.Seq) visit.Visit {
	scale := rapid.SampledFrom(feedback.Scales()).Draw(t, "scale")
	v := visit.Visit{
		Seq: seq,
		Asked: feedback.Asked{
			Site: rapid.SampledFrom([]feedback.SiteID{"lyon", "nice"}).Draw(t, "site"), Touchpoint: "exit", Survey: "visit", Scale: scale.ID,
		},
		Rating:  rapid.IntRange(scale.Lowest, scale.Highest()).Draw(t, "rating"),
		Presses: rapid.IntRange(1, 9).Draw(t, "presses"),
	}
	redraw(t, &v)
	return v
}

// redraw changes what may change of a visit.
func redraw(t *rapid.T, v *visit.Visit) {
	v.Presses += rapid.IntRange(0, 2).Draw(t, "more")
	v.Mixed = v.Presses > 1 && rapid.Bool().Draw(t, "mixed")
	v.Insistent = !v.Mixed && v.Presses > 2
	v.Aside = rapid.SampledFrom([]visit.Aside{
		visit.Counted, visit.Counted, visit.Test, visit.Technician, visit.Cleaning, visit.Stuck, visit.Closed, visit.Play,
	}).Draw(t, "aside")
	v.At = rapid.Int64Range(1_790_000_000_000, 1_790_000_000_000+4*rollup.Width.Milliseconds()).Draw(t, "at")
	if rapid.IntRange(0, 5).Draw(t, "dated") == 0 {
		v.At = 0
		if v.Aside == visit.Counted {
			v.Aside = visit.Undated
		}
	}
}

// recount counts visits anew, in words of its own.
func recount(visits map[feedback.Seq]visit.Visit) rollup.Delta {
	out := make(rollup.Delta)
	for _, v := range visits {
		k := rollup.Key{Asked: v.Asked, Bucket: rollup.Bucket(v.At / 900_000)}
		c := out[k]
		c.Presses += int64(v.Presses)
		switch v.Aside {
		case visit.Counted:
			lowest := map[feedback.ScaleID]int{"smiley3": 0, "nps": 0, "binary": 0}
			low, zero := lowest[v.Asked.Scale]
			if !zero {
				low = 1
			}
			c.Steps[v.Rating-low]++
			if v.Mixed {
				c.Mixed++
			}
			if v.Insistent {
				c.Insistent++
			}
		default:
			c.Aside[v.Aside]++
			c.AsidePresses += int64(v.Presses)
		}
		out[k] = c
	}
	return out
}

// The sum of the deltas of any sequence of changes, gathered in any groups, is
// what a recount gives, and every cell adds up.
func TestDelta_sumsToRecount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		visits := make(map[feedback.Seq]visit.Visit)
		total := make(rollup.Delta)
		group := make(rollup.Delta)
		for range rapid.IntRange(1, 60).Draw(t, "changes") {
			seq := feedback.Seq(rapid.IntRange(1, 12).Draw(t, "visit"))
			old, known := visits[seq]
			c := visit.Change{}
			after := old
			if known {
				c.Before = &old
				redraw(t, &after)
			} else {
				after = drawVisit(t, seq)
			}
			c.After = &after
			group.Add(c)
			visits[seq] = after
			if rapid.Bool().Draw(t, "commit") {
				total.Merge(group)
				group = make(rollup.Delta)
			}
		}
		total.Merge(group)
		if want := recount(visits); !maps.Equal(total, want) {
			t.Fatalf("got  %+v\nwant %+v", total, want)
		}
		for k, c := range total {
			var asides int64
			for _, n := range c.Aside {
				asides += n
			}
			switch {
			case c.Presses != c.Ratings()+c.Repeats()+c.AsidePresses:
				t.Fatalf("%v: presses %d, ratings %d + repeats %d + presses set aside %d", k, c.Presses, c.Ratings(), c.Repeats(), c.AsidePresses)
			case c.Repeats() < 0 || c.Ratings() < 0 || c.AsidePresses < c.SetAside():
				t.Fatalf("%v: got %+v, a count below what it holds", k, c)
			case c.SetAside() != asides || c.Aside[visit.Counted] != 0:
				t.Fatalf("%v: got %d set aside, want %d and none as counted", k, c.SetAside(), asides)
			case c.IsZero():
				t.Fatalf("%v: a cell of nothing is kept", k)
			}
		}
	})
}

// A visit taken back leaves nothing behind.
func TestDelta_newMinusOld(t *testing.T) {
	v := visit.Visit{Seq: 1, Asked: feedback.Asked{Site: "lyon", Touchpoint: "exit", Survey: "visit", Scale: "smiley3"}, Rating: 2, Presses: 3, Insistent: true, At: 1_790_000_000_000}
	moved := v
	moved.At += rollup.Width.Milliseconds()
	d := make(rollup.Delta)
	d.Add(visit.Change{After: &v})
	d.Add(visit.Change{Before: &v, After: &moved})
	if len(d) != 1 {
		t.Fatalf("got %d cells, want the new one alone", len(d))
	}
	want := rollup.Cell{Presses: 3, Insistent: 1}
	want.Steps[2] = 1
	if got := d[rollup.Key{Asked: v.Asked, Bucket: rollup.BucketOf(moved.At)}]; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	d.Add(visit.Change{Before: &moved, After: &moved})
	if len(d) != 1 {
		t.Errorf("a change of nothing changed %+v", d)
	}
	back := make(rollup.Delta)
	back.Add(visit.Change{Before: &moved, After: &v})
	back.Add(visit.Change{Before: &v, After: &moved})
	if len(back) != 0 {
		t.Errorf("there and back: got %+v, want nothing", back)
	}
}

func TestBucketOf(t *testing.T) {
	at := time.Date(2026, 3, 29, 0, 59, 59, 999e6, time.UTC)
	if got, want := rollup.BucketOf(at.UnixMilli()).At(), time.Date(2026, 3, 29, 0, 45, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := rollup.BucketOf(at.Add(time.Millisecond).UnixMilli()).At(), time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := rollup.BucketOf(0); got != 0 {
		t.Errorf("without a date: got bucket %d, want 0", got)
	}
}

// Local days and hours are whole numbers of buckets: across both switches of
// daylight-saving time, one of them of 30 minutes, and in zones 45 minutes off
// the hour.
func TestBucket_wholeInEveryZone(t *testing.T) {
	tests := []struct {
		zone string
		day  time.Time // its date
		want int       // buckets of that day
	}{
		{"Europe/Paris", time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC), 96},
		{"Europe/Paris", time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC), 92},
		{"Europe/Paris", time.Date(2026, 10, 25, 0, 0, 0, 0, time.UTC), 100},
		{"America/New_York", time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), 100},
		{"Australia/Lord_Howe", time.Date(2026, 4, 5, 0, 0, 0, 0, time.UTC), 98},
		{"Australia/Lord_Howe", time.Date(2026, 10, 4, 0, 0, 0, 0, time.UTC), 94},
		{"Asia/Kathmandu", time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC), 96},
		{"Pacific/Chatham", time.Date(2026, 4, 5, 0, 0, 0, 0, time.UTC), 100},
		{"Pacific/Chatham", time.Date(2026, 9, 27, 0, 0, 0, 0, time.UTC), 92},
	}
	for _, tt := range tests {
		t.Run(tt.zone+tt.day.Format(" 2006-01-02"), func(t *testing.T) {
			zone, err := time.LoadLocation(tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			from := time.Date(tt.day.Year(), tt.day.Month(), tt.day.Day(), 0, 0, 0, 0, zone)
			to := time.Date(tt.day.Year(), tt.day.Month(), tt.day.Day()+1, 0, 0, 0, 0, zone)
			first, end := rollup.BucketOf(from.UnixMilli()), rollup.BucketOf(to.UnixMilli())
			if !first.At().Equal(from) || !end.At().Equal(to) {
				t.Errorf("the day from %v to %v does not begin and end with a bucket", from, to)
			}
			if got := int(end - first); got != tt.want {
				t.Errorf("got %d buckets, want %d", got, tt.want)
			}
			for b := first; b < end; b++ {
				local, last := b.At().In(zone), b.At().Add(rollup.Width-time.Millisecond).In(zone)
				if local.Hour() != last.Hour() || local.Day() != last.Day() {
					t.Errorf("bucket %v lies in two local hours, to %v", local, last)
				}
				if got := rollup.BucketOf(last.UnixMilli()); got != b {
					t.Errorf("%v: got bucket %d, want %d", last, got, b)
				}
			}
		})
	}
}
