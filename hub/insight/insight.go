package insight

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"sourire/hub/rollup"
	"sourire/hub/site"
	"sourire/internal/feedback"
)

// ErrUnknownSite says that no site has that id.
var ErrUnknownSite = errors.New("no such site")

// TrendDays is the length of the trend, its last day included.
const TrendDays = 30

// Options of an Insight.
type Options struct {
	// Zone is that of sites which are known from presses only; nil means UTC.
	Zone *time.Location
	Now  func() time.Time // nil means time.Now
}

// Insight answers questions. Its methods may be called from several goroutines.
type Insight struct {
	store Store
	zone  *time.Location
	now   func() time.Time

	mu      sync.Mutex
	zones   map[string]*time.Location // read once: from the disk, maybe
	factors map[factorKey]factorSet   // a cache, as is median
	median  median
}

// New returns a read model over a store.
func New(store Store, o Options) *Insight {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Insight{store: store, zone: o.Zone, now: o.Now, factors: make(map[factorKey]factorSet), zones: make(map[string]*time.Location)}
}

// Configure puts the sites that the settings name into the store, and the zone of
// the others. The days of a site whose zone is another now are summed up anew,
// which takes up to a second for each. Then it reads the clustering factors of all
// sites, so that nobody who asks has to wait for them.
func (in *Insight) Configure(ctx context.Context, sites []site.Site) error {
	if err := in.store.PutZone(ctx, in.zone); err != nil {
		return err
	}
	if err := in.store.PutSites(ctx, sites); err != nil {
		return err
	}
	all, err := in.sites(ctx)
	if err != nil {
		return err
	}
	return in.learn(ctx, all, in.now())
}

// Summary is a site in the overview.
type Summary struct {
	Site    site.Site
	Day     site.Day // today, there
	Moments []Moment // without trend
	Life    Life
	Trouble error // see View.Trouble
}

// Sites returns every site with its figures of today, by name.
func (in *Insight) Sites(ctx context.Context) ([]Summary, error) {
	sites, err := in.sites(ctx)
	if err != nil {
		return nil, err
	}
	kiosks, err := in.store.Kiosks(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("kiosks: %w", err)
	}
	at := make(map[feedback.SiteID][]Kiosk)
	for _, k := range kiosks {
		if k.State.Asked != nil {
			at[k.State.Asked.Site] = append(at[k.State.Asked.Site], k)
		}
	}
	now := in.now()
	if err := in.learn(ctx, sites, now); err != nil {
		return nil, err
	}
	questions := make([]Question, len(sites))
	for i, s := range sites {
		_, questions[i] = ask(s, span{days: 1}, now)
	}
	answers, err := in.store.Read(ctx, questions...)
	if err != nil {
		return nil, fmt.Errorf("roll-ups: %w", err)
	}
	if err := in.moveOn(ctx, sites, questions, answers); err != nil {
		return nil, err
	}
	out := make([]Summary, 0, len(sites))
	for i, s := range sites {
		v, err := in.view(ctx, s, span{days: 1, kiosks: at[s.ID]}, now, &answers[i])
		if err != nil {
			return nil, fmt.Errorf("site %s: %w", s.ID, err)
		}
		out = append(out, Summary{Site: s, Day: v.Day, Moments: v.Moments, Life: v.Life, Trouble: v.Trouble})
	}
	return out, nil
}

// View is a site on one of its days.
type View struct {
	Site    site.Site
	Day     site.Day
	Today   bool // the day is still going on
	Moments []Moment
	Total   rollup.Cell // of all moments; its first step holds all ratings, see hide
	Undated rollup.Cell // presses whose day is not known; the same
	Life    Life
	// Trouble, if not nil, says why the figures could not be moved on: the
	// store refuses writes. What is shown is what was shown before.
	Trouble error
}

// Site returns a site on a day, the zero Day meaning today, with the trend up to
// that day. A day after today is taken for today.
func (in *Insight) Site(ctx context.Context, id feedback.SiteID, day site.Day) (View, error) {
	return in.one(ctx, id, span{day: day, days: TrendDays})
}

// Life returns what moves at once. It also moves the figures on if they may
// move; [Life.Version] then differs.
func (in *Insight) Life(ctx context.Context, id feedback.SiteID) (Life, error) {
	v, err := in.one(ctx, id, span{days: 1, bare: true})
	return v.Life, err
}

