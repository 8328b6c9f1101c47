package web

import (
	"strconv"

	"sourire/assets"
	"sourire/hub/insight"
	"sourire/hub/kpi"
	"sourire/internal/feedback"
	"sourire/internal/i18n"
)

// stepBar is one step of a scale in a distribution.
type stepBar struct {
	Class string // positive, neutral or negative
	Mood  int    // number of its face, 0: it has none
	Word  string
	Width string // of 100
	Part  string // of all ratings
	N     int64
}

// stepsOf returns the distribution, best step first.
func stepsOf(l *i18n.Language, m insight.Moment) []stepBar {
	out := make([]stepBar, 0, m.Scale.Steps)
	for step := m.Scale.Steps - 1; step >= 0; step-- {
		n := m.Figures.Steps[step]
		share := float64(n) / float64(m.Figures.N)
		b := stepBar{Class: classOf(m.Scale, m.Scale.Lowest+step), Width: coordinate(100 * share), Part: l.Percent(share, 0), N: n}
		b.Mood, b.Word = faceOf(l, m.Scale, step)
		out = append(out, b)
	}
	return out
}

func classOf(s feedback.Scale, rating int) string {
	switch {
	case rating >= s.Positive:
		return "positive"
	case rating <= s.Negative:
		return "negative"
	}
	return "neutral"
}

// faceOf returns the face of a step and its word. Scales with weights are made
// of faces; one of two steps asks yes or no; the others show their numbers.
func faceOf(l *i18n.Language, s feedback.Scale, step int) (int, string) {
	if len(s.Weights) > 0 {
		if mood, ok := assets.Mood(s.Steps, step); ok {
			return mood, l.Text("mood_" + strconv.Itoa(mood))
		}
	}
	if s.Steps == 2 {
		return 0, l.Text([]string{"step_no", "step_yes"}[step])
	}
	return 0, l.Int(int64(s.Lowest + step))
}

// howOf explains a score with its own numbers.
func howOf(l *i18n.Language, m insight.Moment) []string {
	f := m.Figures
	step := l.Text("how_step", "step", kpi.MinimumStep)
	if f.Few {
		return []string{l.Text("how_few", "least", kpi.MinimumCell), step}
	}
	n, neff, share := l.Int(f.N), l.Decimal(f.NEff, 1), l.Percent(f.Share, 1)
	return []string{
		l.Text("how_share", "x", l.Int(f.Tally.Positive), "n", n, "share", share,
			"from", m.Scale.Step(m.Scale.Positive)+1, "steps", m.Scale.Steps),
		l.Text("how_neff", "n", n, "phi", l.Decimal(m.Spread.Phi, 2), "neff", neff),
		spreadText(l, m.Spread),
		l.Text("how_interval", "neff", neff, "share", share,
			"low", l.Percent(f.Interval.Low, 1), "high", l.Percent(f.Interval.High, 1)),
		step,
	}
}

func spreadText(l *i18n.Language, s insight.Spread) string {
	switch {
	case s.Days > 0:
		return l.Text("how_phi_own", "days", s.Days)
	case s.Others > 0:
		return l.Text("how_phi_median", "others", s.Others)
	}
	return l.Text("how_phi_unknown")
}
