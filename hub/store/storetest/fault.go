package storetest

import (
	"context"
	"errors"

	"sourire/hub/ingest"
	"sourire/internal/feedback"
	"sourire/internal/visit"
)

var errFault = errors.New("the store failed, as it was told to")

// faulty is a store that fails on demand. The fault is taken: it comes once.
type faulty struct {
	ingest.Store
	fault fault
	fired bool
}

type fault int

const (
	noFault fault = iota
	applyFails
	applySucceedsAndSaysItFailed
	applyIsCancelled
	changeFails // each change by itself, the transaction as a whole not
	marksFail
	hashFails
	visitsFail
	refuseFails
)

// take reports whether the fault is to happen now.
func (f *faulty) take(x fault) bool {
	if f.fault != x {
		return false
	}
	f.fault, f.fired = noFault, true
	return true
}

func (f *faulty) Apply(ctx context.Context, term int64, changes []ingest.Change) ([]error, error) {
	switch {
	case f.take(applyFails):
		return nil, errFault
	case f.take(applySucceedsAndSaysItFailed):
		if _, err := f.Store.Apply(ctx, term, changes); err != nil {
			return nil, err
		}
		return nil, errFault
	case f.take(applyIsCancelled):
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		return f.Store.Apply(cancelled, term, changes)
	case f.take(changeFails):
		errs := make([]error, len(changes))
		for i := range errs {
			errs[i] = errFault
		}
		return errs, nil
	}
	return f.Store.Apply(ctx, term, changes)
}

func (f *faulty) Marks(ctx context.Context, keys []ingest.Key) ([]ingest.Mark, error) {
	if f.take(marksFail) {
		return nil, errFault
	}
	return f.Store.Marks(ctx, keys)
}

func (f *faulty) HashAt(ctx context.Context, key ingest.Key, seq feedback.Seq) (feedback.Hash, bool, error) {
	if f.take(hashFails) {
		return feedback.Hash{}, false, errFault
	}
	return f.Store.HashAt(ctx, key, seq)
}

func (f *faulty) VisitsOfBoots(ctx context.Context, key ingest.Key, boots []feedback.Boot) ([]visit.Visit, error) {
	if f.take(visitsFail) {
		return nil, errFault
	}
	return f.Store.VisitsOfBoots(ctx, key, boots)
}

func (f *faulty) Refuse(ctx context.Context, refused []ingest.Refused) error {
	if f.take(refuseFails) {
		return errFault
	}
	return f.Store.Refuse(ctx, refused)
}

// faultCases let one verb of the store fail at every round of a conversation: the
// ingester gives no answer, and the batch that comes again is counted once.
func faultCases() []ingestCase {
	faults := []struct {
		name  string
		fault fault
	}{
		{"apply fails", applyFails},
		{"apply succeeds and says that it failed", applySucceedsAndSaysItFailed},
		{"the context is cancelled", applyIsCancelled},
		{"each change fails", changeFails},
		{"marks cannot be read", marksFail},
		{"a hash cannot be read", hashFails},
		{"visits cannot be read", visitsFail},
	}
	var cases []ingestCase
	for _, f := range faults {
		cases = append(cases, ingestCase{f.name, func(b *bench) { failing(b, f.fault) }})
	}
	return append(cases,
		ingestCase{"a refused payload cannot be kept", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 1, 13, 13)
			s := &faulty{Store: b.store, fault: refuseFails}
			b.ingester = b.ingesterOn(s, b.term)
			c := d.clone(8)
			c.add(feedback.Test{})
			if o := b.offer(c.batch(9, 9))[0]; o.Err == nil {
				b.Errorf("got %+v, want no answer", o)
			}
			b.refused(c, 9, 9, 13)
			b.keeps(d, 1)
		}},
		ingestCase{"the caller is gone", func(b *bench) {
			d := b.kiosk("k1", 10)
			ctx, cancel := context.WithCancel(b.Context())
			cancel()
			if o := b.ingester.Ingest(ctx, []ingest.Batch{d.batch(1, 13)})[0]; o.Err == nil || o.Stored != 0 {
				b.Errorf("got %+v, want no answer", o)
			}
			b.send(d, 1, 0, 0)
			b.send(d, 1, 13, 13)
		}},
	)
}

// failing sends two journals in pieces, with the fault in every round in turn,
// and sends again whatever got no answer.
func failing(b *bench, x fault) {
	d, e := b.kiosk("k1", 6), b.kiosk("k2", 6)
	for _, k := range []*device{d, e} {
		k.reboot()
		k.presses(3)
		k.add(feedback.ClockFix{Boot: k.boot, Offset: bootedAt + 3000*minute, Uncertainty: 500, Source: "hub"})
		k.since += 300
		k.add(feedback.Press{Rating: 1, Held: 80})
	}
	s := &faulty{Store: b.store}
	b.ingester = b.ingesterOn(s, b.term)
	rounds := 0
	for first := feedback.Seq(1); first <= d.last(); first += 3 {
		last := min(first+3, d.last()) // one record more, for a repeat in the next piece
		s.fault, s.fired = x, false
		for try := 0; ; try++ {
			out := b.offer(d.batch(first, last), e.batch(first, last), d.batch(max(1, first-2), last))
			failed := false
			for i, o := range out {
				if o.Err != nil {
					failed = true
					if o.Ack.V != 0 && o.Stored > 0 {
						b.Errorf("records %d to %d, batch %d: got %+v, an answer to what failed", first, last, i, o)
					}
					continue
				}
				if o.Ack.Refused != "" || o.Ack.Through < last {
					b.Errorf("records %d to %d, batch %d: got %+v", first, last, i, o)
				}
			}
			if !failed {
				break
			}
			if try == 3 {
				b.Fatalf("records %d to %d: got no answer %d times", first, last, try+1)
			}
		}
		if s.fired {
			rounds++
		}
		s.fault = noFault
		b.forgetOn(s)
	}
	if rounds == 0 {
		b.Error("the fault never came")
	}
}

// forgetOn makes an ingester on s that has no marks cached.
func (b *bench) forgetOn(s ingest.Store) { b.ingester = b.ingesterOn(s, b.term) }
