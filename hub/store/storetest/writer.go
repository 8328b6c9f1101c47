package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"sourire/hub/ingest"
	"sourire/hub/verify"
	"sourire/internal/feedback"
)

// writerCases are about who writes, and what stands in the way.
func writerCases() []ingestCase {
	return []ingestCase{
		{"two ingesters on one store", twoIngesters},
		{"an ingester that was superseded", superseded},
		{"a batch that cannot be stored among others", obstructed},
		{"several writers at once", concurrent},
		{"a restored copy", restored},
		{"a record that is stored on another day too", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 1, 13, 13)
			other := b.now.Add(24 * time.Hour)
			b.db.Obstruct(b, d.key(), 9, other)
			if report, err := verify.Run(b.Context(), b.store, "", nil); err != nil || len(report.Problems) != 1 {
				b.Errorf("got %+v, %v, want verify to find it", report.Problems, err)
			}
			b.db.Clear(b, d.key(), 9, other)
		}},
		{"the hub's clock steps back over midnight", func(b *bench) {
			d := b.kiosk("k1", 20)
			b.now = time.Date(2026, 3, 30, 0, 5, 0, 0, time.UTC)
			b.send(d, 1, 9, 9)
			b.now = b.now.Add(-time.Hour)
			b.send(d, 10, 15, 15)
			b.send(d, 16, 16, 16)
			b.now = b.now.Add(2 * time.Hour)
			b.send(d, 17, 23, 23)
			for seq := feedback.Seq(1); seq <= 24; seq++ {
				b.send(d, seq, seq-1, 23) // every hash is still known
			}
			c := d.clone(12)
			c.add(feedback.Test{})
			c.presses(9)
			b.refused(c, 14, 13, 23)
		}},
		{"the store's id", func(b *bench) {
			id := func() string {
				got, err := b.store.ID(b.Context())
				if err != nil || got == "" {
					b.Fatalf("got id %q, %v", got, err)
				}
				return got
			}
			first := id()
			if again, err := b.open().ID(b.Context()); err != nil || again != first {
				b.Errorf("opened again: got id %s, %v, want %s", again, err, first)
			}
			if err := b.store.Redraw(b.Context()); err != nil {
				b.Fatal(err)
			}
			if second := id(); second == first {
				b.Errorf("got id %s after it was redrawn, want another", second)
			}
		}},
		{"terms rise", func(b *bench) {
			was := b.term
			for range 3 {
				b.takeOver()
				if b.term <= was {
					b.Errorf("got term %d after %d", b.term, was)
				}
				was = b.term
			}
		}},
	}
}

// twoIngesters lets two of one term and with marks of their own write to one
// database: one of them finds its mark moved, gives no answer, and is right when
// it is asked again.
func twoIngesters(b *bench) {
	d := b.kiosk("k1", 30)
	one, two := b.ingester, b.ingesterOn(b.open(), b.term)
	say := func(g *ingest.Ingester, first, last feedback.Seq) ingest.Outcome {
		return g.Ingest(b.Context(), []ingest.Batch{d.batch(first, last)})[0]
	}
	expect := func(o ingest.Outcome, through feedback.Seq) {
		b.Helper()
		if o.Err != nil || o.Ack.Refused != "" || o.Ack.Through != through {
			b.Fatalf("got %+v, want through %d", o, through)
		}
	}
	stale := func(o ingest.Outcome) {
		b.Helper()
		if !errors.Is(o.Err, ingest.ErrStale) || o.Stored != 0 {
			b.Fatalf("got %+v, want that its mark has moved", o)
		}
	}
	expect(say(one, 1, 0), 0)
	expect(say(two, 1, 0), 0) // now both know that nothing is there
	expect(say(one, 1, 10), 10)
	stale(say(two, 1, 10))
	expect(say(two, 1, 10), 10)
	expect(say(two, 11, 20), 20)
	stale(say(one, 11, 12))
	expect(say(one, 11, 25), 25)
	stale(say(two, 21, 33))
	expect(say(two, 21, 33), 33)
	stale(say(one, 1, 33)) // it would add 26 to 33 once more
	expect(say(one, 1, 33), 33)
}

func superseded(b *bench) {
	d := b.kiosk("k1", 10)
	b.send(d, 1, 5, 5)
	old := b.ingester
	b.takeOver()
	o := old.Ingest(b.Context(), []ingest.Batch{d.batch(6, 10)})[0]
	if !ingest.Superseded(o.Err) || o.Stored != 0 {
		b.Fatalf("got %+v, want that another hub took over", o)
	}
	b.send(d, 6, 5, 5)
	b.send(d, 6, 13, 13)
	if o = old.Ingest(b.Context(), []ingest.Batch{d.batch(6, 13)})[0]; o.Err == nil && o.Ack.Through > 13 {
		b.Errorf("got %+v from the old ingester", o)
	}
}

