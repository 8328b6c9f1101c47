package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/visit"
	"sourire/internal/wire"
)

// IntakeOptions configure an Intake. Ingester, Answer and Committed are needed.
type IntakeOptions struct {
	Ingester *Ingester
	Store    Store // for envelopes that cannot be read
	// Answer sends the answers that wait, some hundreds at most. It runs on a
	// goroutine of the intake's own and may block for as long as a network
	// does; answers that pile up behind it are dropped, for the kiosk asks
	// again. The list is the intake's again when Answer returns.
	Answer func(context.Context, []Answer)
	// Committed hears of every group that reached the disk, before the
	// answers go out. It must not block.
	Committed func([]Batch, []Outcome)
	// Journals are those that may have to be read again after an upgrade to
	// Version; nil means that none has.
	Journals Journals
	Version  string
	// Rebuilds are looked for every Look, which is a second unless said
	// otherwise; nil means that none is.
	Rebuilds Rebuilds
	Look     time.Duration
	// Packs is the store as it packs what is old, a round each PackEvery, which
	// is an hour unless said otherwise; nil means that nothing is packed.
	Packs     Packs
	PackEvery time.Duration
	// MaxBytes bounds the payloads that wait; 0 means DefaultMaxBytes.
	MaxBytes int64
	Log      *slog.Logger // nil means slog.Default()
}

// Bounds of an Intake.
const (
	// DefaultMaxBytes is what may wait: a thousand full batches. Beyond it a
	// payload is dropped and the kiosk is told to wait.
	DefaultMaxBytes = 64 << 20

	maxWaiting = 16_384 // payloads, or answers, that wait
	maxGroup   = 5_000  // records in one transaction
	maxBusy    = 4_096  // kiosks waiting to be told to wait
	maxWait    = 20     // seconds
	maxAnswers = 256    // that are sent together

	// Payloads that cannot be read, in one transaction, and the bytes at which
	// it takes no more: it holds up the good ones behind it by some 10 ms.
	maxUnreadable      = 500
	maxUnreadableBytes = 1 << 20
)

// Intake receives the payloads of …/journal, groups whatever waits into one
// transaction, and what cannot be read into another behind it, and answers after
// the commit.
type Intake struct {
	o       IntakeOptions
	waiting chan payload
	bytes   atomic.Int64 // in waiting
	busy    chan payload
	groups  chan group
	answers chan Answer
	again   chan again
	packing chan pack
	stats   counters
}

type payload struct {
	kiosk feedback.KioskID
	bytes []byte
}

// group is what goes into the store together: the batches in one transaction,
// what cannot be read in another.
type group struct {
	batches    []Batch
	records    int
	unreadable []Refused
	bytes      int // in unreadable
}

func (g *group) empty() bool { return len(g.batches)+len(g.unreadable) == 0 }

func (g *group) full() bool {
	return g.records >= maxGroup || len(g.batches) >= maxGroup ||
		len(g.unreadable) >= maxUnreadable || g.bytes >= maxUnreadableBytes
}

// Answer is what a kiosk is told.
type Answer struct {
	Kiosk feedback.KioskID
	Ack   wire.Ack
}

type counters struct {
	taken, dropped, unreadable, groups, failed atomic.Int64
	storeFails                                 atomic.Bool
}

// Stats counts what an intake has done since it began.
type Stats struct {
	Taken      int64 // payloads
	Dropped    int64 // payloads that did not fit; their kiosks were told to wait
	Unreadable int64 // payloads refused as a whole
	Groups     int64 // transactions
	Failed     int64 // batches without an outcome
	StoreFails bool  // the last transaction failed
}

// Plus adds what another intake did after this one.
func (s Stats) Plus(later Stats) Stats {
	return Stats{
		Taken: s.Taken + later.Taken, Dropped: s.Dropped + later.Dropped, Unreadable: s.Unreadable + later.Unreadable,
		Groups: s.Groups + later.Groups, Failed: s.Failed + later.Failed, StoreFails: later.StoreFails,
	}
}

