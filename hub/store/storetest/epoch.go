package storetest

import (
	"sourire/hub/ingest"
	"sourire/internal/feedback"
)

func pruned(first, last feedback.Seq) ingest.Gap {
	return ingest.Gap{First: first, Last: last, Why: ingest.GapPruned}
}

func closed(first, last feedback.Seq) ingest.Gap {
	return ingest.Gap{First: first, Last: last, Why: ingest.GapClosed}
}

// gapCases are holes that the kiosk cannot fill.
func gapCases() []ingestCase {
	return []ingestCase{
		{"records that the kiosk no longer has", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 1, 3, 3)
			d.oldest = 7
			b.send(d, 8, 9, 3) // it still has 7
			b.gaps(d)
			b.send(d, 7, 9, 9)
			b.gaps(d, pruned(4, 6))
			b.send(d, 10, 13, 13)
			b.gaps(d, pruned(4, 6))
		}},
		{"the hash before the oldest record is the new anchor", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 1, 3, 3)
			d.oldest = 7
			b.send(d, 7, 9, 9)
			b.forget()
			b.send(d, 7, 9, 9)
			b.send(d, 8, 11, 11)
			b.send(d, 7, 6, 11) // "do you hold this at 6?"
			c := d.clone(4)
			c.add(feedback.Test{})
			c.presses(8)
			b.refused(c, 7, 6, 11)
			b.refused(c, 7, 13, 11)
		}},
		{"what lies in a gap agrees with everything", func(b *bench) {
			d := b.kiosk("k1", 20)
			b.send(d, 1, 3, 3)
			d.oldest = 10
			b.send(d, 10, 12, 12)
			c := d.clone(5)
			c.add(feedback.Test{})
			b.send(c, 7, 6, 12)
			b.send(d, 6, 5, 12)
			b.send(d, 6, 11, 12) // it found the records again: a repeat
			b.send(d, 6, 15, 15)
			b.send(d, 2, 20, 20)
			b.gaps(d, pruned(4, 9))
		}},
		{"two gaps", func(b *bench) {
			d := b.kiosk("k1", 20)
			b.send(d, 1, 3, 3)
			d.oldest = 6
			b.send(d, 6, 8, 8)
			d.oldest = 12
			b.send(d, 12, 23, 23)
			b.gaps(d, pruned(4, 5), pruned(9, 11))
		}},
		{"a question declares nothing", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 1, 3, 3)
			d.oldest = 14
			b.send(d, 14, 13, 3)
			b.gaps(d)
		}},
		{"no visit goes on across a gap", func(b *bench) {
			d := b.kiosk("k1", 1)
			for range 3 {
				d.since += 500
				d.add(feedback.Press{Rating: 2, Held: 80})
			}
			b.send(d, 1, 4, 4)
			d.oldest = 6
			b.send(d, 6, 7, 7)
			b.gaps(d, pruned(5, 5))
		}},
		{"the plan lies in the gap", func(b *bench) {
			d := b.kiosk("k1", 3)
			d.add(feedback.PlanApplied{Plan: feedback.NewPlanID(nil), Asked: askedAt("nice")}) // 7
			d.presses(3)
			d.oldest = 5
			b.send(d, 5, 10, 10) // 5 and 6 answer nothing that the hub knows
			b.gaps(d, pruned(1, 4))
			if o := b.source(d); o.Mark.State.Asked == nil || o.Mark.State.Asked.Site != "nice" {
				b.Errorf("got %+v, want it to ask at nice", o.Mark.State.Asked)
			}
		}},
	}
}

// child is the epoch that follows d: it shares the records up to common, and the
// next of them stand in it once more.
func (b *bench) child(d *device, common feedback.Seq, again int) *device {
	c := b.device(d.id, d.epoch+1, feedback.EpochBegan{
		Parent: d.epoch, ParentLast: common, ParentHash: d.hashes[common], Why: "fork", Again: int64(again),
	})
	for i := range again {
		c.raw(d.records[int(common)+i])
	}
	return c
}

