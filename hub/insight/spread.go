package insight

import (
	"context"
	"fmt"
	"maps"
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

// Bounds of the cache of clustering factors. Those of 200 sites take 150 ms to
// read and an overview 10: so they are read at the start of a hub ([Insight.Configure])
// and then renewed a few sites at a time, over some minutes, and not all at once
// whenever an hour or a day is over.
const (
	factorAge  = time.Hour
	maxFactors = 20_000 // pairs of site and day
	// renewals is how many sites' old factors an overview reads again; the others
	// are good for another reprieve, unless they are older than oldFactor.
	renewals  = 2
	reprieve  = 10 * time.Second
	oldFactor = 26 * time.Hour
)

type factorKey struct {
	site feedback.SiteID
	day  site.Day
}

// factorSet holds the factors of a site's moments that have enough history.
type factorSet struct {
	own    map[feedback.Asked]Spread
	readAt time.Time
	until  time.Time // to be read again from then on
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

// learn brings the factors of all sites today into the cache by one question to
// the store: those that are not there, and a few of those that are to be renewed.
func (in *Insight) learn(ctx context.Context, sites []site.Site, now time.Time) error {
	keys := in.outdated(sites, now)
	if len(keys) == 0 {
		return nil
	}
	zones := make(map[feedback.SiteID]site.Site, len(sites))
	for _, s := range sites {
		zones[s.ID] = s
	}
	questions := make([]Question, len(keys))
	for i, key := range keys {
		questions[i] = before(zones[key.site], key.day)
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

// outdated returns which factors of sites today are to be read now. Those that are
// to be renewed later, or still stand for the day before, are made to last until
// then.
func (in *Insight) outdated(sites []site.Site, now time.Time) []factorKey {
	in.mu.Lock()
	defer in.mu.Unlock()
	var missing, old []factorKey
	for _, s := range sites {
		key := factorKey{s.ID, s.Today(now)}
		f, ok := in.factors[key]
		if !ok {
			f, ok = in.factors[factorKey{s.ID, key.day.Add(-1)}]
			f.until = time.Time{}
		}
		switch {
		case !ok, now.Sub(f.readAt).Abs() > oldFactor:
			missing = append(missing, key)
		case !f.fresh(now):
			f.until = now.Add(reprieve)
			in.factors[key] = f
			old = append(old, key)
		}
	}
	if len(missing) > 0 {
		return missing
	}
	slices.SortFunc(old, func(a, b factorKey) int { return in.factors[a].readAt.Compare(in.factors[b].readAt) })
	return old[:min(renewals, len(old))]
}

// fresh reports whether factors need not be read again. Clocks are also set back.
func (f factorSet) fresh(now time.Time) bool {
	left := f.until.Sub(now)
	return left > 0 && left <= factorAge
}

// before asks for the days that tell the factors of a site on a day.
func before(s site.Site, day site.Day) Question {
	return Question{Site: s, Last: day.Add(-1), Days: lookBack}
}

func (in *Insight) fresh(key factorKey, now time.Time) (factorSet, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	f, ok := in.factors[key]
	return f, ok && f.fresh(now)
}

// keep puts the factors that an answer tells into the cache.
func (in *Insight) keep(key factorKey, a Answer, now time.Time) factorSet {
	f := factorSet{own: make(map[feedback.Asked]Spread), readAt: now, until: now.Add(factorAge)}
	for asked, days := range daysOf(a) {
		if phi, ok := change.Clustering(days); ok {
			f.own[asked] = Spread{Phi: phi, Days: openDays(days)}
		}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.factors) >= maxFactors {
		in.forget(now)
	}
	in.factors[key] = f
	return f
}

// forget makes room: pages of the past are dropped first, for overviews need today
// everywhere.
func (in *Insight) forget(now time.Time) {
	today := site.Site{Zone: time.UTC}.Today(now).Add(-1) // or tomorrow, somewhere
	maps.DeleteFunc(in.factors, func(k factorKey, _ factorSet) bool { return k.day.Before(today) })
	if len(in.factors) >= maxFactors {
		clear(in.factors)
	}
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
