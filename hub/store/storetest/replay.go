package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"sourire/hub/ingest"
	"sourire/internal/feedback"
	"sourire/internal/visit"
	"sourire/internal/wire"
)

// replayCases are about a hub that could not read some records, and its upgrade.
// After each the bench finds what a hub would hold that could read them from the
// first.
func replayCases() []ingestCase {
	var cases []ingestCase
	for _, c := range []struct {
		name string
		bad  feedback.Seq
	}{
		{"the first record, which names the parent", 1},
		{"a plan: presses before any", 2},
		{"a clock fix: visits without a date", 3},
		{"the first press of a visit", 4},
		{"a press in the middle of a visit", 5},
		{"a plan: presses of another site", 7},
		{"the last record", 11},
	} {
		cases = append(cases, ingestCase{c.name, func(b *bench) { upgradedFrom(b, c.bad) }})
	}
	return append(cases,
		ingestCase{"a failing replay changes nothing", replayFails},
		ingestCase{"a replay that says it failed is repeated", replayReportedFailed},
		ingestCase{"another rule", anotherRule},
		ingestCase{"a plan with another scale: ratings that are bad now", otherScale},
		ingestCase{"what no version can read stays", unreadableStays},
		ingestCase{"a superseded hub replays nothing", supersededReplay},
		ingestCase{"the quarantine is bounded", quarantineBounded},
	)
}

// written is a journal of eleven records: two visits of several presses, a move
// to another site, and three visits there.
func written(b *bench) *device {
	parent := b.kiosk("k1", 2)
	b.send(parent, 1, 5, 5)
	d := b.device("k1", 2, feedback.EpochBegan{Parent: 1, ParentLast: 5, ParentHash: parent.hashes[5], Why: "test"})
	for _, gap := range []int64{minute, 300, 700} { // 4, 5, 6
		d.since += gap
		d.add(feedback.Press{Rating: len(d.records) % 3, Held: 80})
	}
	d.add(feedback.PlanApplied{Plan: feedback.NewPlanID([]byte("moved")), Asked: askedAt("nice")}) // 7
	d.presses(4)
	return d
}

// without makes the bench's ingester that of an older hub, which cannot read one
// record.
func (b *bench) without(d *device, bad feedback.Seq) {
	b.ingester = ingest.New(b.store, ingest.Options{
		StoreID: "store", Term: b.term, Now: func() time.Time { return b.now },
		Decode: func(body []byte) (feedback.Record, error) {
			if bytes.Equal(body, d.records[bad-1]) {
				return feedback.Record{}, errors.New("an older hub cannot read this")
			}
			return wire.DecodeRecord(body)
		},
	})
}

// outdated returns whether a journal is to be read again by a version.
func (b *bench) outdated(d *device, version string) bool {
	b.Helper()
	keys, err := b.store.Outdated(b.Context(), visit.Rule, version)
	if err != nil {
		b.Fatal(err)
	}
	for _, k := range keys {
		if k == d.key() {
			return true
		}
	}
	return false
}

// replay reads a journal again and expects so many records to be freed.
func (b *bench) replay(d *device, version string, freed int) {
	b.Helper()
	if !b.outdated(d, version) {
		b.Errorf("%v is not to be read again by %s", d.key(), version)
	}
	r, err := b.ingester.Replay(b.Context(), b.store, d.key(), version)
	if err != nil || r.Freed != freed {
		b.Fatalf("got %+v, %v, want %d records freed", r, err, freed)
	}
	if b.outdated(d, version) {
		b.Errorf("%v is still to be read again by %s", d.key(), version)
	}
}

// upgradedFrom upgrades between two batches; the new hub goes on from what the
// replay left.
func upgradedFrom(b *bench, bad feedback.Seq) {
	d := written(b)
	b.without(d, bad)
	b.send(d, 1, 6, 6)
	b.send(d, 7, 11, 11)
	b.forget() // the new hub
	d.presses(1)
	b.send(d, 11, 12, 12) // before the replay, on the old hub's state
	want := 1
	if bad == 2 {
		want += 3 // the presses that came before any plan, as it seemed
	}
	b.replay(d, "v2", want)
	d.presses(1)
	b.send(d, 13, 13, 13)
	b.send(d, 1, 13, 13) // the hashes are what they were
	b.send(d, bad, bad, 13)
}