// obstructed puts a row in the way of one batch: its neighbours are counted, it
// is not, and its turn comes when the way is free.
func obstructed(b *bench) {
	d, before, after := b.kiosk("k2", 10), b.kiosk("k1", 5), b.kiosk("k3", 5)
	fresh := b.kiosk("k4", 2)
	for _, x := range []*device{d, fresh} { // both are the first to ask there
		x.add(feedback.PlanApplied{Plan: feedback.NewPlanID(nil), Asked: askedAt("nice")})
		x.presses(2)
	}
	b.send(d, 1, 5, 5)
	b.send(after, 1, 3, 3)
	b.db.Obstruct(b, d.key(), 9, b.now)
	for range 2 {
		out := b.offer(before.batch(1, 8), d.batch(6, 16), after.batch(4, 8), fresh.batch(1, 8))
		for i, want := range []feedback.Seq{8, 0, 8, 8} {
			if i == 1 {
				if o := out[i]; o.Err == nil || o.Stored != 0 || o.Ack.Through != 0 {
					b.Errorf("got %+v of the batch that is in the way", o)
				}
				continue
			}
			if o := out[i]; o.Err != nil || o.Ack.Through != want {
				b.Errorf("batch %d: got %+v, want through %d", i+1, o, want)
			}
		}
	}
	b.send(d, 6, 8, 8) // what is not in the way goes in
	if report, err := verify.Run(b.Context(), b.store, "", nil); err != nil || report.OK() {
		b.Errorf("got %v and no problem from verify, with a record beyond the mark", err)
	}
	b.db.Clear(b, d.key(), 9, b.now)
	b.send(d, 9, 16, 16)
}

// concurrent lets four writers send the same journals in random pieces, each
// with a handle of its own, until all is stored.
func concurrent(b *bench) {
	var devices []*device
	for i := range 3 {
		devices = append(devices, b.kiosk(feedback.KioskID(fmt.Sprintf("k%d", i)), 60))
	}
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	failed := make(chan string, 4)
	for w := range 4 {
		g := b.ingesterOn(b.open(), b.term)
		wg.Go(func() {
			if err := pour(ctx, g, devices, rand.New(rand.NewPCG(uint64(w), 1))); err != nil {
				failed <- err.Error()
			}
		})
	}
	wg.Wait()
	close(failed)
	for f := range failed {
		b.Error(f)
	}
	for _, d := range devices {
		if got := b.source(d).Mark.Through; got != d.last() {
			b.Errorf("%s: got through %d, want %d", d.id, got, d.last())
		}
	}
}

// pour sends what the answers ask for, and what they do not, until the last
// record of every device is answered.
func pour(ctx context.Context, g *ingest.Ingester, devices []*device, r *rand.Rand) error {
	through := make([]feedback.Seq, len(devices))
	for ctx.Err() == nil {
		var batches []ingest.Batch
		var of []int
		done := true
		for i, d := range devices {
			if through[i] == d.last() {
				continue
			}
			done = false
			first := max(1, through[i]+1-feedback.Seq(r.IntN(4)))
			last := min(d.last(), first+feedback.Seq(r.IntN(9)))
			own := *d // requests are counted in it
			batches, of = append(batches, own.batch(first, last)), append(of, i)
		}
		if done {
			return nil
		}
		for j, o := range g.Ingest(ctx, batches) {
			switch {
			case errors.Is(o.Err, ingest.ErrStale): // asks again
			case o.Err != nil:
				return o.Err
			case o.Ack.Refused != "" || o.Ack.Through < through[of[j]]:
				return fmt.Errorf("got %+v after %d", o, through[of[j]])
			default:
				through[of[j]] = o.Ack.Through
			}
		}
	}
	return ctx.Err()
}

// restored goes on from a backup that is older than the last answers: the kiosks
// send what it lacks, and everything is as it was.
func restored(b *bench) {
	d, e := b.kiosk("k1", 20), b.kiosk("k2", 20)
	e.reboot()
	e.presses(5)
	e.add(feedback.ClockFix{Boot: e.boot, Offset: bootedAt + 3000*minute, Uncertainty: 50, Source: "hub"})
	b.send(d, 1, 10, 10)
	b.send(e, 1, 26, 26)
	id, err := b.store.ID(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	backup := b.db.Copy(b)
	b.send(d, 11, 23, 23)
	b.send(e, 27, e.last(), e.last())
	f := b.child(e, e.last(), 0)
	f.presses(3)
	b.send(f, 1, 6, 6)
	b.check()

	b.db = backup
	b.store = b.open()
	if err := b.store.Redraw(b.Context()); err != nil {
		b.Fatal(err)
	}
	if again, err := b.store.ID(b.Context()); err != nil || again == id {
		b.Errorf("got id %s, %v, want another than %s", again, err, id)
	}
	b.takeOver()
	b.check()
	b.send(d, 24, 23, 10) // "you had all": the copy has not
	b.send(d, 11, 23, 23)
	b.send(f, 1, 6, 6) // the new epoch first
	b.gaps(e, closed(27, e.last()))
	b.send(e, 27, e.last(), e.last())
	b.gaps(e)
	b.gaps(d)
}
