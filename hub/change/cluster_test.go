package change_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"pgregory.net/rapid"

	"sourire/hub/change"
)

func TestClustering_knownAnswers(t *testing.T) {
	b, err := os.ReadFile("testdata/clustering.json")
	if err != nil {
		t.Fatal(err)
	}
	var known struct {
		Tolerance float64
		Cases     []struct {
			Source string
			X, N   []int64
			Phi    float64
		}
	}
	if err := json.Unmarshal(b, &known); err != nil {
		t.Fatal(err)
	}
	for _, c := range known.Cases {
		days := make([]change.Day, len(c.X))
		for i := range days {
			days[i] = change.Day{X: c.X[i], N: c.N[i]}
		}
		phi, ok := change.Clustering(days)
		if !ok || math.Abs(phi-c.Phi) > known.Tolerance {
			t.Errorf("%s: got %v (%v), want %v", c.Source, phi, ok, c.Phi)
		}
	}
}

func TestClustering_history(t *testing.T) {
	days := make([]change.Day, change.MinClusterDays-1, 200)
	for i := range days {
		days[i] = change.Day{X: int64(i), N: 40}
	}
	days = append(days, make([]change.Day, 100)...) // closed days
	if phi, ok := change.Clustering(days); ok || phi != 1 {
		t.Errorf("13 open days: got %v, %v; want 1, false", phi, ok)
	}
	// What lies before the last 56 open days does not matter.
	calm := make([]change.Day, change.ClusterDays)
	for i := range calm {
		calm[i] = change.Day{X: 20, N: 40}
	}
	wild := append([]change.Day{{X: 0, N: 500}, {X: 500, N: 500}}, calm...)
	if phi, ok := change.Clustering(wild); !ok || phi != 1 {
		t.Errorf("got %v, %v; want 1, true", phi, ok)
	}
	all := make([]change.Day, 20)
	copy(all, calm)
	for i := range all {
		all[i].X = all[i].N
	}
	if phi, ok := change.Clustering(all); !ok || phi != 1 {
		t.Errorf("only happy: got %v, %v; want 1, true", phi, ok)
	}
}

// φ is at least 1 and finite, and does not depend on the order of the days or on
// which face is called positive.
func TestClustering_properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		days := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) change.Day {
			n := rapid.Int64Range(0, 500).Draw(t, "n")
			return change.Day{X: rapid.Int64Range(0, n).Draw(t, "x"), N: n}
		}), change.MinClusterDays, change.ClusterDays).Draw(t, "days")
		phi, known := change.Clustering(days)
		if phi < 1 || math.IsNaN(phi) || math.IsInf(phi, 0) {
			t.Fatalf("φ %v", phi)
		}
		mirror := make([]change.Day, len(days))
		for i, d := range days {
			mirror[len(days)-1-i] = change.Day{X: d.N - d.X, N: d.N}
		}
		other, same := change.Clustering(mirror)
		if known != same || math.Abs(phi-other) > 1e-9*phi {
			t.Fatalf("mirrored: %v and %v", phi, other)
		}
	})
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
		ok   bool
	}{{nil, 0, false}, {[]float64{3}, 3, true}, {[]float64{4, 1}, 2.5, true}, {[]float64{9, 1, 2}, 2, true}} {
		if got, ok := change.Median(c.in); got != c.want || ok != c.ok {
			t.Errorf("%v: got %v, %v; want %v, %v", c.in, got, ok, c.want, c.ok)
		}
	}
}
