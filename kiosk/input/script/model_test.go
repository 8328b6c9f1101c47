package script_test

import (
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sourire/internal/feedback"
	"sourire/kiosk/input"
	"sourire/kiosk/input/script"
)

var _ = []script.Rated{script.Poisson(1), script.Hourly{}, script.Weekly{}, script.Rush{}, script.Days{}}

// arrivals returns all between two instants, and that there are as many by a
// second run of the same seed.
func arrivals(t *testing.T, m script.Arrivals, from, to time.Time, seed uint64) []time.Time {
	t.Helper()
	run := func() (all []time.Time) {
		r := rand.New(rand.NewPCG(seed, seed))
		for at := m.Next(from, r); at.Before(to) && !at.IsZero(); at = m.Next(at, r) {
			if n := len(all); n > 0 && at.Before(all[n-1]) {
				t.Fatalf("%v comes after %v", at, all[n-1])
			}
			all = append(all, at)
		}
		return all
	}
	all := run()
	if !reflect.DeepEqual(all, run()) {
		t.Errorf("%T: got two runs of one seed, want one", m)
	}
	return all
}

// moments returns mean and variance.
func moments(counts []float64) (mean, variance float64) {
	for _, n := range counts {
		mean += n / float64(len(counts))
	}
	for _, n := range counts {
		variance += (n - mean) * (n - mean) / float64(len(counts)-1)
	}
	return mean, variance
}

// byDay counts the arrivals of each day.
func byDay(all []time.Time, from time.Time, days int) []float64 {
	counts := make([]float64, days)
	for _, at := range all {
		counts[int(at.Sub(from)/(24*time.Hour))]++
	}
	return counts
}

// A Poisson day varies by its mean; days that differ vary by what Spread says.
func TestDays_dispersion(t *testing.T) {
	const days, perHour, mean = 2000, 5, 24 * 5
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, spread := range []float64{0, 0.1, 0.3, 1, 1.5} {
		m := script.Days{Of: script.Poisson(perHour), Spread: spread, Seed: 3}
		counts := byDay(arrivals(t, m, from, from.AddDate(0, 0, days), 5), from, days)
		gotMean, gotVariance := moments(counts)
		variance := mean + spread*spread*mean*mean
		near(t, "a day", gotMean, mean, math.Sqrt(variance/days))
		// The sample variance of a gamma-Poisson has itself a variance of
		// (κ−1)σ⁴/n with an excess kurtosis below 6·spread² + 1/σ².
		sigma := variance * math.Sqrt((2+6*spread*spread+1/variance)/days)
		near(t, "of variance", gotVariance, variance, sigma)
	}
}

// All kiosks of one seed have the same days, those of another have others.
func TestDays_shared(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	rate := func(seed uint64, at time.Time) float64 {
		r, _ := script.Days{Of: script.Poisson(1), Spread: 0.5, Seed: seed}.Rate(at)
		return r
	}
	if a, b := rate(1, at), rate(1, at.Add(12*time.Hour)); a != b {
		t.Errorf("got rates %v and %v on one day, want one", a, b)
	}
	if a, b := rate(1, at), rate(1, at.Add(24*time.Hour)); a == b {
		t.Errorf("got rate %v on two days, want two", a)
	}
	if a, b := rate(1, at), rate(2, at); a == b {
		t.Errorf("got rate %v for two seeds, want two", a)
	}
}

func TestWeekly(t *testing.T) {
	// Monday's first hour, and Sunday's last.
	m, err := script.ReadHours(strings.NewReader("hour_of_week,presses\n0,60\n167,20\n"), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	const weeks = 200
	from := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC) // a Monday
	counts := map[string]float64{}
	for _, at := range arrivals(t, m, from, from.AddDate(0, 0, 7*weeks), 1) {
		counts[at.Format("Mon 15")]++
	}
	near(t, "on Monday at 0", counts["Mon 00"], weeks*60, math.Sqrt(weeks*60))
	near(t, "on Sunday at 23", counts["Sun 23"], weeks*20, math.Sqrt(weeks*20))
	if len(counts) != 2 {
		t.Errorf("got visitors in %v, want two hours of the week", counts)
	}
}

