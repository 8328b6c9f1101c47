package feedback

import (
	"fmt"
	"slices"
)

// ScaleID names a scale, for instance "smiley3".
type ScaleID string

// MaxSteps is the number of steps of the longest scale (NPS, 0 to 10).
const MaxSteps = 11

// Scale says which ratings a question may get and what they mean. Scales are
// data: nothing in the product has code for one of them. The classes are those
// of the field: NPS after Reichheld (0–6, 7–8, 9–10), CSAT top two boxes of
// five, the rest as this project fixed them.
type Scale struct {
	ID       ScaleID
	Lowest   int // rating of the worst step
	Steps    int // 2 … MaxSteps
	Positive int // this rating and better are positive
	Negative int // this rating and worse are negative
	// Weights of the steps, worst first, 0 … 100, for the Smiley Index; empty
	// where the scale has none.
	Weights []float64
}

// Highest returns the rating of the best step.
func (s Scale) Highest() int { return s.Lowest + s.Steps - 1 }

// Has reports whether rating is a step of the scale.
func (s Scale) Has(rating int) bool { return rating >= s.Lowest && rating <= s.Highest() }

// Step returns the place of a rating on the scale: 0 for the worst.
func (s Scale) Step(rating int) int { return rating - s.Lowest }

// scales is the table of all scales, the default first.
var scales = []Scale{
	{ID: "smiley3", Lowest: 0, Steps: 3, Positive: 2, Negative: 0, Weights: []float64{0, 50, 100}},
	{ID: "smiley4", Lowest: 1, Steps: 4, Positive: 3, Negative: 2, Weights: []float64{0, 100.0 / 3, 200.0 / 3, 100}},
	{ID: "smiley5", Lowest: 1, Steps: 5, Positive: 4, Negative: 2, Weights: []float64{0, 25, 50, 75, 100}},
	{ID: "csat5", Lowest: 1, Steps: 5, Positive: 4, Negative: 2},
	{ID: "csat7", Lowest: 1, Steps: 7, Positive: 6, Negative: 3},
	{ID: "csat10", Lowest: 1, Steps: 10, Positive: 9, Negative: 5},
	{ID: "nps", Lowest: 0, Steps: 11, Positive: 9, Negative: 6},
	{ID: "ces7", Lowest: 1, Steps: 7, Positive: 5, Negative: 3},
	{ID: "binary", Lowest: 0, Steps: 2, Positive: 1, Negative: 0},
}

// Scales returns every scale, the default first.
func Scales() []Scale { return slices.Clone(scales) }

// ParseScale returns the scale of that id.
func ParseScale(id string) (Scale, error) {
	names := ""
	for _, s := range scales {
		if string(s.ID) == id {
			return s, nil
		}
	}
	for _, s := range scales {
		names += " " + string(s.ID)
	}
	return Scale{}, fmt.Errorf("scale %q: want one of%s", id, names)
}
