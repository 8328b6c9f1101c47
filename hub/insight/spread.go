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

// factorSet holds the factors of a site's moments that have enough history.
type factorSet struct {
	own    map[feedback.Asked]Spread
	readAt time.Time
}

// median is the middle factor of the organisation.
type median struct {
	Spread
	readAt time.Time
}

// settle gives the moments of a view their factors, from the open days before
// the day and never from the days shown, and then their figures.
func (in *Insight) settle(ctx context.Context, s site.Site, day site.Day, moments []Moment) error {
	f, err := in.factorsOf(ctx, s, day)
	if err != nil {
		return err
	}
	for i := range moments {
		sp, ok := f.own[moments[i].Asked]
		if !ok {
			if sp, err = in.medianFactor(ctx); err != nil {
				return err
			}
		}
		moments[i].settle(sp)
	}
	return nil
}

// medianFactor returns the median factor of all moments that have enough
// history, or 1, from the cache if it is fresh. Reading every site is dear, and
// only a moment without history needs it.
func (in *Insight) medianFactor(ctx context.Context) (Spread, error) {
	now := in.now()
	in.mu.Lock()
	m := in.median
	in.mu.Unlock()
	if !m.readAt.IsZero() && now.Sub(m.readAt).Abs() < factorAge {
		return m.Spread, nil
	}
	sites, err := in.sites(ctx)
	if err != nil {
		return Spread{}, err
	}
	var all []float64
	if err := in.learn(ctx, sites, now); err != nil {
		return Spread{}, err
	}
	for _, s := range sites {
		f, err := in.factorsOf(ctx, s, s.Today(now))
		if err != nil {
			return Spread{}, err
		}
		for _, sp := range f.own {
			all = append(all, sp.Phi)
		}
	}
	m = median{Spread: Spread{Phi: 1}, readAt: now}
	if phi, ok := change.Median(all); ok {
		m.Spread = Spread{Phi: phi, Others: len(all)}
	}
	in.mu.Lock()
	in.median = m
	in.mu.Unlock()
	return m.Spread, nil
}

// factorsOf returns a site's own factors, from the cache if they are fresh.
func (in *Insight) factorsOf(ctx context.Context, s site.Site, day site.Day) (factorSet, error) {
	now := in.now()
	if f, ok := in.fresh(factorKey{s.ID, day}, now); ok {
		return f, nil
	}
	a, err := in.store.Read(ctx, before(s, day))
	if err != nil {
		return factorSet{}, fmt.Errorf("days before: %w", err)
	}
	return in.keep(factorKey{s.ID, day}, a[0], now), nil
}

// learn brings the factors of all sites today into the cache, those that are not
// fresh there by one question to the store.
func (in *Insight) learn(ctx context.Context, sites []site.Site, now time.Time) error {
	var keys []factorKey
	var questions []Question
	for _, s := range sites {
		key := factorKey{s.ID, s.Today(now)}
		if _, ok := in.fresh(key, now); !ok {
			keys, questions = append(keys, key), append(questions, before(s, key.day))
		}
	}
	if len(keys) == 0 {
		return nil
	}
	answers, err := in.store.Read(ctx, questions...)
	if err != nil {
		return fmt.Errorf("days before: %w", err)
	}
	for i, key := range keys {
		in.keep(key, answers[i], now)
	}
	return nil
}

// before asks for the days that tell the factors of a site on a day.
func before(s site.Site, day site.Day) Question {
	return Question{Site: s, Last: day.Add(-1), Days: lookBack}
}

func (in *Insight) fresh(key factorKey, now time.Time) (factorSet, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	f, ok := in.factors[key]
	return f, ok && now.Sub(f.readAt).Abs() < factorAge
}

// keep puts the factors that an answer tells into the cache.
func (in *Insight) keep(key factorKey, a Answer, now time.Time) factorSet {
	f := factorSet{own: make(map[feedback.Asked]Spread), readAt: now}
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
	return f
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
