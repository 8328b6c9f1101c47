package history

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseTime(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text, order, want string
		within            time.Duration
	}{
		{"2024-03-05T15:04:05Z", "", "2024-03-05T15:04:05Z", time.Second},
		{"2024-03-05 15:04:05", "", "2024-03-05T14:04:05Z", time.Second},
		{"2024-03-05 15:04", "", "2024-03-05T14:04:00Z", time.Minute},
		{"20240305T15:04", "", "2024-03-05T14:04:00Z", time.Minute},
		{"2024-07-05 15:04:05.25", "", "2024-07-05T13:04:05.25Z", 10 * time.Millisecond},
		{"2024-07-05 15:04:05,123456", "", "2024-07-05T13:04:05.123456Z", time.Millisecond},
		{"2024-07-05T15:04:05+05:45", "", "2024-07-05T09:19:05Z", time.Second},
		{"2024-07-05T15:04:05-0330", "", "2024-07-05T18:34:05Z", time.Second},
		{"2024-07-05 15:04 +02", "", "2024-07-05T13:04:00Z", time.Minute},
		{"2024-07-05 15:04 UTC+02:00", "", "2024-07-05T13:04:00Z", time.Minute},
		{"31/12/2024 15h04", DayFirst, "2024-12-31T14:04:00Z", time.Minute},
		{"31/12/2024 à 8h05", DayFirst, "2024-12-31T07:05:00Z", time.Minute},
		{"31.12.2024 15:04:05", MonthFirst, "2024-12-31T14:04:05Z", time.Second},
		{"31-12-2024 15.04", DayFirst, "2024-12-31T14:04:00Z", time.Minute},
		{"12/31/2024 3:04 PM", MonthFirst, "2024-12-31T14:04:00Z", time.Minute},
		{"12/31/2024, 12:04:05 a.m.", MonthFirst, "2024-12-30T23:04:05Z", time.Second},
		{"1715000000", "", "2024-05-06T12:53:20Z", time.Second},
		{"1715000000123", "", "2024-05-06T12:53:20.123Z", time.Millisecond},
	} {
		got, err := parseTime(c.text, c.order)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		at, err := got.in(paris)
		if err != nil || at.UTC().Format(time.RFC3339Nano) != c.want || got.within != c.within {
			t.Errorf("%q: got %s within %s, %v, want %s within %s", c.text, at.UTC().Format(time.RFC3339Nano), got.within, err, c.want, c.within)
		}
	}
}

func TestParseTime_refuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "no date",
		"tomorrow":               "no date",
		"2024-03-05":             "no time of day",
		"05/03/24 10:00":         "four digits",
		"2024-02-30 10:00":       "no day 30",
		"2024-13-01 10:00":       "month 13",
		"2024-03-05 25:00":       "25:00",
		"2024-03-05 10:61":       "10:61",
		"2024-03-05 10":          "hours and minutes",
		"2024-03-05 10:00 CET":   "no offset",
		"2024-03-05 13:00 PM":    "hour 13",
		"2024-03-05 10:00:00.":   "comma",
		"2024-03-05 10:00:7":     "two digits",
		"2024-03-05 10:00+99:00": "no offset",
	} {
		if c, err := parseTime(text, DayFirst); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %+v, %v, want an error with %q", text, c, err, want)
		}
	}
}

// Whatever a zone shows is read as the instant at which it shows it, or is said to
// have happened twice; and a time that is read is shown by the zone.
func TestCivil_in(t *testing.T) {
	zones := []string{"Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo", "Africa/Cairo", "UTC", "Pacific/Apia"}
	rapid.Check(t, func(rt *rapid.T) {
		zone, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(rt, "zone"))
		if err != nil {
			rt.Fatal(err)
		}
		at := time.Unix(rapid.Int64Range(946_684_800, 1_900_000_000).Draw(rt, "at"), 0)
		text := at.In(zone).Format("2006-01-02 15:04:05")
		c, err := parseTime(text, "")
		if err != nil {
			rt.Fatal(err)
		}
		got, err := c.in(zone)
		if err == nil && !got.Equal(at) {
			rt.Errorf("%s in %s: got %s, want %s", text, zone, got, at)
		}
		twice := false
		for m := -180; m <= 180; m += 30 {
			x := at.Add(time.Duration(m) * time.Minute)
			twice = twice || m != 0 && x.In(zone).Format("2006-01-02 15:04:05") == text
		}
		if (err != nil) != twice {
			rt.Errorf("%s in %s: got %v, happened twice: %v", text, zone, err, twice)
		}
		wall := rapid.Int64Range(946_684_800, 1_900_000_000).Draw(rt, "wall")
		text = time.Unix(wall, 0).UTC().Format("2006-01-02 15:04:05")
		if c, err = parseTime(text, ""); err != nil {
			rt.Fatal(err)
		}
		if got, err = c.in(zone); err == nil && got.In(zone).Format("2006-01-02 15:04:05") != text {
			rt.Errorf("%s in %s: got %s", text, zone, got.In(zone))
		}
	})
}

func TestSlug(t *testing.T) {
	for text, want := range map[string]string{
		"Forêt de Sénart (sortie)": "foret-de-senart-sortie", "  Lyon 1 ": "lyon-1", "Cœur Défense": "coeur-defense", "東京": "", "--": "",
		"Straße 7": "strasse-7", strings.Repeat("Abcdefghij ", 6): "abcdefghij-abcdefghij-abcdefghi-" + "xxxxxxxx",
	} {
		got := slug(text)
		if len(want) == 40 { // its end is a hash
			got, want = got[:31], want[:31]
		}
		if len(slug(text)) > 40 || got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
