package fleetsim

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/ledger"
	"sourire/internal/wire"
	"sourire/kiosk/app"
	"sourire/kiosk/journal"
	"sourire/kiosk/uplink"
)

// errDark is what the journal of a box says whose power is gone.
var errDark = errors.New("the power is cut, as was asked for")

// book notes what becomes of one kiosk's presses, through all of its lives: in
// the ledger what must arrive, and in memory what the hub has not confirmed.
type book struct {
	fleet  *fleet
	kiosk  feedback.KioskID
	dark   atomic.Bool  // set with mu held: nothing is written any more
	queued atomic.Int64 // len(waiting)

	// mu is held from before a record is written until it is noted, so that
	// the ledger and a copy of the card say the same.
	mu      sync.Mutex
	journal uplink.Journal // of this life
	begun   bool
	acked   map[feedback.Epoch]feedback.Seq // what the hub has confirmed
	waiting []ledger.Press                  // and what not
	err     error                           // of the journal, when it was last read
}

// open takes the journal of a new life.
func (b *book) open(j uplink.Journal) uplink.Journal {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.journal = j
	b.err = b.recount()
	if !b.begun {
		b.begun = true
		b.begin()
	}
	return &talk{j, b}
}

// begin notes where this ledger begins, and what of earlier runs must arrive yet.
func (b *book) begin() {
	var lines []byte
	for _, e := range b.journal.Epochs() {
		lines = ledger.AppendBefore(lines, ledger.Key{Kiosk: b.kiosk, Epoch: e.ID, Seq: e.Acked})
	}
	for _, p := range b.waiting {
		lines = ledger.AppendPress(lines, p)
	}
	b.fleet.note(lines)
}

// recount reads from the journal which presses the hub has not confirmed.
func (b *book) recount() error {
	b.waiting = nil
	for _, e := range b.journal.Epochs() {
		b.acked[e.ID] = max(b.acked[e.ID], e.Acked)
		presses, err := b.presses(e.ID, b.acked[e.ID]+1)
		if err != nil {
			return err
		}
		b.waiting = append(b.waiting, presses...)
	}
	b.queued.Store(int64(len(b.waiting)))
	return nil
}

// presses reads the presses of an epoch from a record on.
func (b *book) presses(id feedback.Epoch, from feedback.Seq) ([]ledger.Press, error) {
	var out []ledger.Press
	for {
		batch, err := b.journal.Batch(context.Background(), id, from, journal.Limit{Records: wire.MaxRecords, Bytes: wire.MaxBytes})
		if err != nil || len(batch.Records) == 0 {
			return out, err
		}
		for i, body := range batch.Records {
			r, err := wire.DecodeRecord(body)
			if err != nil {
				return out, err
			}
			if p, ok := r.Fact.(feedback.Press); ok {
				k := ledger.Key{Kiosk: b.kiosk, Epoch: id, Seq: batch.First + feedback.Seq(i)}
				out = append(out, ledger.Press{Key: k, Rating: p.Rating})
			}
		}
		if from = batch.Last() + 1; from >= batch.Next {
			return out, nil
		}
	}
}

// confirm notes that the hub has everything of an epoch up to a record.
func (b *book) confirm(id feedback.Epoch, through feedback.Seq) {
	if through <= b.acked[id] {
		return
	}
	b.acked[id] = through
	rest := b.waiting[:0]
	for _, p := range b.waiting {
		if p.Epoch != id || p.Seq > through {
			rest = append(rest, p)
		}
	}
	b.fleet.acknowledged.Add(int64(len(b.waiting) - len(rest)))
	if b.waiting = rest; len(rest) == 0 && cap(rest) > keptRoom {
		b.waiting = nil
	}
	b.queued.Store(int64(len(b.waiting)))
}

// keptRoom of a queue that has run empty: thousands of kiosks shall not keep the
// room of their longest.
const keptRoom = 16

