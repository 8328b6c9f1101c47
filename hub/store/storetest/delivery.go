package storetest

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sourire/hub/ingest"
	"sourire/hub/rollup"
	"sourire/hub/site"
	"sourire/hub/upkeep"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	"sourire/internal/visit"
	"sourire/internal/wire"
)

// Delivery holds a store to this: any split of the same records into batches, in
// any order of kiosks and epochs, with any repetition, holes and questions, with
// the ingester's cache lost and the store opened anew at any time, gives the
// visits, roll-ups and marks of one single delivery. And it proves itself: a
// store that counts wrongly must be found out.
func Delivery(t *testing.T, create func(t *testing.T) Database) {
	t.Run("any delivery", func(t *testing.T) {
		p := newPlayer(t, create)
		rapid.Check(t, func(rt *rapid.T) {
			if p.plays == playsEach { // all is read after each play
				p.verify()
				p = newPlayer(t, create)
			}
			if err := p.play(scenarios().Draw(rt, "scenario")); err != nil {
				rt.Fatal(err)
			}
		})
		p.verify()
	})
	broken := []struct {
		name string
		wrap func(ingest.Store) ingest.Store
	}{
		{"a blind increment is found", func(s ingest.Store) ingest.Store { return blind{s} }},
		{"roll-ups added again are found", func(s ingest.Store) ingest.Store { return &again{Store: s} }},
		{"a forgotten redating is found", func(s ingest.Store) ingest.Store { return forgetful{s} }},
	}
	for _, b := range broken {
		t.Run(b.name, func(t *testing.T) {
			p := newPlayer(t, create)
			p.wrap, p.unmended = b.wrap, true
			const plays = 40
			for seed := range plays {
				if p.play(scenarios().Example(seed)) != nil {
					return
				}
			}
			t.Errorf("%d plays found nothing", plays)
		})
	}
}

// playsEach is how many scenarios are played on one pair of databases.
const playsEach = 10

// blind adds what a visit is to the roll-ups and leaves what it was.
type blind struct{ ingest.Store }

func (s blind) Apply(ctx context.Context, term int64, changes []ingest.Change) ([]error, error) {
	for i := range changes {
		cells := make(rollup.Delta)
		for _, v := range changes[i].Visits {
			cells.Add(visit.Change{After: v.After})
		}
		changes[i].Cells = cells
	}
	return s.Store.Apply(ctx, term, changes)
}

// again adds the roll-ups of a change once more with the next one of its journal.
type again struct {
	ingest.Store
	last map[ingest.Key]rollup.Delta
}

func (s *again) Apply(ctx context.Context, term int64, changes []ingest.Change) ([]error, error) {
	if s.last == nil {
		s.last = make(map[ingest.Key]rollup.Delta)
	}
	for i, c := range changes {
		cells := maps.Clone(c.Cells)
		if cells == nil {
			cells = make(rollup.Delta)
		}
		cells.Merge(s.last[c.Key])
		s.last[c.Key] = c.Cells
		changes[i].Cells = cells
	}
	return s.Store.Apply(ctx, term, changes)
}

// forgetful knows no stored visits of a boot.
type forgetful struct{ ingest.Store }

func (forgetful) VisitsOfBoots(context.Context, ingest.Key, []feedback.Boot) ([]visit.Visit, error) {
	return nil, nil
}

// player plays scenarios over two databases: piece by piece into one, in one
// delivery into the other.
type player struct {
	t           *testing.T
	split       Database
	store, once IngestStore
	term        int64
	single      *ingest.Ingester
	wrap        func(ingest.Store) ingest.Store
	plays       int
	old         int    // see scenario.Old
	zone        string // of the site of this play, in the first database
	unmended    bool   // no rebuild, which would mend what a broken store did
	versions    int
	now         time.Time // of the first hub
	retained    retained  // by it, in this play
}

