package script_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sourire/kiosk/input"
	"sourire/kiosk/input/script"
)

var _ = []input.Source{&script.Visitors{}, script.List{}}

// told is a signal and when it was told.
type told struct {
	After  time.Duration
	Signal input.Signal
}

// record runs a source in a bubble of its own time.
func record(t *testing.T, s input.Source, limit time.Duration) []told {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	began := time.Now()
	var all []told
	if err := s.Run(ctx, func(s input.Signal) { all = append(all, told{time.Since(began), s}) }); err != nil {
		t.Errorf("got %v, want no error", err)
	}
	return all
}

func visitors(t *testing.T, o script.Options) *script.Visitors {
	t.Helper()
	v, err := script.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestVisitors_Constant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := record(t, visitors(t, script.Options{Arrivals: script.Constant(2 * time.Second), Faces: []float64{0, 0, 1}, Touch: true, Count: 3}), time.Hour)
		press := input.Signal{Kind: input.Press, Place: 2, Touch: true}
		want := []told{{2 * time.Second, press}, {4 * time.Second, press}, {6 * time.Second, press}}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestVisitors_RepeatBySeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run := func(seed uint64) []told {
			return record(t, visitors(t, script.Options{Arrivals: script.Poisson(3600), Faces: []float64{1, 1, 1}, Seed: seed, Count: 50}), time.Hour)
		}
		a := run(1)
		if !reflect.DeepEqual(a, run(1)) {
			t.Error("got two runs of one seed, want one")
		}
		if reflect.DeepEqual(a, run(2)) {
			t.Error("got one run of two seeds, want two")
		}
	})
}

// A receiver that holds emit for a while loses no visitor.
func TestVisitors_SlowReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second+time.Millisecond)
		defer cancel()
		n := 0
		v := visitors(t, script.Options{Arrivals: script.Constant(time.Second), Faces: []float64{1}})
		err := v.Run(ctx, func(input.Signal) {
			if n++; n == 2 {
				<-time.After(5 * time.Second)
			}
		})
		if n != 10 || err != nil {
			t.Errorf("got %d visitors in ten seconds and %v, want 10", n, err)
		}
	})
}

func TestVisitors_PoissonAndFaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const hours, rate = 100, 60
		got := record(t, visitors(t, script.Options{Arrivals: script.Poisson(rate), Faces: []float64{1, 0, 3}, Seed: 7}), hours*time.Hour)
		near(t, "visitors", float64(len(got)), hours*rate, math.Sqrt(hours*rate))
		var faces [3]float64
		short := 0.0
		for i, s := range got {
			faces[s.Signal.Place]++
			if i > 0 && s.After-got[i-1].After < time.Minute {
				short++
			}
		}
		n := float64(len(got))
		near(t, "presses of the best face", faces[2], 0.75*n, math.Sqrt(n*0.75*0.25))
		near(t, "gaps under the mean", short, (1-1/math.E)*n, math.Sqrt(n/4))
		if faces[1] != 0 {
			t.Errorf("got %v presses of a face without weight", faces[1])
		}
	})
}

// near allows four standard deviations.
func near(t *testing.T, what string, got, want, sigma float64) {
	t.Helper()
	if math.Abs(got-want) > 4*sigma {
		t.Errorf("got %v %s, want %v ± %.0f", got, what, want, 4*sigma)
	}
}

func TestHourly(t *testing.T) {
	kathmandu := time.FixedZone("+05:45", 5*3600+45*60)
	h, err := script.ReadHours(strings.NewReader("hour,presses\n9, 30\n10,120\n"), kathmandu)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	counts := map[int]float64{}
	const days = 200
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, kathmandu)
	for end := at.AddDate(0, 0, days); at.Before(end); {
		at = h.Next(at, r)
		counts[at.In(kathmandu).Hour()]++
	}
	near(t, "at nine", counts[9], days*30, math.Sqrt(days*30))
	near(t, "at ten", counts[10], days*120, math.Sqrt(days*120))
	if len(counts) != 2 {
		t.Errorf("got visitors in the hours of %v, want 9 and 10 only", counts)
	}
}

