package web

import (
	"slices"
	"strconv"

	"sourire/assets"
	"sourire/hub/insight"
	"sourire/hub/kpi"
	"sourire/internal/feedback"
	"sourire/internal/i18n"
)

// momentData is one question at one touchpoint on the page of a site.
type momentData struct {
	Place                int // on the page
	Name, Survey, Scale  string
	Few, Stuck           bool
	Rough                bool // the interval is so wide that the share says little
	Least, Ratings       int64
	Share, ShareValue    string
	Low, High, NEff, Sum string
	Clustered            bool
	Gauge                gauge
	Steps                []stepBar // one above the other, or, of scales with many steps,
	Columns              []stepBar // side by side, and what they mean:
	Groups               []groupBar
	How                  []string
	Trend                trendData
}

// maxRows is how many steps of a scale stand one above the other.
const maxRows = 5

func momentOf(l *i18n.Language, m insight.Moment, today bool) momentData {
	f := m.Figures
	d := momentData{
		Name: string(m.Asked.Touchpoint), Survey: string(m.Asked.Survey), Scale: l.Text("scale_" + string(m.Asked.Scale)),
		Few: f.Few, Stuck: m.Stuck, Least: kpi.MinimumCell, Ratings: f.N,
	}
	if f.Few && m.Stuck { // nothing is known that could be explained
		return d
	}
	d.How = howOf(l, m, today)
	d.Sum = l.Text("sum_line", "ratings", l.Count("ratings", m.Cell.Ratings()), "repeats", l.Count("sum_repeats_n", m.Cell.Repeats()),
		"aside", l.Count("sum_aside_n", m.Cell.AsidePresses), "presses", l.Count("sum_presses_n", m.Cell.Presses))
	if f.Few {
		return d
	}
	d.Share, d.ShareValue, d.Rough = percent(l, f), coordinate(f.Share), rough(f)
	d.Low, d.High = l.Percent(f.Interval.Low, digits(f)), l.Percent(f.Interval.High, digits(f))
	d.Clustered, d.NEff = m.Spread.Phi > 1, l.Decimal(f.NEff, 0)
	d.Gauge = gaugeOf(f)
	if m.Scale.Steps <= maxRows {
		d.Steps = stepsOf(l, m)
		return d
	}
	d.Columns, d.Groups = columnsOf(l, m), groupsOf(l, m)
	return d
}

// stepBar is one step of a scale in a distribution.
type stepBar struct {
	Class string // positive, neutral or negative
	Mood  int    // number of its face, 0: it has none
	Word  string
	Width string // of 100; of a column its height
	Top   string // of a column: what is left of 100 above it
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

// columnsOf returns the distribution, worst step first, the highest column being
// as high as there is room.
func columnsOf(l *i18n.Language, m insight.Moment) []stepBar {
	out := stepsOf(l, m)
	slices.Reverse(out)
	most := float64(max(1, slices.Max(m.Figures.Steps)))
	for i := range out {
		height := 100 * float64(out[i].N) / most
		out[i].Width, out[i].Top = coordinate(height), coordinate(100-height)
	}
	return out
}

// groupBar is what the steps of a scale that mean the same come to.
type groupBar struct {
	Class, Word string
	Mood        int    // number of the face that stands for it
	Steps       string // from the first to the last
	Part        string // of all ratings
	N           int64
}

// groupsOf returns the groups of a scale that have steps, best first.
func groupsOf(l *i18n.Language, m insight.Moment) []groupBar {
	s, t := m.Scale, m.Figures.Tally
	var out []groupBar
	for _, g := range []struct {
		class          string
		mood, from, to int
		n              int64
	}{
		{"positive", 4, s.Positive, s.Lowest + s.Steps - 1, t.Positive},
		{"neutral", 3, s.Negative + 1, s.Positive - 1, t.Neutral},
		{"negative", 2, s.Lowest, s.Negative, t.Negative},
	} {
		if g.from > g.to {
			continue
		}
		steps := l.Int(int64(g.from))
		if g.from < g.to {
			steps = l.Text("interval_short", "low", steps, "high", l.Int(int64(g.to)))
		}
		out = append(out, groupBar{
			Class: g.class, Word: l.Text("group_" + g.class), Mood: g.mood, Steps: steps, N: g.n,
			Part: l.Percent(float64(g.n)/float64(m.Figures.N), 0),
		})
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
func howOf(l *i18n.Language, m insight.Moment, today bool) []string {
	f := m.Figures
	var step []string // a day that is over shows what is stored
	if today {
		step = []string{l.Text("how_step", "step", kpi.MinimumStep)}
	}
	if f.Few {
		return append([]string{l.Text("how_few", "least", kpi.MinimumCell)}, step...)
	}
	n, neff, share := l.Int(f.N), l.Decimal(f.NEff, 1), l.Percent(f.Share, 1)
	return append([]string{
		l.Text("how_share", "x", l.Int(f.Tally.Positive), "n", n, "share", share,
			"from", m.Scale.Step(m.Scale.Positive)+1, "steps", m.Scale.Steps),
		l.Text("how_neff", "n", n, "phi", l.Decimal(m.Spread.Phi, 2), "neff", neff),
		spreadText(l, m.Spread),
		l.Text("how_interval", "neff", neff, "share", share,
			"low", l.Percent(f.Interval.Low, 1), "high", l.Percent(f.Interval.High, 1)),
	}, step...)
}

func spreadText(l *i18n.Language, s insight.Spread) string {
	switch {
	case s.Days > 0:
		return l.Text("how_phi_own", "days", s.Days)
	case s.Others > 0:
		return l.Count("how_phi_median", int64(s.Others))
	}
	return l.Text("how_phi_unknown")
}