// settled reports whether the hub has confirmed every record.
func (b *book) settled() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.journal.Epochs() {
		if e.Acked < e.Next-1 {
			return false
		}
	}
	return len(b.waiting) == 0
}

// replaced notes that a card was lost and one with the given records put in its
// place. What the hub had confirmed of the lost one it has; the rest went.
func (b *book) replaced(last map[feedback.Epoch]feedback.Seq) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var lines []byte
	for _, p := range b.waiting {
		if p.Seq > last[p.Epoch] {
			lines = ledger.AppendLost(lines, p)
			b.fleet.gone.Add(1)
		}
	}
	for id, through := range b.acked {
		b.acked[id] = min(through, last[id]) // above it, numbers are given anew
	}
	b.fleet.note(lines)
}

// pen stands between the flow and the journal.
type pen struct {
	app.Appender
	book *book
}

// AppendAt implements app.Appender.
func (p *pen) AppendAt(ctx context.Context, at journal.At, facts ...feedback.Fact) ([]journal.Entry, error) {
	b := p.book
	b.mu.Lock()
	defer b.mu.Unlock()
	var entries []journal.Entry
	err := errDark
	if !b.dark.Load() {
		entries, err = p.Appender.AppendAt(ctx, at, facts...)
	}
	if err != nil {
		missed := &b.fleet.failed
		if errors.Is(err, errDark) {
			missed = &b.fleet.dark
		}
		for _, fact := range facts {
			if fact.Kind() == feedback.KindPress {
				missed.Add(1)
			}
		}
		return entries, err
	}
	var lines []byte
	for _, e := range entries {
		fact, ok := e.Record.Fact.(feedback.Press)
		if !ok {
			continue
		}
		k := ledger.Key{Kiosk: b.kiosk, Epoch: e.Epoch, Seq: e.Seq}
		press := ledger.Press{Key: k, Rating: fact.Rating, At: time.Now().UnixMilli()}
		b.waiting = append(b.waiting, press)
		b.fleet.durable.Add(1)
		lines = ledger.AppendPress(lines, press)
	}
	b.queued.Store(int64(len(b.waiting)))
	b.fleet.note(lines)
	return entries, nil
}

// talk stands between the uplink and the journal.
type talk struct {
	uplink.Journal
	book *book
}

// Ack implements uplink.Journal.
func (t *talk) Ack(id feedback.Epoch, through feedback.Seq) error {
	t.book.mu.Lock()
	defer t.book.mu.Unlock()
	err := t.Journal.Ack(id, through)
	if err == nil && !t.book.dark.Load() {
		t.book.confirm(id, through)
	}
	return err
}

// Rewind implements uplink.Journal.
func (t *talk) Rewind(id feedback.Epoch, through feedback.Seq) error {
	b := t.book
	b.mu.Lock()
	defer b.mu.Unlock()
	err := t.Journal.Rewind(id, through)
	if err != nil || b.dark.Load() || through >= b.acked[id] {
		return err
	}
	b.acked[id] = through
	return b.recount()
}

// Fork implements uplink.Journal: the presses above common have other numbers
// from now on, in the same order.
func (t *talk) Fork(ctx context.Context, id feedback.Epoch, common feedback.Seq, why string) (feedback.Epoch, error) {
	b := t.book
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dark.Load() {
		return 0, errDark
	}
	was, err := b.presses(id, common+1)
	if err != nil {
		return 0, err
	}
	fresh, err := t.Journal.Fork(ctx, id, common, why)
	if err != nil {
		return fresh, err
	}
	is, err := b.presses(fresh, 1)
	if err != nil {
		return fresh, err
	}
	var lines []byte
	for i := range min(len(was), len(is)) {
		lines = ledger.AppendMove(lines, is[i], was[i].Key)
	}
	b.fleet.note(lines)
	b.acked[id] = min(b.acked[id], common)
	return fresh, b.recount()
}