// closedIs checks whether a journal is closed.
func (b *bench) closedIs(d *device, want bool) {
	b.Helper()
	if got := b.source(d).Closed; got != want {
		b.Errorf("%s epoch %v: got closed %v, want %v", d.id, d.epoch, got, want)
	}
}

// epochCases are step 6 of the conversation: an epoch appears and closes the
// kiosk's previous one.
func epochCases() []ingestCase {
	return append([]ingestCase{
		{"a new epoch closes its parent", func(b *bench) {
			d := b.kiosk("k1", 10)
			other := b.kiosk("k2", 5)
			b.send(other, 1, 3, 3)
			b.send(d, 1, 8, 8) // of 13 that it was heard to have
			e := b.child(d, 8, 0)
			b.send(e, 1, 0, 0) // a question is not yet an epoch
			b.closedIs(d, false)
			b.send(e, 1, 1, 1)
			b.gaps(d, closed(9, 13))
			b.closedIs(d, true)
			b.closedIs(e, false)
			b.gaps(other)
			b.closedIs(other, false)
		}},
		{"it repeats some", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 1, 8, 8)
			e := b.child(d, 8, 2)
			b.send(e, 1, e.last(), e.last())
			b.gaps(d, closed(11, 13))
		}},
		{"it repeats all", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 1, 8, 8)
			e := b.child(d, 8, 5)
			b.send(e, 1, e.last(), e.last())
			b.gaps(d)
			b.closedIs(d, true)
		}},
		{"it repeats more than the hub has heard of", func(b *bench) {
			d := b.kiosk("k1", 5)
			b.send(d, 1, 8, 8)
			d.presses(5)
			e := b.child(d, 8, 5)
			b.send(e, 1, e.last(), e.last())
			b.gaps(d)
		}},
		{"it repeats some, and the hub has lost what both shared", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 1, 5, 5) // a restored hub: the answer through 8 is not in its backup
			e := b.child(d, 8, 2)
			b.send(e, 1, e.last(), e.last())
			b.gaps(d, closed(6, 8), closed(11, 13))
			b.send(d, 6, 8, 8)
			b.gaps(d, closed(11, 13))
		}},
		{"the parent's end is known from the child alone", func(b *bench) {
			d := b.kiosk("k1", 1)
			b.send(d, 1, 4, 4)
			d.presses(9)
			e := b.child(d, 10, 1)
			b.send(e, 1, e.last(), e.last())
			b.gaps(d, closed(5, 10))
		}},
		{"what came after all is taken out of the gap", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 1, 8, 8)
			b.send(b.child(d, 8, 0), 1, 3, 3)
			b.gaps(d, closed(9, 13))
			b.send(d, 9, 10, 10)
			b.gaps(d, closed(11, 13))
			b.send(d, 8, 12, 12)
			b.gaps(d, closed(13, 13))
			b.send(d, 13, 13, 13)
			b.gaps(d)
		}},
		{"some came after all, and some is pruned", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 1, 8, 8)
			b.send(b.child(d, 8, 0), 1, 3, 3)
			d.oldest = 11
			b.send(d, 11, 12, 12)
			b.gaps(d, pruned(9, 10), closed(13, 13))
		}},
		{"no parent is known", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 1, 8, 8)
			e := b.device("k1", 7, feedback.EpochBegan{Why: "damaged"})
			b.send(e, 1, 3, 3)
			b.gaps(d, closed(9, 13))
			b.closedIs(d, true)
		}},
		{"a parent that the hub never saw", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 1, 8, 8)
			e := b.device("k1", 7, feedback.EpochBegan{Parent: 99, ParentLast: 500, Again: 3})
			b.send(e, 1, 3, 3)
			b.gaps(d, closed(9, 13))
		}},
	}, appearanceCases()...)
}

