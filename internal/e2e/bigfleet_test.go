package e2e

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	hubfleet "sourire/hub/fleet"
	"sourire/hub/ingest"
	"sourire/hub/insight"
	"sourire/hub/site"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	"sourire/internal/wire"
)

// bigFleet is a chain of sites whose visitors press for years in minutes. What
// they press goes through a real ingester, as batches of journals that kiosks
// would make, each stored by the clock of the day after; which face, when and
// how often comes from a seed.
type bigFleet struct {
	sites     []site.Site
	terminals []*terminal
	first     site.Day // of the fleet
	days      int
	end       time.Time // nothing is pressed later
	per       float64   // presses a day for a weight of 1
	made      int64     // presses so far
}

// terminal is a kiosk of the chain and its journal.
type terminal struct {
	id          feedback.KioskID
	site        site.Site
	asked       feedback.Asked
	scale       feedback.Scale
	since       int // first day
	open, close int // hours of the local day
	sundays     bool
	weight      float64
	rng         *rand.Rand

	boot     feedback.Boot
	bootedAt time.Time
	survey   int // changes every year
	made     feedback.Seq
	hash     feedback.Hash
	records  [][]byte // not sent yet
	presses  int64
}

// bigZones have summer time in either half of the year, none, and offsets of
// three quarters of an hour.
var bigZones = []string{
	"Europe/Paris", "Europe/London", "America/New_York", "Europe/Paris", "America/Sao_Paulo",
	"Asia/Kathmandu", "Australia/Sydney", "Europe/Athens", "Pacific/Chatham", "America/Phoenix",
}

var bigScales = []feedback.ScaleID{"smiley4", "smiley3", "smiley4", "nps", "smiley5", "csat10", "smiley4"}

// bigHours is how many presses each hour of the day gets, of an equal share of 1.
var bigHours = [24]float64{
	.1, .1, .1, .1, .1, .3, .5, .8, 1, 1, 1.1, 1.4, 1.8, 1.5, 1, 1, 1.2, 1.7, 1.9, 1.4, 1, .7, .5, .3,
}

// The year of the last day is one in which all zones of the fleet are known.
var bigEnd = time.Date(2026, 11, 20, 15, 0, 0, 0, time.UTC)

// newBigFleet makes a chain that will press about so often in so many days.
func newBigFleet(t testing.TB, sites, days int, presses int64) *bigFleet {
	t.Helper()
	f := &bigFleet{days: days, end: bigEnd}
	rng := rand.New(rand.NewPCG(7, 7))
	sum := 0.0
	for i := range sites {
		id := feedback.SiteID(fmt.Sprintf("site-%03d", i))
		s, err := site.New(id, fmt.Sprintf("Store %03d", i), bigZones[i%len(bigZones)])
		if err != nil {
			t.Fatal(err)
		}
		f.sites = append(f.sites, s)
		open := []int{6, 7, 8, 9, 10}[rng.IntN(5)]
		for j := range 1 + i%3 {
			k := &terminal{
				id: feedback.KioskID(fmt.Sprintf("k%03d-%d", i, j)), site: s, open: open, close: open + 8 + rng.IntN(6),
				sundays: i%3 != 0, weight: .3 + rng.ExpFloat64(), rng: rand.New(rand.NewPCG(uint64(i), uint64(j))),
			}
			k.asked = feedback.Asked{Site: id, Touchpoint: feedback.TouchpointID([]string{"exit", "till", "toilet"}[j]), Scale: bigScales[(i+j)%len(bigScales)]}
			if k.scale, err = feedback.ParseScale(string(k.asked.Scale)); err != nil {
				t.Fatal(err)
			}
			if i == sites-1 {
				k.since = max(0, days-9) // has no history yet
			}
			sum += k.weight
			f.terminals = append(f.terminals, k)
		}
	}
	f.first = site.Site{Zone: time.UTC}.Today(f.end).Add(1 - days)
	f.per = float64(presses) / sum / float64(days)
	return f
}

// day makes what is pressed on a day, by the clock of each site, and returns it as
// full batches, as far as journals fill them; all of it on the last day.
func (f *bigFleet) day(n int) []ingest.Batch {
	day := f.first.Add(n)
	var out []ingest.Batch
	for _, k := range f.terminals {
		if n < k.since {
			continue
		}
		k.press(day, n-k.since, f.per, f.end)
		for len(k.records) >= wire.MaxRecords || n == f.days-1 && len(k.records) > 0 {
			out = append(out, k.batch())
		}
		f.made, k.presses = f.made+k.presses, 0
	}
	return out
}

// press makes the records of a day.
func (k *terminal) press(day site.Day, n int, per float64, end time.Time) {
	midnight := time.Date(day.Year, day.Month, day.Day, 0, 0, 0, 0, k.site.Zone)
	if midnight.After(end) {
		return
	}
	if n%30 == 0 {
		k.boot++
		k.bootedAt = midnight
		if k.boot == 1 {
			k.record(midnight, feedback.EpochBegan{Why: "new"})
		} else {
			k.record(midnight, feedback.BootBegan{Version: "1.0.0"})
		}
		k.record(midnight, feedback.ClockFix{Boot: k.boot, Offset: k.bootedAt.UnixMilli(), Uncertainty: 5, Source: "system"})
	}
	if survey := 1 + n/365; survey != k.survey {
		k.survey = survey
		k.asked.Survey = feedback.SurveyID(fmt.Sprintf("visit-%d", survey))
		k.record(midnight, feedback.PlanApplied{Plan: feedback.NewPlanID([]byte(k.asked.Survey)), Asked: k.asked})
	}
	if !k.sundays && midnight.Weekday() == time.Sunday {
		return
	}
	mood := .25 + k.rng.Float64() // days resemble themselves
	for _, at := range k.instants(midnight, per) {
		if at.After(end) {
			break
		}
		step := int(float64(k.scale.Steps) * (1 - pow(k.rng.Float64(), 1/mood)))
		k.record(at, feedback.Press{Rating: k.scale.Lowest + min(step, k.scale.Steps-1), Held: 40 + k.rng.Int64N(200)})
		k.presses++
	}
}

