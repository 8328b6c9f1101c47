package insight

import (
	"cmp"
	"slices"

	"sourire/hub/kpi"
	"sourire/hub/rollup"
	"sourire/hub/site"
	"sourire/internal/feedback"
)

// Moment is one question at one touchpoint: what figures are about.
type Moment struct {
	Asked feedback.Asked
	Scale feedback.Scale
	// Cell is what the figures of the day come from. It adds up:
	// Presses = Ratings() + Repeats() + AsidePresses. It tells no faces: all
	// ratings are in its first step, and Figures says which they were if that
	// may be shown.
	Cell rollup.Cell
	// Stuck reports that the figures should have moved and could not.
	Stuck   bool
	Figures Figures // of the day
	Spread  Spread
	Trend   []Point // one for each day, oldest first; empty in overviews
}

// Point is a day of a trend.
type Point struct {
	Day     site.Day
	Cell    rollup.Cell
	Figures Figures
}

// Figures are the scores of a cell. With Few set there are too few ratings: N
// says how many, everything else is empty.
type Figures struct {
	N        int64
	Few      bool
	Steps    []int64 // ratings by step of the scale, worst first
	Tally    kpi.Tally
	Share    float64 // positive ÷ N
	NEff     float64 // N ÷ φ
	Interval kpi.Interval
}

// Spread is the clustering factor of a moment, and where it comes from.
type Spread struct {
	Phi float64 // at least 1
	// Days is the number of the moment's own open days behind Phi; 0 when
	// there were too few. Others is then the number of moments of the whole
	// organisation whose median it is; 0: nothing is known yet and Phi is 1.
	Days, Others int
}

// figures returns the scores of a cell under a clustering factor.
func figures(s feedback.Scale, c rollup.Cell, phi float64) Figures {
	f := Figures{N: c.Ratings()}
	share, ok := kpi.TallyOf(s, c).Share()
	if !ok || !kpi.Enough(f.N) {
		f.Few = true
		return f
	}
	f.Steps = slices.Clone(c.Steps[:s.Steps])
	f.Tally = kpi.TallyOf(s, c)
	f.Share = share
	f.NEff = kpi.Effective(f.N, phi)
	f.Interval = kpi.Wilson(share, f.NEff)
	return f
}

// settle computes the figures of a moment from its cells and hides their faces.
func (m *Moment) settle(sp Spread) {
	m.Spread = sp
	m.Figures = figures(m.Scale, m.Cell, m.Spread.Phi)
	hide(&m.Cell)
	for i := range m.Trend {
		p := &m.Trend[i]
		p.Figures = figures(m.Scale, p.Cell, m.Spread.Phi)
		hide(&p.Cell)
	}
}

// hide leaves of the faces of a cell only how many there were: whoever shows a
// moment finds faces in its Figures or nowhere.
func hide(c *rollup.Cell) { *c = counts(*c) }

// momentsOf sorts the cells of an answer into moments. shown are the cells to
// show for the last day, if it is still going on; nil: as they are stored. Stuck
// says there which could move on.
func momentsOf(a Answer, last site.Day, days int, shown map[feedback.Asked]rollup.Cell) []Moment {
	var out []Moment
	place := make(map[feedback.Asked]int)
	at := func(asked feedback.Asked) *Moment {
		i, ok := place[asked]
		if !ok {
			scale, err := feedback.ParseScale(string(asked.Scale))
			if err != nil {
				return nil // of a newer program: nothing here can read it
			}
			i = len(out)
			place[asked] = i
			out = append(out, Moment{Asked: asked, Scale: scale})
			if days > 1 {
				out[i].Trend = make([]Point, days)
			}
		}
		return &out[i]
	}
	put := func(asked feedback.Asked, day int, c rollup.Cell) {
		m := at(asked)
		if m == nil {
			return
		}
		if day == days-1 {
			m.Cell = c
		}
		if days > 1 {
			m.Trend[day].Cell = c
		}
	}
	for _, c := range a.Days {
		if c.Day != days-1 || shown == nil {
			put(c.Asked, c.Day, c.Cell)
			continue
		}
		// Asked today, if only in what is not shown yet.
		if m := at(c.Asked); m != nil {
			was := shown[c.Asked]
			m.Stuck = was != c.Cell && mayMove(was, c.Cell)
		}
	}
	for asked, c := range shown {
		put(asked, days-1, c)
	}
	for i := range out {
		for d := range out[i].Trend {
			out[i].Trend[d].Day = last.Add(d - days + 1)
		}
	}
	slices.SortFunc(out, func(a, b Moment) int {
		return cmp.Or(cmp.Compare(a.Asked.Touchpoint, b.Asked.Touchpoint),
			cmp.Compare(a.Asked.Survey, b.Asked.Survey), cmp.Compare(a.Asked.Scale, b.Asked.Scale))
	})
	return out
}