// appearanceCases are epochs that appear in unusual ways.
func appearanceCases() []ingestCase {
	return []ingestCase{
		{"an epoch without its first record closes the others", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 1, 8, 8)
			e := b.child(d, 13, 0)
			e.presses(3)
			e.oldest = 2
			b.send(e, 2, 6, 6)
			b.gaps(e, pruned(1, 1))
			b.gaps(d, closed(9, 13))
			b.closedIs(d, true)
		}},
		{"an epoch whose first record is bad closes the others", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 1, 8, 8)
			e := &device{id: "k1", epoch: 2, boot: 1, oldest: 1, hashes: make([]feedback.Hash, 1)}
			b.devices[e.key()] = e
			e.raw([]byte(`["epoch",1,0]`))
			b.send(e, 1, 1, 1)
			b.gaps(d, closed(9, 13))
			b.closedIs(d, true)
		}},
		{"an epoch whose first record is a press closes the others", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 1, 8, 8)
			e := &device{id: "k1", epoch: 2, boot: 1, oldest: 1, hashes: make([]feedback.Hash, 1)}
			b.devices[e.key()] = e
			e.presses(2)
			b.send(e, 1, 2, 2)
			b.closedIs(d, true)
		}},
		{"three epochs, the last comes first", func(b *bench) {
			d := b.kiosk("k1", 10)
			e := b.child(d, 8, 5)
			f := b.child(e, e.last(), 0)
			f.presses(3)
			b.send(f, 1, 6, 6)
			b.send(e, 1, 3, 3) // heard of: 8
			b.closedIs(e, true)
			b.closedIs(f, false)
			b.gaps(e, closed(4, 8))
			b.send(d, 1, 8, 8)
			b.closedIs(d, true)
			b.gaps(d) // e repeats 9 to 13
			b.send(e, 4, 8, 8)
			b.gaps(e)
			b.gaps(f)
			b.closedIs(f, false)
		}},
		{"three epochs, the middle one comes last", func(b *bench) {
			d := b.kiosk("k1", 10)
			e := b.child(d, 8, 5)
			f := b.child(e, e.last(), 0)
			f.presses(3)
			b.send(f, 1, 3, 3)
			b.send(d, 1, 8, 8) // nobody knows yet that f descends from it
			b.closedIs(f, true)
			b.gaps(f, closed(4, 6))
			b.send(e, 1, 8, 8)
			b.closedIs(f, false)
			b.closedIs(e, true)
			b.closedIs(d, true)
			for _, x := range []*device{d, e, f} {
				b.gaps(x)
			}
			b.send(f, 4, 6, 6)
		}},
		{"a grandchild comes before the child that repeats", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 1, 8, 8)
			e := b.child(d, 8, 5)
			f := b.child(e, e.last(), 0)
			b.send(f, 1, 3, 3)
			b.gaps(d, closed(9, 13)) // nobody knows better yet
			b.send(e, 1, 8, 8)
			b.gaps(d)
			b.gaps(e)
			b.closedIs(f, false)
		}},
		{"epochs that claim to be each other's parents", func(b *bench) {
			d := b.device("k1", 1, feedback.EpochBegan{Parent: 2, ParentLast: 3})
			e := b.device("k1", 2, feedback.EpochBegan{Parent: 1, ParentLast: 3})
			b.send(d, 1, 3, 3)
			b.send(e, 1, 3, 3)
		}},
		{"a new epoch and the rest of the old one at once", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 1, 8, 8)
			e := b.child(d, 8, 0)
			for i, o := range b.offer(e.batch(1, 3), d.batch(9, 11)) {
				if o.Err != nil || o.Ack.Refused != "" {
					b.Errorf("batch %d: got %+v", i+1, o)
				}
			}
			b.gaps(d, closed(12, 13))
		}},
		{"the rest of the old epoch and a new one at once", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 1, 8, 8)
			e := b.child(d, 8, 0)
			for i, o := range b.offer(d.batch(9, 11), e.batch(1, 3)) {
				if o.Err != nil || o.Ack.Refused != "" {
					b.Errorf("batch %d: got %+v", i+1, o)
				}
			}
			b.gaps(d, closed(12, 13))
		}},
		{"two clones separate by themselves", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 1, 13, 13)
			c := d.clone(8)
			c.since = 1000 * minute
			c.presses(7) // 9 to 15, never stored under these numbers
			b.refused(c, 9, 15, 13)
			e := b.child(c, 8, 7)
			b.send(e, 1, e.last(), e.last())
			d.presses(2)
			b.send(d, 14, 15, 15) // the first one goes on in the old epoch
			b.gaps(d)
		}},
	}
}
