package storetest

import (
	"encoding/json"
	"fmt"

	"sourire/hub/ingest"
	"sourire/internal/feedback"
	"sourire/internal/wire"
)

// device is one epoch of a kiosk's journal in memory: all of it, whatever a real
// kiosk would have pruned, and ready to be sent in any pieces.
type device struct {
	id      feedback.KioskID
	epoch   feedback.Epoch
	boot    feedback.Boot
	since   int64
	oldest  feedback.Seq // what it claims to have still
	records []json.RawMessage
	hashes  []feedback.Hash // after n records
	texts   map[feedback.Seq]wire.Text
	asked   int64 // requests
}

// bootedAt is when the first boot of a device began, Unix milliseconds.
const bootedAt = 1_774_700_000_000

// minute is the time between the presses of a device.
const minute = 60_000

func askedAt(site feedback.SiteID) feedback.Asked {
	return feedback.Asked{Site: site, Touchpoint: "exit", Survey: "visit", Scale: "smiley3"}
}

func newDevice(id feedback.KioskID, epoch feedback.Epoch, began feedback.EpochBegan) *device {
	d := &device{
		id: id, epoch: epoch, boot: 1, oldest: 1,
		hashes: make([]feedback.Hash, 1), texts: make(map[feedback.Seq]wire.Text),
	}
	d.add(began)
	d.add(feedback.PlanApplied{Plan: feedback.NewPlanID([]byte("plan")), Asked: askedAt("lyon")})
	d.add(feedback.ClockFix{Boot: 1, Offset: bootedAt, Uncertainty: 100, Source: "system"})
	return d
}

// clone is a device with the records up to last and the same identity, as a
// copied card has it.
func (d *device) clone(last feedback.Seq) *device {
	c := *d
	c.records = append([]json.RawMessage(nil), d.records[:last]...)
	c.hashes = append([]feedback.Hash(nil), d.hashes[:last+1]...)
	return &c
}

func (d *device) key() ingest.Key { return ingest.Key{Kiosk: d.id, Epoch: d.epoch} }

func (d *device) last() feedback.Seq { return feedback.Seq(len(d.records)) }

// add appends a fact.
func (d *device) add(f feedback.Fact) {
	d.raw(wire.AppendRecord(nil, feedback.Record{Stamp: feedback.Stamp{Boot: d.boot, Since: d.since}, Fact: f}))
}

// raw appends the bytes of a record, good or bad.
func (d *device) raw(body []byte) {
	d.records = append(d.records, body)
	d.hashes = append(d.hashes, d.hashes[len(d.hashes)-1].Next(body))
}

// presses adds n presses, a minute apart, on all faces in turn.
func (d *device) presses(n int) {
	for range n {
		d.since += minute
		d.add(feedback.Press{Rating: len(d.records) % 3, Held: 80})
	}
}

// reboot begins another boot, of which no clock fix is known.
func (d *device) reboot() {
	d.boot++
	d.since = 10
	d.add(feedback.BootBegan{Version: "v1", Down: -1})
}

// batch is a request with records first to last; with last < first it is a
// question. It names the last record as the end of the journal.
func (d *device) batch(first, last feedback.Seq) ingest.Batch {
	d.asked++
	b := ingest.Batch{Kiosk: d.id, Batch: wire.Batch{
		V: wire.Version, Re: wire.Re{Nonce: fmt.Sprintf("%s-%d", d.id, d.epoch), Number: d.asked}, Epoch: d.epoch,
		First: first, Before: d.hashes[first-1], Oldest: d.oldest, Next: d.last() + 1,
	}}
	if last >= first {
		b.Records = d.records[first-1 : last]
	}
	for seq := first; seq <= last; seq++ {
		if t, ok := d.texts[seq]; ok {
			b.Texts = append(b.Texts, t)
		}
	}
	return b
}