func TestArrivals_Nobody(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, a := range []script.Arrivals{
		script.Constant(0), script.Poisson(0), script.Poisson(-1), script.Poisson(math.NaN()),
		script.Hourly{},
		script.Hourly{PerHour: [24]float64{3: 1e-300}},
		script.Poisson(1e-300),
		script.Weekly{},
		script.Rush{},
		script.Rush{Base: 0, Burst: 0, Minutes: []int{60}},
		script.Days{Of: script.Poisson(0), Spread: 1},
	} {
		if at := a.Next(time.Unix(0, 0), r); !at.IsZero() {
			t.Errorf("%T: got somebody at %v, want nobody ever", a, at)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		if got := record(t, visitors(t, script.Options{Arrivals: script.Poisson(0), Faces: []float64{1}}), time.Hour); got != nil {
			t.Errorf("got %v, want nobody", got)
		}
	})
}

func TestReadHours_Refuses(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"nothing", "", "empty"},
		{"another column", "hour,count\n9,1\n", `"hour,count": want hour,presses`},
		{"hour of the week", "hour_of_week,presses\n168,1\n", `line 2: hour "168": want 0 to 167`},
		{"three fields", "hour,presses\n9,1\n10,1,7\n", "line 3: 3 fields"},
		{"quotes", "hour,presses\n9,\"1\n", "line 2"},
		{"no heading", "9,30\n", "hour,presses"},
		{"hour", "hour,presses\n24,1\n", `line 2: hour "24"`},
		{"twice", "hour,presses\n9,1\n9,2\n", `line 3: hour "9"`},
		{"presses", "hour,presses\n9,many\n", `presses "many"`},
		{"negative", "hour,presses\n9,-1\n", `presses "-1"`},
		{"not a number", "hour,presses\n9,NaN\n", `presses "NaN"`},
		{"infinite", "hour,presses\n9,Inf\n", `presses "Inf"`},
		{"fields", "hour,presses\n9\n", "fields"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := script.ReadHours(strings.NewReader(tt.text), nil); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestNew_Refuses(t *testing.T) {
	for _, faces := range [][]float64{nil, {0, 0}, {-1, 2}, {math.NaN()}, {math.Inf(1)}, {math.MaxFloat64, math.MaxFloat64}, make([]float64, 12)} {
		if _, err := script.New(script.Options{Arrivals: script.Poisson(1), Faces: faces}); err == nil {
			t.Errorf("got weights %v taken, want a refusal", faces)
		}
	}
	if _, err := script.New(script.Options{Faces: []float64{1}}); err == nil {
		t.Error("got no model taken, want a refusal")
	}
}

func TestParseList(t *testing.T) {
	const text = `
# a visit and its aftermath
at 1.5s face 2
at 2s   tap 3        # on a touchscreen
at 2s   away
at 14s  stuck 2
at 20s  gesture 1 3
`
	l, err := script.ParseList(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []told{
		{1500 * time.Millisecond, input.Signal{Kind: input.Press, Place: 1}},
		{2 * time.Second, input.Signal{Kind: input.Press, Place: 2, Touch: true}},
		{2 * time.Second, input.Signal{Kind: input.Away, Touch: true}},
		{14 * time.Second, input.Signal{Kind: input.Stuck, Place: 1, Held: 10 * time.Second}},
		{20 * time.Second, input.Signal{Kind: input.Gesture, Place: 0, Other: 2, Held: 5 * time.Second}},
	}
	synctest.Test(t, func(t *testing.T) {
		if got := record(t, l, time.Minute); !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if got := record(t, l, 2*time.Second-1); len(got) != 1 {
			t.Errorf("got %d signals before two seconds, want 1", len(got))
		}
	})
}

func TestParseList_Refuses(t *testing.T) {
	for _, text := range []string{
		"at 1s", "after 1s face 1", "at 1 face 1", "at -1s face 1", "at 1s face 0", "at 1s face 12", "at 1s face",
		"at 1s face 1 2", "at 1s jump 1", "at 1s gesture 1", "at 1s away 1", "at 2s face 1\nat 1s face 1",
	} {
		_, err := script.ParseList(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), "line ") {
			t.Errorf("%q: got %v, want an error that names the line", text, err)
		}
	}
	broken := errors.New("broken")
	if _, err := script.ParseList(readerFunc(func([]byte) (int, error) { return 0, broken })); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