func (in *Insight) one(ctx context.Context, id feedback.SiteID, sp span) (View, error) {
	sites, err := in.sites(ctx)
	if err != nil {
		return View{}, err
	}
	i := slices.IndexFunc(sites, func(s site.Site) bool { return s.ID == id })
	if i < 0 {
		return View{}, fmt.Errorf("site %q: %w", id, ErrUnknownSite)
	}
	// Kiosks first: what they say to be stored is then among the cells.
	if sp.kiosks, err = in.store.Kiosks(ctx, id); err != nil {
		return View{}, fmt.Errorf("kiosks: %w", err)
	}
	return in.view(ctx, sites[i], sp, in.now(), nil)
}

// span says what of a site is to be read.
type span struct {
	day    site.Day // the last; zero: today
	days   int
	bare   bool // only life is wanted: no intervals
	kiosks []Kiosk
}

// ask begins a view, and says what to read for it.
func ask(s site.Site, sp span, now time.Time) (View, Question) {
	today := s.Today(now)
	v := View{Site: s, Day: sp.day}
	if v.Day.IsZero() || today.Before(v.Day) {
		v.Day = today
	}
	v.Today = v.Day == today
	q := Question{Site: s, Last: v.Day, Days: sp.days, Undated: sp.days > 1}
	if v.Today {
		q.Shown = v.Day.String()
	}
	return v, q
}

// view makes a view of what is read, or of what was read already for all sites.
func (in *Insight) view(ctx context.Context, s site.Site, sp span, now time.Time, read *Answer) (View, error) {
	v, q := ask(s, sp, now)
	if read == nil {
		answers, err := in.store.Read(ctx, q)
		if err != nil {
			return v, fmt.Errorf("roll-ups: %w", err)
		}
		read = &answers[0]
	}
	a, shown, trouble, err := in.show(ctx, s, q, *read)
	if err != nil {
		return v, err
	}
	v.Trouble = trouble
	v.Life = lifeOf(a, sp.kiosks, now)
	v.Life.Site = s
	v.Life.Stuck = trouble != nil
	v.Life.Version = fmt.Sprintf("%s.%d.%t.%d", v.Day, a.Shown.At, v.Life.Stuck, v.Life.Bad)
	for _, c := range a.Days {
		if c.Day == sp.days-1 {
			v.Life.Stored += c.Cell.Presses
		}
	}
	v.Moments = momentsOf(a, v.Day, sp.days, shown)
	for i := range v.Moments {
		m := &v.Moments[i]
		m.Stuck = m.Stuck && v.Life.Stuck
		v.Total = v.Total.Plus(counts(m.Cell))
	}
	v.Life.Shown = v.Total.Presses
	if sp.bare {
		v.Moments = nil // faces are in them until they are settled
		return v, nil
	}
	if err := in.settle(ctx, s, v.Day, v.Moments); err != nil {
		return v, err
	}
	for _, c := range a.Undated {
		v.Undated = v.Undated.Plus(counts(c.Cell))
	}
	return v, nil
}

// counts returns a cell without its faces.
func counts(c rollup.Cell) rollup.Cell {
	n := c.Ratings()
	clear(c.Steps[:])
	c.Steps[0] = n
	return c
}

// sites returns every site, by name. One that is known from presses only gets
// its id as name and the zone of the options.
func (in *Insight) sites(ctx context.Context) ([]site.Site, error) {
	places, err := in.store.Sites(ctx)
	if err != nil {
		return nil, fmt.Errorf("sites: %w", err)
	}
	out := make([]site.Site, 0, len(places))
	for _, p := range places {
		s := site.Site{ID: p.ID, Name: p.Name, Zone: in.zone}
		if p.Zone == "" {
			s.Name = string(p.ID)
		} else if s.Zone, err = in.location(p); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b site.Site) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

// location returns the zone of a place that has one.
func (in *Insight) location(p Place) (*time.Location, error) {
	in.mu.Lock()
	zone := in.zones[p.Zone]
	in.mu.Unlock()
	if zone != nil {
		return zone, nil
	}
	s, err := site.New(p.ID, p.Name, p.Zone)
	if err != nil {
		return nil, err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.zones[p.Zone] = s.Zone
	return s.Zone, nil
}