func replayFails(b *bench) {
	d := written(b)
	b.without(d, 4)
	b.send(d, 1, 11, 11)
	f := &faulty{Store: b.store}
	b.forgetOn(f)
	for _, x := range []fault{applyFails, applyIsCancelled, changeFails} {
		f.fault = x
		if _, err := b.ingester.Replay(b.Context(), b.store, d.key(), "v2"); err == nil || !b.outdated(d, "v2") {
			b.Errorf("fault %d: got no error, or nothing left to do", x)
		}
	}
	b.replay(d, "v2", 1)
}

func replayReportedFailed(b *bench) {
	d := written(b)
	b.without(d, 7)
	b.send(d, 1, 11, 11)
	f := &faulty{Store: b.store, fault: applySucceedsAndSaysItFailed}
	b.forgetOn(f)
	if _, err := b.ingester.Replay(b.Context(), b.store, d.key(), "v2"); err == nil {
		b.Error("got no error")
	}
	d.presses(1)
	b.send(d, 12, 12, 12)
	if r, err := b.ingester.Replay(b.Context(), b.store, d.key(), "v3"); err != nil || r.Freed != 0 || len(r.Sites) != 0 {
		b.Errorf("got %+v, %v, want nothing changed", r, err)
	}
}

func anotherRule(b *bench) {
	d := written(b)
	b.send(d, 1, 11, 11)
	if b.outdated(d, "v2") {
		b.Error("a journal without anything bad is to be read again")
	}
	b.db.Age(b, d.key())
	d.presses(1)
	b.send(d, 12, 12, 12) // what comes on top does not make the rest new
	b.replay(d, "v2", 0)
}

func otherScale(b *bench) {
	d := b.kiosk("k1", 1)
	five := askedAt("lyon")
	five.Scale = "smiley5"                                                                // 1 to 5
	d.add(feedback.PlanApplied{Plan: feedback.NewPlanID([]byte("smiley5")), Asked: five}) // 5
	d.presses(3)                                                                          // 6 to 8 on 2, 0, 1
	b.without(d, 5)
	b.send(d, 1, 8, 8)
	b.forget()
	b.replay(d, "v2", 1)
	b.replay(d, "v3", 0)
	b.send(d, 1, 8, 8)
}

func unreadableStays(b *bench) {
	d := written(b)
	d.raw([]byte(`["press",1,"x"]`))
	d.presses(1)
	b.send(d, 1, 13, 13)
	b.replay(d, "v2", 0)
	b.replay(d, "v3", 0)
}

func supersededReplay(b *bench) {
	d := written(b)
	b.without(d, 4)
	b.send(d, 1, 11, 11)
	b.forget()
	old := b.ingester
	b.takeOver()
	if _, err := old.Replay(b.Context(), b.store, d.key(), "v2"); !ingest.Superseded(err) {
		b.Errorf("got %v, want superseded", err)
	}
	b.replay(d, "v2", 1)
}

// quarantineBounded sends more bad records than are kept of one kiosk: beyond
// the bound they are declared lost, and good ones count as ever.
func quarantineBounded(b *bench) {
	const size = 60_000
	d := b.kiosk("k1", 1)
	b.send(d, 1, 4, 4)
	kept := ingest.MaxQuarantined / size
	for i := range kept {
		d.raw(fmt.Appendf(nil, `["press",1,"%0*d"]`, size-14, i))
		b.send(d, d.last(), d.last(), d.last())
	}
	for range 3 {
		d.raw(fmt.Appendf(nil, `["press",1,"%0*d"]`, size-14, 0))
		b.send(d, d.last(), d.last(), d.last())
		if len(d.records)%2 == 0 {
			b.forget()
		}
	}
	lost := ingest.Gap{First: d.last() - 2, Last: d.last(), Why: ingest.GapBad}
	d.presses(1)
	first := d.last()
	for range 2 {
		d.raw(fmt.Appendf(nil, `["press",1,"%0*d"]`, 30_000, 0))
	}
	d.presses(1)
	b.send(d, first, d.last(), d.last())
	b.send(d, first-1, d.last(), d.last()) // a repeat, from inside what is lost
	one := func(seq feedback.Seq) ingest.Gap { return ingest.Gap{First: seq, Last: seq, Why: ingest.GapBad} }
	// In the last batch one still fits.
	b.gaps(d, one(lost.First), one(lost.First+1), one(lost.Last), one(first+2))
	other := b.kiosk("k2", 1)
	other.raw([]byte(`null`))
	b.send(other, 1, 5, 5)
}
