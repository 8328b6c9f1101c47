package schedule_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"sourire/internal/schedule"
)

func paris(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// shop is open on weekdays with a break, on Friday into Saturday, and on one
// Sunday of December.
func shop() schedule.Hours {
	day := []schedule.Span{{From: "09:00", Until: "12:00"}, {From: "14:00", Until: "19:00"}}
	return schedule.Hours{
		Week: map[string][]schedule.Span{
			"mon": day, "tue": day, "wed": day, "thu": day,
			"fri": {{From: "18:00", Until: "02:00"}}, "sat": {{From: "10:00", Until: "24:00"}},
		},
		Dates: map[string][]schedule.Span{"2026-12-20": {{From: "10:00", Until: "18:00"}}, "2026-12-24": nil},
	}
}

func TestSchedule_At(t *testing.T) {
	zone := paris(t)
	at := func(s string) time.Time {
		v, err := time.ParseInLocation("2006-01-02 15:04", s, zone)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	tests := []struct {
		name, at string
		grace    time.Duration
		open     bool
		until    string
	}{
		{"morning", "2026-11-23 09:00", 0, true, "2026-11-23 12:00"},
		{"break", "2026-11-23 12:00", 0, false, "2026-11-23 14:00"},
		{"break within the grace", "2026-11-23 12:29", 30 * time.Minute, true, "2026-11-23 12:30"},
		{"break beyond the grace", "2026-11-23 12:30", 30 * time.Minute, false, "2026-11-23 13:30"},
		{"break swallowed by the grace", "2026-11-23 13:00", time.Hour, true, "2026-11-23 20:00"},
		{"after midnight", "2026-11-28 01:59", 0, true, "2026-11-28 02:00"},
		{"saturday ends at midnight", "2026-11-28 23:59", 0, true, "2026-11-29 00:00"},
		{"sunday", "2026-11-29 12:00", 0, false, "2026-11-30 09:00"},
		{"a sunday of its own", "2026-12-20 12:00", 0, true, "2026-12-20 18:00"},
		{"a thursday that is closed", "2026-12-24 12:00", 0, false, "2026-12-25 18:00"},
		{"the clocks go forward", "2027-03-27 23:00", 0, true, "2027-03-28 00:00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := schedule.New(shop(), zone, tt.grace)
			if err != nil {
				t.Fatal(err)
			}
			if open, until := s.At(at(tt.at)); open != tt.open || !until.Equal(at(tt.until)) {
				t.Errorf("got open %v until %v, want %v until %s", open, until, tt.open, tt.until)
			}
		})
	}
	if open, until := (schedule.Schedule{}).At(at("2026-11-29 12:00")); !open || !until.After(at("2026-12-01 00:00")) {
		t.Errorf("got open %v until %v without hours, want open", open, until)
	}
	never, err := schedule.New(schedule.Hours{}, zone, 0)
	if err != nil {
		t.Fatal(err)
	}
	if open, until := never.At(at("2026-11-29 12:00")); open || !until.After(at("2026-12-01 00:00")) {
		t.Errorf("got open %v until %v with no span at all, want closed", open, until)
	}
}

// What At says stays true until the instant that it names, and no longer.
func TestSchedule_AtHoldsUntil(t *testing.T) {
	zone := paris(t)
	rapid.Check(t, func(t *rapid.T) {
		grace := time.Duration(rapid.IntRange(0, 60).Draw(t, "grace")) * time.Minute
		s, err := schedule.New(shop(), zone, grace)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Unix(rapid.Int64Range(1_760_000_000, 1_800_000_000).Draw(t, "at"), 0)
		open, until := s.At(at)
		if !until.After(at) {
			t.Fatalf("at %v: until %v is over", at, until)
		}
		share := rapid.Float64Range(0, 0.9999).Draw(t, "share")
		between := at.Add(time.Duration(share * float64(until.Sub(at))))
		if still, _ := s.At(between); still != open {
			t.Fatalf("open is %v at %v until %v, and %v at %v", open, at, until, still, between)
		}
		if then, _ := s.At(until); then == open && until.Sub(at) < 8*24*time.Hour {
			t.Fatalf("open is %v at %v until %v, and still then", open, at, until)
		}
	})
}

func TestNew_refuses(t *testing.T) {
	span := func(from, until string) map[string][]schedule.Span {
		return map[string][]schedule.Span{"mon": {{From: from, Until: until}}}
	}
	for name, h := range map[string]schedule.Hours{
		"a day":       {Week: map[string][]schedule.Span{"lundi": nil}},
		"a date":      {Dates: map[string][]schedule.Span{"25.12.2026": nil}},
		"a clock":     {Week: span("9:00", "12:00")},
		"no hour":     {Week: span("25:00", "12:00")},
		"no minute":   {Week: span("09:60", "12:00")},
		"a sign":      {Week: span("+9:00", "12:00")},
		"a late end":  {Week: span("09:00", "24:01")},
		"begins late": {Week: span("24:00", "02:00")},
		"of a date":   {Dates: map[string][]schedule.Span{"2026-12-25": {{From: "", Until: ""}}}},
	} {
		if _, err := schedule.New(h, time.UTC, 0); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestSpan_Has(t *testing.T) {
	at := func(clock string) time.Time {
		v, err := time.Parse("15:04", clock)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	tests := []struct {
		from, until, at string
		want            bool
	}{
		{"11:30", "14:00", "11:29", false},
		{"11:30", "14:00", "11:30", true},
		{"11:30", "14:00", "14:00", false},
		{"22:00", "02:00", "01:59", true},
		{"22:00", "02:00", "02:00", false},
		{"22:00", "02:00", "22:00", true},
		{"nonsense", "02:00", "01:00", false},
	}
	for _, tt := range tests {
		if got := (schedule.Span{From: tt.from, Until: tt.until}).Has(at(tt.at)); got != tt.want {
			t.Errorf("%s to %s has %s: got %v, want %v", tt.from, tt.until, tt.at, got, tt.want)
		}
	}
}
