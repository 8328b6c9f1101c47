package site_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"sourire/hub/rollup"
	"sourire/hub/site"
)

func mustSite(t *testing.T, zone string) site.Site {
	t.Helper()
	s, err := site.New("lyon", "Lyon", zone)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSite_Begins(t *testing.T) {
	for _, c := range []struct {
		zone, day, begins string
		quarters          int
	}{
		{"Europe/Paris", "2026-08-03", "2026-08-02T22:00:00Z", 96},
		{"Europe/Paris", "2026-03-29", "2026-03-28T23:00:00Z", 92},
		{"Europe/Paris", "2026-10-25", "2026-10-24T22:00:00Z", 100},
		{"Asia/Kathmandu", "2026-08-03", "2026-08-02T18:15:00Z", 96},
		{"Pacific/Chatham", "2026-04-05", "2026-04-04T10:15:00Z", 100},
		{"Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00:00Z", 98}, // half an hour
		{"America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z", 92},   // no midnight
		{"America/Sao_Paulo", "2018-02-17", "2018-02-17T02:00:00Z", 100},  // two times 23:00
		{"Asia/Beirut", "2026-03-29", "2026-03-28T22:00:00Z", 92},
		{"Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z", 0}, // a day that never was
		{"UTC", "1970-01-02", "1970-01-02T00:00:00Z", 96},
	} {
		s := mustSite(t, c.zone)
		d, err := site.ParseDay(c.day)
		if err != nil {
			t.Fatal(err)
		}
		b := s.Begins(d)
		if got := b.At().Format(time.RFC3339); got != c.begins {
			t.Errorf("%s %s: begins %s, want %s", c.zone, c.day, got, c.begins)
		}
		if got := int(s.Begins(d.Add(1)) - b); got != c.quarters {
			t.Errorf("%s %s: got %d quarters, want %d", c.zone, c.day, got, c.quarters)
		}
	}
}

// Every instant lies in exactly the day that the zone calls it.
func TestSite_Begins_properties(t *testing.T) {
	zones := []string{"Europe/Paris", "Asia/Kathmandu", "America/Sao_Paulo", "Pacific/Chatham", "Africa/Cairo", "Australia/Eucla", "America/St_Johns", "Asia/Gaza"}
	rapid.Check(t, func(rt *rapid.T) {
		s := mustSite(t, rapid.SampledFrom(zones).Draw(rt, "zone"))
		at := time.UnixMilli(rapid.Int64Range(1_000_000_000_000, 2_000_000_000_000).Draw(rt, "at"))
		d := s.Today(at)
		b := rollup.BucketOf(at.UnixMilli())
		if b < s.Begins(d) || b >= s.Begins(d.Add(1)) {
			rt.Fatalf("%s: %s is not within %s", s.Zone, at, d)
		}
	})
}

func TestSite_Bounds(t *testing.T) {
	s := mustSite(t, "Europe/Paris")
	d, _ := site.ParseDay("2026-03-30")
	got := s.Bounds(d, 30)
	if len(got) != 31 || got[30]-got[29] != 96 || got[29]-got[28] != 92 || got[30] != s.Begins(d.Add(1)) {
		t.Errorf("got %d bounds ending %v", len(got), got[28:])
	}
}

func TestNew_refusesTheMachinesZone(t *testing.T) {
	for _, zone := range []string{"", "Local", "Europe/Lutece", "../etc/passwd"} {
		if _, err := site.New("lyon", "", zone); err == nil {
			t.Errorf("zone %q was taken", zone)
		}
	}
	if _, err := site.New("Lyon 2", "", "UTC"); err == nil {
		t.Error("a bad id was taken")
	}
	if s, err := site.New("lyon", "", "UTC"); err != nil || s.Name != "lyon" {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestParseDay(t *testing.T) {
	for _, bad := range []string{"", "2026-13-01", "3 août", "2026-02-30", "2026-8-3"} {
		if d, err := site.ParseDay(bad); err == nil {
			t.Errorf("%q gave %v", bad, d)
		}
	}
	d, err := site.ParseDay("2024-02-28")
	if err != nil || d.Add(1).String() != "2024-02-29" || d.Weekday() != time.Wednesday {
		t.Errorf("got %v, %v", d, err)
	}
}
