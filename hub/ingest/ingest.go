package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/wire"
)

// Batch is a batch and the kiosk that sent it, as its topic says.
type Batch struct {
	Kiosk feedback.KioskID
	wire.Batch
}

// Outcome is what became of a batch. With Err nil, Ack is the answer to give;
// otherwise nothing is known to be stored and no answer may be given, for the
// kiosk asks again.
type Outcome struct {
	Ack wire.Ack
	Err error
	// Stored and Bad count the records that this batch added, Pressed the
	// presses among them.
	Stored, Bad, Pressed int
	// Sites are those whose visits changed.
	Sites []feedback.SiteID
}

// Ingester turns batches into changes of a store, under one term of it. One
// goroutine at a time may call Ingest.
type Ingester struct {
	o     Options
	store Store
	// marks are those of journals heard lately. They are a cache: a stale one
	// is found out by the store and dropped.
	marks map[Key]Mark
}

// maxMarks bounds the cache: ten thousand kiosks and their forks.
const maxMarks = 20_000

// Options make an Ingester; only Decode has a default.
type Options struct {
	StoreID string // what answers name the store by
	Term    int64  // under which the ingester writes
	Now     func() time.Time
	// Decode reads a record; nil means wire.DecodeRecord. The suites hand in
	// that of an older hub.
	Decode func([]byte) (feedback.Record, error)
}

// New returns an ingester that writes to store.
func New(store Store, o Options) *Ingester {
	if o.Decode == nil {
		o.Decode = wire.DecodeRecord
	}
	return &Ingester{o: o, store: store, marks: make(map[Key]Mark)}
}

// Ingest takes the batches in, in one durable transaction for each round: a
// round holds at most one batch of a journal, so that each starts from a mark
// that is committed. It returns an outcome for each batch, in their order; when
// it returns, what they say is on disk.
func (g *Ingester) Ingest(ctx context.Context, batches []Batch) []Outcome {
	out := make([]Outcome, len(batches))
	left := make([]int, len(batches))
	for i := range left {
		left[i] = i
	}
	for len(left) > 0 {
		var round, later []int
		taken := make(map[Key]bool, len(left))
		for _, i := range left {
			key := Key{batches[i].Kiosk, batches[i].Epoch}
			if taken[key] {
				later = append(later, i)
				continue
			}
			taken[key] = true
			round = append(round, i)
		}
		g.round(ctx, batches, round, out)
		left = later
	}
	return out
}

func (g *Ingester) round(ctx context.Context, batches []Batch, round []int, out []Outcome) {
	if err := g.load(ctx, batches, round); err != nil {
		for _, i := range round {
			out[i] = Outcome{Err: fmt.Errorf("marks: %w", err)}
		}
		return
	}
	var changes []Change
	var owner []int // of each change, the batch
	var refused []Refused
	for _, i := range round {
		b := batches[i]
		key := Key{b.Kiosk, b.Epoch}
		m := g.marks[key]
		v, err := g.decide(ctx, key, m, b.Batch)
		if err != nil {
			out[i] = Outcome{Err: fmt.Errorf("%s epoch %s: %w", b.Kiosk, b.Epoch, err)}
			continue
		}
		out[i].Ack = g.answer(b, m.Through)
		if v.refused != "" {
			out[i].Ack.Refused, out[i].Ack.Why = v.refused, v.why
			if len(b.Records) > 0 { // a question holds nothing to keep
				refused = append(refused, Refused{Kiosk: b.Kiosk, At: g.o.Now(), Refusal: v.refused, Why: v.why, Payload: evidence(b.Batch)})
			}
			continue
		}
		if v.change != nil {
			changes = append(changes, *v.change)
			owner = append(owner, i)
		}
	}
	g.commit(ctx, changes, owner, out)
	if len(refused) > 0 {
		if err := g.store.Refuse(ctx, refused); err != nil {
			// The refusal stands; what was refused is still on the kiosk.
			for _, i := range round {
				if out[i].Ack.Refused == wire.RefusedFork {
					out[i].Err = fmt.Errorf("quarantine: %w", err)
				}
			}
		}
	}
}

// evidence returns what is kept of a batch that is refused: its bytes, without
// the comments when these do not fit once they are escaped.
func evidence(b wire.Batch) []byte {
	payload, err := wire.EncodeBatch(b)
	if err != nil {
		b.Texts = nil
		if payload, err = wire.EncodeBatch(b); err != nil {
			return []byte(err.Error())
		}
	}
	return payload
}

// commit applies the changes and settles the outcomes of their batches.
func (g *Ingester) commit(ctx context.Context, changes []Change, owner []int, out []Outcome) {
	if len(changes) == 0 {
		return
	}
	errs, err := g.store.Apply(ctx, g.o.Term, changes)
	for j, c := range changes {
		i := owner[j]
		e := err
		if e == nil {
			e = errs[j]
		}
		if e != nil {
			delete(g.marks, c.Key)
			out[i] = Outcome{Err: fmt.Errorf("%s epoch %s records %d to %d: %w",
				c.Key.Kiosk, c.Key.Epoch, c.From.Through+1, c.To.Through, e)}
			continue
		}
		m := Mark{Known: true, Point: c.To, Heard: c.Heard, State: c.State, Quarantined: g.marks[c.Key].Quarantined}
		for _, b := range c.Bad {
			m.Quarantined += int64(len(b.Body))
		}
		g.marks[c.Key] = m
		out[i].Ack.Through = c.To.Through
		out[i].Stored, out[i].Bad = len(c.Records), len(c.Bad)
		for _, r := range c.Records {
			if r.Kind == feedback.KindPress {
				out[i].Pressed++
			}
		}
		out[i].Sites = c.Sites()
	}
}

func addSite(sites []feedback.SiteID, s feedback.SiteID) []feedback.SiteID {
	if slices.Contains(sites, s) {
		return sites
	}
	return append(sites, s)
}

// load brings the marks of a round into the cache.
func (g *Ingester) load(ctx context.Context, batches []Batch, round []int) error {
	if len(g.marks) > maxMarks {
		clear(g.marks)
	}
	var missing []Key
	for _, i := range round {
		key := Key{batches[i].Kiosk, batches[i].Epoch}
		if _, ok := g.marks[key]; !ok {
			missing = append(missing, key)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	marks, err := g.store.Marks(ctx, missing)
	if err != nil {
		return err
	}
	for i, key := range missing {
		g.marks[key] = marks[i]
	}
	return nil
}

func (g *Ingester) answer(b Batch, through feedback.Seq) wire.Ack {
	return wire.Ack{
		V: wire.Version, Re: b.Re, Store: g.o.StoreID, Term: g.o.Term,
		Epoch: b.Epoch, Through: through, At: g.o.Now().UnixMilli(),
	}
}

// Superseded reports whether an outcome says that another hub took over.
func Superseded(err error) bool { return errors.Is(err, ErrSuperseded) }
