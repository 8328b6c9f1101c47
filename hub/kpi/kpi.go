package kpi

import (
	"sourire/hub/rollup"
	"sourire/internal/feedback"
)

// MinimumCell is the number of counted visits under which a cell says "too
// few" and shows no figure. It protects staff.
const MinimumCell = 5

// MinimumStep is the number of new ratings by which a live figure moves at
// least.
const MinimumStep = 5

// Enough reports whether n ratings may be shown as a figure.
func Enough(n int64) bool { return n >= MinimumCell }

// Tally counts the ratings of one scale by class.
type Tally struct{ Positive, Neutral, Negative int64 }

// N returns the number of ratings.
func (t Tally) N() int64 { return t.Positive + t.Neutral + t.Negative }

// TallyOf counts the ratings of a cell as the scale classes them.
func TallyOf(s feedback.Scale, c rollup.Cell) Tally {
	var t Tally
	for step := range s.Steps {
		n := c.Steps[step]
		switch rating := s.Lowest + step; {
		case rating >= s.Positive:
			t.Positive += n
		case rating <= s.Negative:
			t.Negative += n
		default:
			t.Neutral += n
		}
	}
	return t
}

// Share returns positive ÷ n, in 0 … 1. It reports false when n is 0.
func (t Tally) Share() (float64, bool) {
	n := t.N()
	if n == 0 {
		return 0, false
	}
	return float64(t.Positive) / float64(n), true
}

// NPS returns % positive − % negative, in −100 … 100 (Reichheld 2003). It
// reports false when there is no rating. The name belongs on the scale "nps"
// only; on others the same figure is a net score.
func (t Tally) NPS() (float64, bool) {
	n := t.N()
	if n == 0 {
		return 0, false
	}
	return 100 * float64(t.Positive-t.Negative) / float64(n), true
}

// Index returns the Smiley Index: the mean of the scale's weights, in 0 … 100.
// It reports false when there is no rating or the scale has no weights.
func Index(s feedback.Scale, c rollup.Cell) (float64, bool) {
	if len(s.Weights) != s.Steps {
		return 0, false
	}
	return mean(s, c, func(step int) float64 { return s.Weights[step] })
}

// Mean returns the mean rating, in Lowest … Highest of the scale. It reports
// false when there is no rating.
func Mean(s feedback.Scale, c rollup.Cell) (float64, bool) {
	return mean(s, c, func(step int) float64 { return float64(s.Lowest + step) })
}

func mean(s feedback.Scale, c rollup.Cell, value func(step int) float64) (float64, bool) {
	var n, sum float64
	for step := range s.Steps {
		n += float64(c.Steps[step])
		sum += float64(c.Steps[step]) * value(step)
	}
	if n == 0 {
		return 0, false
	}
	return sum / n, true
}
