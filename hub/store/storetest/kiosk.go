package storetest

import (
	"encoding/json"
	"testing"
	"time"

	"sourire/hub/ingest"
	"sourire/internal/feedback"
	"sourire/internal/wire"
)

// Kiosk is a journal in memory that goes the way of a real one into a store:
// batches, through a real [ingest.Ingester].
type Kiosk struct {
	ID       feedback.KioskID
	Epoch    feedback.Epoch
	tb       testing.TB
	ingester *ingest.Ingester
	boot     feedback.Boot
	bootedAt time.Time
	hash     []feedback.Hash // after n records
	records  []json.RawMessage
	texts    map[feedback.Seq]wire.Text
	sent     int
}

// NewKiosk returns a kiosk with a new journal whose clock is right from the
// instant on.
func NewKiosk(tb testing.TB, g *ingest.Ingester, id feedback.KioskID, bootedAt time.Time) *Kiosk {
	tb.Helper()
	k := &Kiosk{ID: id, Epoch: 1, tb: tb, ingester: g, boot: 1, bootedAt: bootedAt, hash: make([]feedback.Hash, 1)}
	k.Record(bootedAt, feedback.EpochBegan{Why: "new"})
	k.fix(bootedAt)
	return k
}

func (k *Kiosk) fix(at time.Time) {
	k.Record(at, feedback.ClockFix{Boot: k.boot, Offset: k.bootedAt.UnixMilli(), Uncertainty: 5, Source: "system"})
}

// Reboot starts the kiosk anew; without a clock, what follows has no date.
func (k *Kiosk) Reboot(at time.Time, clock bool) {
	k.boot++
	k.bootedAt = at
	k.Record(at, feedback.BootBegan{Version: "test"})
	if clock {
		k.fix(at)
	}
}

// Asks makes the kiosk ask something else from an instant on.
func (k *Kiosk) Asks(at time.Time, asked feedback.Asked) {
	k.Record(at, feedback.PlanApplied{Plan: feedback.NewPlanID([]byte(asked.Touchpoint)), Asked: asked})
}

// Press presses a face.
func (k *Kiosk) Press(at time.Time, rating int) {
	k.Record(at, feedback.Press{Rating: rating, Held: 80})
}

// Record appends a fact to the journal.
func (k *Kiosk) Record(at time.Time, fact feedback.Fact) {
	k.Verbatim(wire.AppendRecord(nil, feedback.Record{
		Stamp: feedback.Stamp{Boot: k.boot, Since: at.Sub(k.bootedAt).Milliseconds()}, Fact: fact,
	}))
}

// Comment leaves a text after a press.
func (k *Kiosk) Comment(at time.Time, press feedback.Seq, text string) {
	t := wire.Text{Seq: k.Next(), Salt: []byte{1, 2, 3, 4}, Text: text}
	if k.texts == nil {
		k.texts = make(map[feedback.Seq]wire.Text)
	}
	k.texts[t.Seq] = t
	k.Record(at, feedback.Comment{Press: press, Digest: t.Digest()})
}

// Verbatim appends the bytes of a record, good or bad.
func (k *Kiosk) Verbatim(body []byte) {
	k.records = append(k.records, body)
	k.hash = append(k.hash, k.hash[len(k.hash)-1].Next(body))
}

// Next returns the number that the next record will get.
func (k *Kiosk) Next() feedback.Seq { return feedback.Seq(len(k.records) + 1) }

// Lose forgets everything that was not sent yet, which the hub has to declare
// lost.
func (k *Kiosk) Lose() { k.sent = len(k.records) }

// Send sends what was not sent yet, in full batches.
func (k *Kiosk) Send() {
	k.tb.Helper()
	for k.sent < len(k.records) {
		n := min(len(k.records)-k.sent, wire.MaxRecords)
		first := feedback.Seq(k.sent + 1)
		var texts []wire.Text
		for i := range n {
			if t, ok := k.texts[first+feedback.Seq(i)]; ok {
				texts = append(texts, t)
			}
		}
		out := k.ingester.Ingest(k.tb.Context(), []ingest.Batch{{Kiosk: k.ID, Batch: wire.Batch{
			V: wire.Version, Re: wire.Re{Nonce: "t", Number: int64(first)}, Epoch: k.Epoch, First: first,
			Before: k.hash[k.sent], Oldest: first, Next: k.Next(), Records: k.records[k.sent : k.sent+n], Texts: texts,
		}}})[0]
		if out.Err != nil || out.Ack.Refused != "" || out.Ack.Through != first+feedback.Seq(n)-1 {
			k.tb.Fatalf("%s: records from %d: %v %s %s, stored through %d", k.ID, first, out.Err, out.Ack.Refused, out.Ack.Why, out.Ack.Through)
		}
		k.sent += n
	}
}