func newPlayer(t *testing.T, create func(t *testing.T) Database) *player {
	t.Helper()
	p := &player{t: t, split: create(t), wrap: func(s ingest.Store) ingest.Store { return s }}
	p.store, p.once = p.split.Open(t), create(t).Open(t)
	t.Cleanup(func() {
		for _, s := range []IngestStore{p.store, p.once} {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	var err error
	if p.term, err = p.store.TakeOver(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.single, p.now = Ingester(t, p.once, noon), noon()
	return p
}

func noon() time.Time { return time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC) }

// play plays a scenario and says how the two databases differ.
func (p *player) play(s scenario) error {
	p.plays++
	devices := s.devices(p.plays)
	for _, d := range devices {
		if o := p.single.Ingest(p.t.Context(), []ingest.Batch{d.batch(1, d.last())})[0]; o.Err != nil || o.Ack.Through != d.last() {
			return fmt.Errorf("in one delivery: got %+v", o)
		}
	}
	through := make([]feedback.Seq, len(devices))
	p.old, p.zone, p.retained = s.Old, "UTC", retained{site: feedback.SiteID(fmt.Sprintf("s%d", p.plays))}
	g := p.ingester()
	for _, st := range s.Steps {
		var batches []ingest.Batch
		for _, m := range st.Moves {
			batches = append(batches, m.batch(devices[m.Epoch], through[m.Epoch]))
		}
		if err := settle(g.Ingest(p.t.Context(), batches), st, through); err != nil {
			return err
		}
		switch st.Then {
		case cacheLost:
			g = p.ingester()
		case reopened:
			if err := p.store.Close(); err != nil {
				return err
			}
			p.store = p.split.Open(p.t)
			g = p.ingester()
		case upgraded:
			if p.old == 0 {
				continue
			}
			var err error
			if g, err = p.upgrade(devices); err != nil {
				return err
			}
		case rezoned:
			p.zone = zones()[st.Zone]
			id := feedback.SiteID(fmt.Sprintf("s%d", p.plays))
			if err := p.store.PutSites(p.t.Context(), []site.Site{{ID: id, Name: "n", Zone: mustZone(p.t, p.zone)}}); err != nil {
				return err
			}
		case packed:
			if _, err := Pack(p.t.Context(), p.store, p.term, 1+p.plays%7); err != nil {
				return err
			}
		case rebuilt:
			if p.unmended {
				continue
			}
			if err := p.rebuild(g, devices, through); err != nil {
				return err
			}
		case aged:
			if err := p.age(g, st.Zone, devices, through); err != nil {
				return err
			}
		}
	}
	for i, d := range devices {
		if through[i] == d.last() {
			continue
		}
		if o := g.Ingest(p.t.Context(), []ingest.Batch{d.batch(through[i]+1, d.last())})[0]; o.Err != nil || o.Ack.Through != d.last() {
			return fmt.Errorf("the rest of %v from %d: got %+v", d.key(), through[i]+1, o)
		}
	}
	if p.old > 0 { // else a replay would mend what a broken store did
		if _, err := p.upgrade(devices); err != nil {
			return err
		}
	}
	if err := p.compare(devices); err != nil {
		return err
	}
	// And once more with all of it packed.
	if _, err := Pack(p.t.Context(), p.store, p.term, 1+p.plays%50); err != nil {
		return err
	}
	if err := p.hashes(devices); err != nil {
		return err
	}
	return p.compare(devices)
}

// Pack packs everything, as if it were old, into stretches of so many records. It
// returns how many there are in them.
func Pack(ctx context.Context, s ingest.Packs, term int64, records int) (packed int, err error) {
	for at, first := (ingest.Place{}), true; first || at != (ingest.Place{}); first = false {
		var n int
		at, n, err = s.Pack(ctx, term, at, ingest.Packing{Before: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC), Records: records})
		if err != nil {
			return packed, fmt.Errorf("pack: %w", err)
		}
		packed += n
	}
	return packed, nil
}

// hashes asks for the hash after each record that is kept, or in most plays after
// some, and for some that are not.
func (p *player) hashes(devices []*device) error {
	stride := feedback.Seq(7)
	if p.plays == 1 {
		stride = 1
	}
	for _, d := range devices {
		floor, err := p.floor(d.key())
		if err != nil {
			return err
		}
		for seq := feedback.Seq(0); seq <= d.last()+1; seq += stride {
			got, known, err := p.store.HashAt(p.t.Context(), d.key(), seq)
			want := seq == 0 || seq >= floor && seq <= d.last()
			if err != nil {
				return fmt.Errorf("%v: hash after record %d: %w", d.key(), seq, err)
			}
			if known != want || known && got != d.hashes[seq] {
				return fmt.Errorf("%v: got hash %v, %v after record %d of %d, of which %d were deleted", d.key(), got, known, seq, d.last(), floor)
			}
		}
	}
	return nil
}

// floor returns the last record of a journal that was deleted, or 0.
func (p *player) floor(key ingest.Key) (floor feedback.Seq, err error) {
	err = p.store.Snapshot(p.t.Context(), func(r verify.Reader) error {
		return r.Rows(p.t.Context(), key, func(row ingest.Row) error {
			if row.State != nil {
				floor = row.Seq
			}
			return nil
		})
	})
	return floor, err
}

// rebuild derives everything anew. Between the recount and what comes of it, every
// device sends a little more.
func (p *player) rebuild(g *ingest.Ingester, devices []*device, through []feedback.Seq) error {
	p.versions++
	var failed error
	_, err := g.Rebuild(p.t.Context(), &meddling{Rebuilds: p.store, meddle: func() {
		var batches []ingest.Batch
		var st step
		for i, d := range devices {
			m := move{Epoch: i, Len: 5}
			batches, st.Moves = append(batches, m.batch(d, through[i])), append(st.Moves, m)
		}
		failed = settle(g.Ingest(p.t.Context(), batches), st, through)
	}}, fmt.Sprint("v", p.versions), nil)
	return errors.Join(err, failed)
}

// age lets days pass and deletes what is kept no longer, by periods that are shorter
// than any that settings may say. Then every device sends all of it once more.
func (p *player) age(g *ingest.Ingester, how int, devices []*device, through []feedback.Seq) error {
	p.now = p.now.Add(time.Duration(how) * oneDay)
	version := fmt.Sprint("v", p.versions)
	if p.old > 0 {
		version = "older" // what the hub cannot read yet is not deleted before an upgrade has tried
	}
	_, err := p.retained.run(p.t.Context(), p.store, upkeep.Options{
		Term: p.term, Version: version, Now: func() time.Time { return p.now },
		Keep: upkeep.Keep{Comments: upkeep.Days(1), Records: upkeep.Days(1), Quarters: upkeep.Days(2 + how), Days: upkeep.Days(5 + how)},
	}, mustZone(p.t, p.zone))
	if err != nil {
		return err
	}
	for i, d := range devices {
		o := g.Ingest(p.t.Context(), []ingest.Batch{d.batch(1, through[i])})[0]
		if o.Err != nil || o.Ack.Refused != "" || o.Ack.Through != through[i] || o.Stored+o.Bad+len(o.Sites) != 0 {
			return fmt.Errorf("%v again up to %d, after retention: got %+v", d.key(), through[i], o)
		}
	}
	return nil
}

func (p *player) ingester() *ingest.Ingester {
	return ingest.New(p.wrap(p.store), ingest.Options{StoreID: "store", Term: p.term, Now: func() time.Time { return p.now }, Decode: older(p.old)})
}

// upgrade replaces the hub by one that can read every record, and lets it read
// again what the one before could not.
func (p *player) upgrade(devices []*device) (*ingest.Ingester, error) {
	p.old = 0
	g := p.ingester()
	p.versions++
	version := fmt.Sprint("v", p.versions)
	outdated, err := p.store.Outdated(p.t.Context(), visit.Rule, version)
	if err != nil {
		return nil, err
	}
	for _, d := range devices {
		if !slices.Contains(outdated, d.key()) {
			continue
		}
		if _, err := g.Replay(p.t.Context(), p.store, d.key(), version); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// older decodes records as a hub did that could not read every n-th or so; with
// 0 it is today's.
func older(n int) func([]byte) (feedback.Record, error) {
	return func(body []byte) (feedback.Record, error) {
		if n > 0 && crc32.ChecksumIEEE(body)%uint32(n) == 0 {
			return feedback.Record{}, errors.New("an older hub cannot read this")
		}
		return wire.DecodeRecord(body)
	}
}

// batch makes the batch of a move from what is answered so far.
func (m move) batch(d *device, through feedback.Seq) ingest.Batch {
	from, length, last := feedback.Seq(m.From), feedback.Seq(m.Len), d.last()
	first := min(through+1, last)
	switch m.Kind {
	case moveRepeat:
		first = 1 + from%max(1, through)
		length = min(length, max(1, through-first+1))
	case moveOverlap:
		first = max(1, first-from%20)
		length += 20
	case moveHole:
		first = min(last, first+1+from%20)
	case moveQuestion:
		first = 1 + from%(last+1)
		return d.batch(first, first-1)
	}
	return d.batch(first, min(last, first+length-1))
}

// settle checks the answers of a step and notes what they say.
func settle(out []ingest.Outcome, st step, through []feedback.Seq) error {
	for i, o := range out {
		m := st.Moves[i]
		if o.Err != nil || o.Ack.Refused != "" || o.Ack.Through < through[m.Epoch] {
			return fmt.Errorf("%+v after %d: got %+v", m, through[m.Epoch], o)
		}
		through[m.Epoch] = o.Ack.Through
	}
	return nil
}

// kept is what a store keeps of a play.
type kept struct {
	visits map[ingest.Key]map[feedback.Seq]visit.Visit
	marks  map[ingest.Key]string
	cells  rollup.Delta
	days   rollup.Days
}

func (p *player) compare(devices []*device) error {
	split, err := p.read(p.store, devices)
	if err != nil {
		return err
	}
	once, err := p.read(p.once, devices)
	if err != nil {
		return err
	}
	zone := mustZone(p.t, p.zone)
	cells, all := p.retained.cells(), make(rollup.Delta)
	days, utc := p.retained.days(zone), make(rollup.Days)
	for _, d := range devices {
		want := foldOf(p.t, d, d.last(), nil)
		k := d.key()
		switch {
		case !maps.Equal(once.visits[k], want.visits):
			return fmt.Errorf("%v: in one delivery got visits %+v, the fold gives %+v", k, once.visits[k], want.visits)
		case p.retained.differs(k, split.visits[k], once.visits[k]) != "":
			return errors.New(p.retained.differs(k, split.visits[k], once.visits[k]))
		case split.marks[k] != once.marks[k] || split.marks[k] == "":
			return fmt.Errorf("%v: got mark %s, in one delivery %s", k, split.marks[k], once.marks[k])
		}
		for seq, v := range want.visits {
			count(all, v)
			countDay(utc, v, time.UTC)
			if _, gone := p.retained.visits[k][seq]; !gone {
				count(cells, v)
				countDay(days, v, zone)
			}
		}
	}
	if !maps.Equal(once.days, utc) {
		return fmt.Errorf("in one delivery got days %+v, a recount gives %+v", once.days, utc)
	}
	if !maps.Equal(split.days, days) {
		return fmt.Errorf("in %s got days %+v, a recount gives %+v", p.zone, split.days, days)
	}
	if !maps.Equal(once.cells, all) {
		return fmt.Errorf("in one delivery got roll-ups %+v, a recount gives %+v", once.cells, all)
	}
	if !maps.Equal(split.cells, cells) {
		return fmt.Errorf("got roll-ups %+v, a recount gives %+v", split.cells, cells)
	}
	return nil
}

// read reads what a store keeps of a play's devices and of its site.
func (p *player) read(s IngestStore, devices []*device) (kept, error) {
	out := kept{
		visits: make(map[ingest.Key]map[feedback.Seq]visit.Visit), marks: make(map[ingest.Key]string), cells: make(rollup.Delta),
	}
	ctx := p.t.Context()
	at := feedback.SiteID(fmt.Sprintf("s%d", p.plays))
	err := s.Snapshot(ctx, func(r verify.Reader) error {
		sources, err := r.Sources(ctx)
		if err != nil {
			return err
		}
		for _, d := range devices {
			gaps, err := r.Gaps(ctx, d.key())
			if err != nil {
				return err
			}
			for _, src := range sources {
				if src.Key == d.key() {
					out.marks[d.key()] = fmt.Sprintf("%v heard %d closed %v gaps %v state %s",
						src.Mark.Point, src.Mark.Heard, src.Closed, gaps, stateOf(p.t, src.Mark.State))
				}
			}
			visits, err := r.Visits(ctx, d.key())
			if err != nil {
				return err
			}
			of := make(map[feedback.Seq]visit.Visit)
			for _, v := range visits {
				of[v.Seq] = v
			}
			out.visits[d.key()] = of
		}
		cells, err := r.Cells(ctx)
		for k, c := range cells {
			if k.Asked.Site == at {
				out.cells[k] = c
			}
		}
		if err != nil {
			return err
		}
		days, _, err := r.Days(ctx)
		out.days = daysAt(days, at)
		return err
	})
	return out, err
}

// verify runs the hub's own proof over all plays.
func (p *player) verify() {
	p.t.Helper()
	for name, s := range map[string]IngestStore{"in pieces": p.store, "in one delivery": p.once} {
		report, err := verify.Run(p.t.Context(), s, "", nil)
		if err != nil {
			p.t.Fatal(err)
		}
		if len(report.Findings) < p.plays {
			p.t.Errorf("%s: got %d journals of %d plays", name, len(report.Findings), p.plays)
		}
		for _, f := range report.Findings {
			for _, problem := range f.Problems {
				p.t.Errorf("%s: %v: %s", name, f.Source.Key, problem)
			}
		}
		for _, problem := range report.Problems {
			p.t.Errorf("%s: %s", name, problem)
		}
	}
}