// NewIntake returns an intake; it does nothing until Run.
func NewIntake(o IntakeOptions) *Intake {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.Look == 0 {
		o.Look = time.Second
	}
	if o.PackEvery == 0 {
		o.PackEvery = time.Hour
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Intake{
		o:       o,
		waiting: make(chan payload, maxWaiting),
		busy:    make(chan payload, maxBusy),
		groups:  make(chan group),
		answers: make(chan Answer, maxWaiting),
		again:   make(chan again),
		packing: make(chan pack),
	}
}

// Stats returns the counters.
func (in *Intake) Stats() Stats {
	c := &in.stats
	return Stats{
		Taken: c.taken.Load(), Dropped: c.dropped.Load(), Unreadable: c.unreadable.Load(),
		Groups: c.groups.Load(), Failed: c.failed.Load(), StoreFails: c.storeFails.Load(),
	}
}

// Offer hands over a payload. It never blocks: what does not fit is dropped,
// and the kiosk, which keeps it, is told to wait.
func (in *Intake) Offer(k feedback.KioskID, bytes []byte) {
	p := payload{kiosk: k, bytes: bytes}
	size := int64(len(bytes))
	if in.bytes.Add(size) <= in.o.MaxBytes {
		select {
		case in.waiting <- p:
			in.stats.taken.Add(1)
			return
		default:
		}
	}
	in.bytes.Add(-size)
	in.stats.dropped.Add(1)
	// The head is enough to say "wait" to; the rest is let go.
	p.bytes = append([]byte(nil), bytes[:min(len(bytes), 512)]...)
	select {
	case in.busy <- p:
	default:
	}
}

// Run works until ctx is done, or until another hub took over: then the error
// is ErrSuperseded. What waits then is dropped; the kiosks have it.
func (in *Intake) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{}, 4)
	go func() { in.gather(ctx); done <- struct{}{} }()
	go func() { in.send(ctx); done <- struct{}{} }()
	go func() { in.reread(ctx); done <- struct{}{} }()
	go func() { in.pack(ctx); done <- struct{}{} }()
	err := in.write(ctx)
	cancel()
	for range cap(done) {
		<-done
	}
	return err
}

// gather decodes what waits, while the writer waits for the disk, and hands it
// over as soon as the writer is free. To wait for more where single presses come
// fast (10 ms from the first of a group, or until none came for 2 ms) made the
// transactions of a thousand kiosks three times as large and saved nothing: each
// kiosk's rows lie on pages of their own, which are written once a press either
// way, and under such a load what came meanwhile is a large group already.
func (in *Intake) gather(ctx context.Context) {
	var g group
	for {
		out := in.groups
		if g.empty() {
			out = nil
		}
		from := in.waiting
		if g.full() {
			from = nil
		}
		select {
		case <-ctx.Done():
			return
		case out <- g:
			g = group{}
		case p := <-from:
			in.bytes.Add(-int64(len(p.bytes)))
			b, err := wire.DecodeBatch(p.bytes)
			if err != nil {
				in.stats.unreadable.Add(1)
				g.unreadable = append(g.unreadable, Refused{
					Kiosk: p.kiosk, At: in.o.Ingester.o.Now(), Refusal: wire.RefusedUnreadable, Why: err.Error(), Payload: p.bytes,
				})
				g.bytes += len(p.bytes)
				continue
			}
			g.batches = append(g.batches, Batch{Kiosk: p.kiosk, Batch: b})
			g.records += len(b.Records)
		}
	}
}

// refuse keeps what cannot be read and says so to those who sent it. One line of
// the log speaks for a group: a client that sends nothing else must not fill it.
func (in *Intake) refuse(ctx context.Context, unreadable []Refused) {
	if len(unreadable) == 0 {
		return
	}
	first := unreadable[0]
	in.o.Log.Warn("payloads cannot be read", "payloads", len(unreadable), "kiosk of the first", first.Kiosk, "why", first.Why)
	if err := in.o.Store.Refuse(ctx, unreadable); err != nil {
		in.o.Log.Error("refused payloads could not be kept", "payloads", len(unreadable), "error", err)
	}
	for _, r := range unreadable {
		if re, ok := wire.PeekRe(r.Payload); ok {
			ack := in.o.Ingester.answer(Batch{Kiosk: r.Kiosk, Batch: wire.Batch{Re: re}}, 0)
			ack.Refused, ack.Why = r.Refusal, r.Why
			in.reply(r.Kiosk, ack)
		}
	}
}

func (in *Intake) reply(k feedback.KioskID, ack wire.Ack) {
	select {
	case in.answers <- Answer{k, ack}:
	default: // the kiosk asks again
	}
}

