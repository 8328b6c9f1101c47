package visit_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// visitors folds n genuine visits, one press each, that arrive as a Poisson
// process, and returns how many visits the rule makes of them and how many
// presses it sets aside as play.
func visitors(t *testing.T, n int, perMinute float64, face func(i int, r *rand.Rand) int) (visits, played int) {
	t.Helper()
	r := rand.New(rand.NewPCG(7, 11))
	var s visit.State
	var e visit.Effects
	seq := feedback.Seq(1)
	step := func(since int64, f feedback.Fact) {
		if err := s.Step(seq, feedback.Record{Stamp: feedback.Stamp{Boot: 1, Since: since}, Fact: f}, &e); err != nil {
			t.Fatal(err)
		}
		seq++
	}
	step(0, feedback.PlanApplied{Asked: asked("exit", "smiley3")})
	step(0, feedback.ClockFix{Boot: 1, Offset: 1790000000000, Uncertainty: 5})
	at := 0.0
	for i := range n {
		at += r.ExpFloat64() * 60_000 / perMinute
		step(int64(at), feedback.Press{Rating: face(i, r), Held: 80})
	}
	for _, c := range e.Changes() {
		visits++
		if c.After.Aside == visit.Play {
			played += c.After.Presses
		}
	}
	return visits, played
}

// The known answers of measures.md for a fixed window at 4 genuine visits a
// minute: 5 s lose 25.0 %, 15 s lose 50.0 % (λw ÷ (1 + λw)). The package's
// window is 2 s, so time is scaled: what counts is visits per window.
func TestState_Step_fixedWindow(t *testing.T) {
	const n = 150_000
	// No two neighbours press one face, so that no chain outlives the window.
	turns := func(i int, _ *rand.Rand) int { return i % 3 }
	tests := []struct {
		name           string
		window, lost   float64 // seconds, percent
		visitsPerMin   float64
		tolerancePoint float64
	}{
		{"5 s", 5, 25, 4, 0.4},
		{"15 s", 15, 50, 4, 0.4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			visits, _ := visitors(t, n, tt.visitsPerMin*tt.window/2, turns)
			if lost := 100 * (1 - float64(visits)/n); math.Abs(lost-tt.lost) > tt.tolerancePoint {
				t.Errorf("got %.2f %% lost, want %.1f %%", lost, tt.lost)
			}
		})
	}
}

// What rule 1 does to genuine visitors who press one face each: how many it
// takes for one, and how many it wrongly sets aside as play. At 20 a minute and
// more it does not hold the 1 % that is wanted: doc.go confesses it, and the
// figures here hold it to what is confessed.
func TestState_Step_genuineVisitors(t *testing.T) {
	const n = 100_000
	happy := func(_ int, r *rand.Rand) int { // 75 % positive, 15 % neutral, 10 % negative
		switch x := r.Float64(); {
		case x < 0.75:
			return 2
		case x < 0.9:
			return 1
		}
		return 0
	}
	for _, tt := range []struct {
		perMinute float64
		most      float64 // percent wrongly set aside
	}{{4, 0.1}, {10, 1}, {20, 7}, {30, 23}} {
		visits, played := visitors(t, n, tt.perMinute, happy)
		merged := 100 * (1 - float64(visits)/n)
		aside := 100 * float64(played) / n
		t.Logf("%2.0f genuine visits a minute: %.2f %% merged into another, %.3f %% wrongly set aside as play", tt.perMinute, merged, aside)
		if aside > tt.most {
			t.Errorf("%.0f a minute: got %.2f %% set aside as play, want at most %.0f %%", tt.perMinute, aside, tt.most)
		}
		// A fixed window of 2 s alone loses λw ÷ (1 + λw); chains of one face
		// lose more.
		if fixed := 100 * tt.perMinute / (30 + tt.perMinute); merged < fixed-0.5 {
			t.Errorf("%.0f a minute: got %.2f %% merged, a window of 2 s alone merges %.2f %%", tt.perMinute, merged, fixed)
		}
	}
}