// A burst begins at its minutes, also over midnight, and brings what it says.
func TestRush(t *testing.T) {
	m, err := script.ParseRush("6+40@23:58,10:30")
	if err != nil {
		t.Fatal(err)
	}
	const days = 300
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	all := arrivals(t, m, from, from.AddDate(0, 0, days), 1)
	within := map[string]float64{}
	for _, at := range all {
		switch minute := at.Hour()*60 + at.Minute(); {
		case minute >= 630 && minute < 635:
			within["at 10:30"]++
		case minute >= 23*60+58 || minute < 3:
			within["over midnight"]++
		default:
			within["between"]++
		}
	}
	const burst = days * (40 + 0.5)
	near(t, "at 10:30", within["at 10:30"], burst, math.Sqrt(burst))
	near(t, "over midnight", within["over midnight"], burst, math.Sqrt(burst)+40) // the first and the last night are cut
	const between = days * (24*6 - 1)
	near(t, "between", within["between"], between, math.Sqrt(between))

	hourly, err := script.ParseRush("0+10@25,55")
	if err != nil || len(hourly.Minutes) != 48 || hourly.Minutes[0] != 25 || hourly.Minutes[1] != 55 {
		t.Errorf("got %v, %v, want 48 bursts a day", hourly, err)
	}
	for _, text := range []string{"", "30", "30+40", "30@5", "a+1@5", "1+b@5", "-1+1@5", "1+1@60", "1+1@", "1+1@25:00", "1+Inf@5"} {
		if _, err := script.ParseRush(text); err == nil || !strings.Contains(err.Error(), "30+40@25,55") {
			t.Errorf("%q: got %v, want a refusal with an example", text, err)
		}
	}
}

// A night on which the clock leaps has its bursts, and none that do not exist.
func TestRush_leap(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	m := script.Rush{Burst: 1000, Minutes: []int{2*60 + 30}, Zone: paris}
	for _, tt := range []struct {
		day  time.Time
		want float64
	}{
		{time.Date(2026, 3, 28, 12, 0, 0, 0, paris), 0}, // 2:30 on the 29th is left out
		{time.Date(2026, 3, 29, 12, 0, 0, 0, paris), 1000},
	} {
		got := float64(len(arrivals(t, m, tt.day, tt.day.Add(23*time.Hour), 1)))
		near(t, "in the night after "+tt.day.Format(time.DateOnly), got, tt.want, math.Sqrt(tt.want))
	}
}

// The faces of a day are beta-binomial: the numbers of one face vary by
// n·p·(1−p)·(1 + (n−1)·mood).
func TestVisitors_mood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const days, n, p = 600, 60, 0.25
		for _, rho := range []float64{0, 0.05, 0.3} {
			best := make([]float64, days)
			v := visitors(t, script.Options{Arrivals: script.Constant(24 * time.Minute), Faces: []float64{1, 3}, Mood: rho, Seed: 11, Count: days*n - 1})
			for _, s := range record(t, v, (days+1)*24*time.Hour) {
				if s.Signal.Place == 0 {
					best[int(s.After/(24*time.Hour))]++
				}
			}
			mean, variance := moments(best)
			want := n * p * (1 - p) * (1 + (n-1)*rho)
			near(t, "of the worst face a day", mean, n*p, math.Sqrt(want/days))
			near(t, "of variance", variance, want, want*math.Sqrt(3.0/days))
		}
	})
}

// The day of one real terminal, 1,001 presses by the hour (public sector, Helsinki
// region), gives what it holds.
func TestReadHours_realTerminal(t *testing.T) {
	const day = "hour,presses\n8,26\n9,39\n10,122\n11,125\n12,156\n13,247\n14,160\n15,126\n"
	m, err := script.ReadHours(strings.NewReader(day), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	const days = 50
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	n := float64(len(arrivals(t, m, from, from.AddDate(0, 0, days), 1)))
	near(t, "in all", n, 1001*days, math.Sqrt(1001*days))
}

func TestNew_refusesMood(t *testing.T) {
	for _, rho := range []float64{-0.1, 1, math.NaN()} {
		if _, err := script.New(script.Options{Arrivals: script.Poisson(1), Faces: make([]float64, feedback.MaxSteps), Mood: rho}); err == nil {
			t.Errorf("got mood %v taken, want a refusal", rho)
		}
	}
	v := visitors(t, script.Options{Arrivals: script.Poisson(1), Faces: []float64{1, 0}, Mood: 0.999999999})
	var _ input.Source = v
}
