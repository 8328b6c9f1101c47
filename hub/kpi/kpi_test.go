package kpi_test

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"sourire/hub/kpi"
	"sourire/hub/rollup"
	"sourire/internal/feedback"
)

type answers struct {
	Wilson struct {
		Tolerance float64
		Cases     [][4]float64
	}
	WilsonPercent struct{ Cases [][4]float64 } `json:"wilson_percent"`
	Index         struct {
		Cases []struct {
			Scale           string
			BestFirst       []int64 `json:"best_first"`
			Index, Positive float64
		}
	}
	NPS   struct{ Cases [][4]float64 }
	CSAT  struct{ Cases [][2]json.RawMessage }
	Edges struct {
		OneHappyPress [3]float64 `json:"one_happy_press"`
	} `json:"three_smiley_edges"`
}

func known(t *testing.T) answers {
	t.Helper()
	b, err := os.ReadFile("testdata/known_answers.json")
	if err != nil {
		t.Fatal(err)
	}
	var a answers
	if err := json.Unmarshal(b, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

func scale(t interface{ Fatal(...any) }, id string) feedback.Scale {
	s, err := feedback.ParseScale(id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestWilson_knownAnswers(t *testing.T) {
	a := known(t)
	for _, c := range a.Wilson.Cases {
		got := kpi.Wilson(c[0]/c[1], c[1])
		near(t, "low", got.Low, c[2], a.Wilson.Tolerance)
		near(t, "high", got.High, c[3], a.Wilson.Tolerance)
	}
	for _, c := range a.WilsonPercent.Cases {
		got := kpi.Wilson(c[0]/c[1], c[1])
		near(t, "low %", 100*got.Low, c[2], 0.05)
		near(t, "high %", 100*got.High, c[3], 0.05)
	}
	one := kpi.Wilson(1, 1)
	near(t, "one press, low", one.Low, a.Edges.OneHappyPress[1], 5e-5)
	near(t, "one press, high", one.High, a.Edges.OneHappyPress[2], 0)
}

func TestIndex_knownAnswers(t *testing.T) {
	for _, c := range known(t).Index.Cases {
		s := scale(t, c.Scale)
		slices.Reverse(c.BestFirst)
		var cell rollup.Cell
		copy(cell.Steps[:], c.BestFirst)
		index, ok := kpi.Index(s, cell)
		if !ok {
			t.Fatalf("%s: no index", c.Scale)
		}
		near(t, c.Scale+" index", index, c.Index, 0.005)
		if c.Positive != 0 {
			share, _ := kpi.TallyOf(s, cell).Share()
			near(t, c.Scale+" positive", 100*share, c.Positive, 0.005)
		}
	}
}

func TestTally_knownAnswers(t *testing.T) {
	nps := scale(t, "nps")
	for _, c := range known(t).NPS.Cases {
		var cell rollup.Cell
		cell.Steps[9], cell.Steps[8], cell.Steps[6] = int64(c[0]), int64(c[1]), int64(c[2])
		got, _ := kpi.TallyOf(nps, cell).NPS()
		near(t, "NPS", got, c[3], 5e-5)
	}
	csat := scale(t, "csat5")
	for _, c := range known(t).CSAT.Cases {
		var steps []int64
		var want float64
		if json.Unmarshal(c[0], &steps) != nil || json.Unmarshal(c[1], &want) != nil {
			t.Fatal("unreadable case")
		}
		var cell rollup.Cell
		copy(cell.Steps[:], steps)
		got, _ := kpi.TallyOf(csat, cell).Share()
		near(t, "CSAT", got, want, 1e-9)
	}
}

func TestTally_noRatings(t *testing.T) {
	var none rollup.Cell
	for _, s := range feedback.Scales() {
		tally := kpi.TallyOf(s, none)
		_, share := tally.Share()
		_, nps := tally.NPS()
		_, index := kpi.Index(s, none)
		_, mean := kpi.Mean(s, none)
		if share || nps || index || mean {
			t.Errorf("%s: a score of no ratings exists", s.ID)
		}
	}
}

func TestTally_onlyNeutral(t *testing.T) {
	var cell rollup.Cell
	cell.Steps[1] = 9
	tally := kpi.TallyOf(scale(t, "smiley3"), cell)
	share, _ := tally.Share()
	net, _ := tally.NPS()
	if share != 0 || net != 0 {
		t.Errorf("got %v and %v, want 0 and 0", share, net)
	}
}

// The interval holds p, lies within the range, has a width, and narrows as the
// number of ratings grows.
func TestWilson_properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 1_000_000).Draw(t, "n")
		x := rapid.Int64Range(0, n).Draw(t, "x")
		phi := rapid.Float64Range(0, 50).Draw(t, "phi")
		p := float64(x) / float64(n)
		nEff := kpi.Effective(n, phi)
		got := kpi.Wilson(p, nEff)
		if got.Low < 0 || got.High > 1 || got.Low > p || got.High < p || got.High-got.Low <= 0 {
			t.Fatalf("%d of %d, φ %v: %+v", x, n, phi, got)
		}
		if wider := kpi.Wilson(p, nEff/2); wider.High-wider.Low < got.High-got.Low {
			t.Fatalf("half the ratings give a narrower interval: %+v, %+v", wider, got)
		}
	})
}

// Every score lies within its range, and adding cells adds tallies.
func TestScores_properties(t *testing.T) {
	cells := rapid.Custom(func(t *rapid.T) rollup.Cell {
		var c rollup.Cell
		for i := range c.Steps {
			c.Steps[i] = rapid.Int64Range(0, 1000).Draw(t, "step")
		}
		return c
	})
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SampledFrom(feedback.Scales()).Draw(t, "scale")
		a, b := cells.Draw(t, "a"), cells.Draw(t, "b")
		for i := s.Steps; i < len(a.Steps); i++ {
			a.Steps[i], b.Steps[i] = 0, 0
		}
		ta, tb, sum := kpi.TallyOf(s, a), kpi.TallyOf(s, b), kpi.TallyOf(s, a.Plus(b))
		if sum != (kpi.Tally{Positive: ta.Positive + tb.Positive, Neutral: ta.Neutral + tb.Neutral, Negative: ta.Negative + tb.Negative}) {
			t.Fatalf("%+v + %+v = %+v", ta, tb, sum)
		}
		if ta.N() != a.Ratings() {
			t.Fatalf("got %d ratings, want %d", ta.N(), a.Ratings())
		}
		if v, ok := ta.Share(); ok && (v < 0 || v > 1) {
			t.Fatalf("share %v", v)
		}
		if v, ok := ta.NPS(); ok && (v < -100 || v > 100) {
			t.Fatalf("NPS %v", v)
		}
		if v, ok := kpi.Index(s, a); ok && (v < -1e-9 || v > 100+1e-9) {
			t.Fatalf("index %v", v)
		}
		if v, ok := kpi.Mean(s, a); ok && (v < float64(s.Lowest) || v > float64(s.Highest())) {
			t.Fatalf("mean %v", v)
		}
	})
}