// write takes each group into the store and answers it. In between it reads
// journals again, one at a time, and packs, a stretch at a time.
func (in *Intake) write(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case a := <-in.again:
			err := in.replay(context.WithoutCancel(ctx), a.key)
			a.done <- err
			if Superseded(err) {
				return ErrSuperseded
			}
		case p := <-in.packing:
			if err := in.packOne(context.WithoutCancel(ctx), p); err != nil {
				return err
			}
		case g := <-in.groups:
			// A group that has begun is finished: stopping in the middle of a
			// commit gains nothing.
			finish := context.WithoutCancel(ctx)
			if len(g.batches) > 0 {
				outcomes := in.o.Ingester.Ingest(finish, g.batches)
				in.stats.groups.Add(1)
				if err := in.settle(g.batches, outcomes); err != nil {
					return err
				}
			}
			in.refuse(finish, g.unreadable) // the good ones first
		}
	}
}

// outdated returns the journals that this version has to read again.
func (in *Intake) outdated(ctx context.Context) []Key {
	if in.o.Journals == nil {
		return nil
	}
	keys, err := in.o.Journals.Outdated(ctx, visit.Rule, in.o.Version)
	if err != nil && ctx.Err() == nil {
		in.o.Log.Error("journals that an older version has read are not read again before the next start", "error", err)
	}
	return keys
}

// replay reads a journal again. A failure leaves it as it was, for the next start.
func (in *Intake) replay(ctx context.Context, key Key) error {
	r, err := in.o.Ingester.Replay(ctx, in.o.Journals, key, in.o.Version)
	switch {
	case Superseded(err):
		return err
	case err != nil:
		in.o.Log.Error("a journal was not read again, and will be at the next start", "error", err)
		return err
	case r.Freed > 0:
		in.o.Log.Info("records have left the quarantine", "kiosk", key.Kiosk, "epoch", key.Epoch, "records", r.Freed)
	}
	in.o.Committed([]Batch{{Kiosk: key.Kiosk}}, []Outcome{{Sites: r.Sites}})
	return nil
}

func (in *Intake) settle(batches []Batch, outcomes []Outcome) error {
	in.o.Committed(batches, outcomes)
	var firstErr error
	failed := false
	for i, o := range outcomes {
		if o.Err == nil {
			if o.Bad > 0 {
				in.o.Log.Warn("bad records are in quarantine", "kiosk", batches[i].Kiosk, "epoch", batches[i].Epoch, "records", o.Bad)
			}
			if o.Ack.Refused == wire.RefusedFork {
				in.o.Log.Warn("a journal has forked", "kiosk", batches[i].Kiosk, "epoch", batches[i].Epoch, "why", o.Ack.Why)
			}
			in.reply(batches[i].Kiosk, o.Ack)
			continue
		}
		if Superseded(o.Err) {
			return ErrSuperseded
		}
		failed = true
		in.stats.failed.Add(1)
		if firstErr == nil {
			firstErr = o.Err
		}
		ack := in.o.Ingester.answer(batches[i], 0)
		ack.Refused, ack.Wait = wire.RefusedStore, 2
		ack.Why = "the hub could not write to its store and will try again"
		in.reply(batches[i].Kiosk, ack)
	}
	if failed {
		in.o.Log.Error("batches could not be stored; their kiosks keep them", "error", firstErr)
	}
	in.stats.storeFails.Store(failed)
	return nil
}

// send sends the answers that wait together, those that say "wait" after all
// others.
func (in *Intake) send(ctx context.Context) {
	list := make([]Answer, 0, maxAnswers)
	for {
		list = in.waitingAnswers(list[:0])
		if len(list) == 0 {
			select {
			case <-ctx.Done():
				return
			case a := <-in.answers:
				list = in.waitingAnswers(append(list, a))
			case p := <-in.busy:
				re, ok := wire.PeekRe(p.bytes)
				if !ok {
					continue
				}
				list = append(list, Answer{p.kiosk, in.wait(p.kiosk, re)})
			}
		}
		in.o.Answer(ctx, list)
	}
}

// waitingAnswers adds to list the answers that wait, as many as are sent together.
func (in *Intake) waitingAnswers(list []Answer) []Answer {
	for len(list) < maxAnswers {
		select {
		case a := <-in.answers:
			list = append(list, a)
		default:
			return list
		}
	}
	return list
}

// wait says how long to wait: the longer the more waits, spread so that not all
// come back at once.
func (in *Intake) wait(k feedback.KioskID, re wire.Re) wire.Ack {
	ack := in.o.Ingester.answer(Batch{Kiosk: k, Batch: wire.Batch{Re: re}}, 0)
	full := 1 + int(in.bytes.Load()*5/in.o.MaxBytes)
	ack.Refused = wire.RefusedBusy
	ack.Wait = min(maxWait, full+int(time.Now().UnixNano()/1000%8))
	ack.Why = fmt.Sprintf("the hub has %d payloads waiting", len(in.waiting))
	return ack
}