// pow is x to the power of 1/y for y of 1 or 2, near enough for moods.
func pow(x, y float64) float64 {
	if y > 1.5 {
		return x * x
	}
	return x
}

// instants are those at which a visitor presses on a day, in order.
func (k *terminal) instants(midnight time.Time, per float64) []time.Time {
	total := 0.0
	for h := k.open; h < k.close; h++ {
		total += bigHours[h%24]
	}
	busy := 1.0
	if d := midnight.Weekday(); d == time.Saturday || d == time.Friday {
		busy = 1.4
	}
	var out []time.Time
	for h := k.open; h < k.close; h++ {
		want := per * k.weight * busy * bigHours[h%24] / total
		n := int(want + k.rng.Float64())
		for range n {
			out = append(out, midnight.Add(time.Duration(h)*time.Hour+time.Duration(k.rng.Int64N(3_600_000))*time.Millisecond))
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return out
}

func (k *terminal) record(at time.Time, fact feedback.Fact) {
	k.records = append(k.records, wire.AppendRecord(nil, feedback.Record{
		Stamp: feedback.Stamp{Boot: k.boot, Since: at.Sub(k.bootedAt).Milliseconds()}, Fact: fact,
	}))
}

// batch takes the next records of the journal.
func (k *terminal) batch() ingest.Batch {
	n := min(len(k.records), wire.MaxRecords)
	b := ingest.Batch{Kiosk: k.id, Batch: wire.Batch{
		V: wire.Version, Re: wire.Re{Nonce: "big", Number: int64(k.made)}, Epoch: 1, First: k.made + 1, Before: k.hash, Oldest: 1,
	}}
	for _, r := range k.records[:n] {
		b.Records = append(b.Records, r)
		k.hash = k.hash.Next(r)
	}
	k.made += feedback.Seq(n)
	b.Next = k.made + 1
	k.records = k.records[n:]
	return b
}

// bigStore is a store of the hub as the fleet needs it.
type bigStore interface {
	insight.Store
	ingest.Store
	hubfleet.Store
	verify.Store
	TakeOver(ctx context.Context) (int64, error)
}

// bigGroup is how many records go into a transaction, as in a busy hub.
const bigGroup = 5000

// fill lets the whole fleet press into a store and returns the ingester. progress,
// if not nil, hears of each day.
func (f *bigFleet) fill(ctx context.Context, s bigStore, clock *bigClock, progress func(day int, presses int64)) (*ingest.Ingester, error) {
	if err := insight.New(s, insight.Options{}).Configure(ctx, f.sites); err != nil {
		return nil, err
	}
	term, err := s.TakeOver(ctx)
	if err != nil {
		return nil, err
	}
	g := ingest.New(s, ingest.Options{StoreID: "big", Term: term, Now: clock.now})
	type made struct {
		batches []ingest.Batch
		presses int64
	}
	days := make(chan made, 2) // so that one core makes what the other stores
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer close(days)
		for n := range f.days {
			m := made{f.day(n), f.made}
			select {
			case days <- m:
			case <-ctx.Done():
				return
			}
		}
	}()
	n := 0
	for m := range days {
		// Half a day later, for it is a day later in the east than in the west.
		clock.set(time.Date(f.first.Year, f.first.Month, f.first.Day, 36, 0, 0, 0, time.UTC).AddDate(0, 0, n), f.end)
		for group := range groupsOf(m.batches) {
			if err := bigIngest(ctx, g, group); err != nil {
				return nil, fmt.Errorf("day %d: %w", n, err)
			}
		}
		n++
		if progress != nil {
			progress(n, m.presses)
		}
	}
	return g, f.sight(ctx, s)
}

// groupsOf splits batches into transactions.
func groupsOf(batches []ingest.Batch) func(yield func([]ingest.Batch) bool) {
	return func(yield func([]ingest.Batch) bool) {
		begin, records := 0, 0
		for i, b := range batches {
			if records += len(b.Records); records >= bigGroup || i == len(batches)-1 {
				if !yield(batches[begin : i+1]) {
					return
				}
				begin, records = i+1, 0
			}
		}
	}
}

func bigIngest(ctx context.Context, g *ingest.Ingester, batches []ingest.Batch) error {
	for i, o := range g.Ingest(ctx, batches) {
		if b := batches[i]; o.Err != nil || o.Ack.Refused != "" || o.Ack.Through != b.Last() || o.Bad > 0 {
			return fmt.Errorf("%s, records %d to %d: stored through %d, %d bad, refused %q: %w", b.Kiosk, b.First, b.Last(), o.Ack.Through, o.Bad, o.Ack.Why,
				cmp.Or(o.Err, context.Canceled))
		}
	}
	return nil
}

// sight lets every kiosk say how it is.
func (f *bigFleet) sight(ctx context.Context, s bigStore) error {
	var seen []hubfleet.Sighting
	for _, k := range f.terminals {
		seen = append(seen, hubfleet.Sighting{
			Kiosk: k.id, Session: 1, Online: true, Version: "1.0.0", Epoch: 1, Next: k.made + 1, HeardAt: f.end, LastAt: f.end,
		})
	}
	return s.PutSightings(ctx, seen)
}
