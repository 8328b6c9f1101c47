package insight

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sourire/hub/change"
	"sourire/hub/kpi"
	"sourire/hub/site"
	"sourire/internal/feedback"
)

// lookBack is how many days before a view are searched for open days: 56 of a
// place that opens every other day.
const lookBack = 2 * change.ClusterDays

// Bounds of the cache of clustering factors.
const (
	factorAge  = time.Hour
	maxFactors = 4000 // pairs of site and day
)

type factorKey struct {
	site feedback.SiteID
	day  site.Day
}

// factorSet holds the factors of a site's moments that have enough history, and
// the median over the organisation for those that have not.
type factorSet struct {
	own    map[feedback.Asked]Spread
	median Spread
	readAt time.Time
}

func (f factorSet) spread(asked feedback.Asked) Spread {
	if s, ok := f.own[asked]; ok {
		return s
	}
	return f.median
}

// factorsFor returns the clustering factors of a site, from the open days before
// a day and never from the days shown.
func (in *Insight) factorsFor(ctx context.Context, s site.Site, day site.Day) (factorSet, error) {
	f, err := in.factorsOf(ctx, s, day)
	if err != nil {
		return f, err
	}
	f.median = Spread{Phi: 1}
	sites, err := in.sites(ctx)
	if err != nil {
		return f, err
	}
	var all []float64
	for _, other := range sites {
		o, err := in.factorsOf(ctx, other, other.Today(in.now()))
		if err != nil {
			return f, err
		}
		for _, sp := range o.own {
			all = append(all, sp.Phi)
		}
	}
	if m, ok := change.Median(all); ok {
		f.median = Spread{Phi: m, Others: len(all)}
	}
	return f, nil
}

// factorsOf returns a site's own factors, from the cache if they are fresh.
func (in *Insight) factorsOf(ctx context.Context, s site.Site, day site.Day) (factorSet, error) {
	key := factorKey{s.ID, day}
	now := in.now()
	in.mu.Lock()
	f, ok := in.factors[key]
	in.mu.Unlock()
	if ok && now.Sub(f.readAt).Abs() < factorAge {
		return f, nil
	}
	a, err := in.store.Read(ctx, Question{Site: s.ID, Bounds: s.Bounds(day.Add(-1), lookBack)})
	if err != nil {
		return f, fmt.Errorf("days before: %w", err)
	}
	f = factorSet{own: make(map[feedback.Asked]Spread), readAt: now}
	for asked, days := range daysOf(a) {
		if phi, ok := change.Clustering(days); ok {
			f.own[asked] = Spread{Phi: phi, Days: openDays(days)}
		}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.factors) >= maxFactors {
		clear(in.factors)
	}
	in.factors[key] = f
	return f, nil
}

func daysOf(a Answer) map[feedback.Asked][]change.Day {
	slices.SortFunc(a.Days, func(x, y DayCell) int { return x.Day - y.Day })
	out := make(map[feedback.Asked][]change.Day)
	for _, c := range a.Days {
		scale, err := feedback.ParseScale(string(c.Asked.Scale))
		if err != nil {
			continue
		}
		t := kpi.TallyOf(scale, c.Cell)
		out[c.Asked] = append(out[c.Asked], change.Day{X: t.Positive, N: t.N()})
	}
	return out
}

func openDays(days []change.Day) int {
	n := 0
	for _, d := range days {
		if d.N > 0 {
			n++
		}
	}
	return min(n, change.ClusterDays)
}
