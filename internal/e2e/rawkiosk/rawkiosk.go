// Package rawkiosk speaks the wire by hand: a kiosk without a journal or a
// mind, for tests and measurements that must say exactly what they say, when,
// and how often. Everything that must hold for real kiosks is tested with real
// ones; this is for floods, garbage and the stopwatch.
package rawkiosk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/link"
	"sourire/internal/wire"
)

// Kiosk is a connection and a journal in memory. One goroutine uses it.
type Kiosk struct {
	ID      feedback.KioskID
	Full    int // records in a full batch
	Records []json.RawMessage

	conn   *link.Conn
	acks   chan wire.Ack
	hashes []feedback.Hash // hashes[n] after n records
	number int64
	told   atomic.Int64 // answers that said wait
}

// Epoch is the epoch of every raw kiosk.
const Epoch = feedback.Epoch(7)

// New returns a kiosk that is not connected. Its journal holds a plan and a
// clock fix.
func New(id string) *Kiosk {
	k := &Kiosk{ID: feedback.KioskID(id), Full: wire.MaxRecords, acks: make(chan wire.Ack, 1000), hashes: make([]feedback.Hash, 1)}
	k.Add(0, feedback.EpochBegan{Why: "new"})
	k.Add(0, feedback.PlanApplied{Plan: feedback.NewPlanID(nil), Asked: feedback.Asked{Site: "s", Touchpoint: "exit", Survey: "q", Scale: "smiley3"}})
	k.Add(0, feedback.ClockFix{Boot: 1, Offset: 1_790_000_000_000, Uncertainty: 10, Source: "system"})
	return k
}

// Dial returns a new kiosk that is connected.
func Dial(ctx context.Context, address, key, id string) (*Kiosk, error) {
	k := New(id)
	return k, k.Connect(ctx, address, key)
}

// Connect connects, or connects again with whatever the kiosk holds.
func (k *Kiosk) Connect(ctx context.Context, address, key string) error {
	if k.conn != nil {
		k.conn.Close()
	}
	conn, err := link.Dial(ctx, link.Options{
		Address: address, ClientID: string(k.ID), Username: string(k.ID), Password: key,
		Subscriptions: []string{wire.Topic(k.ID, wire.TopicAck)},
		Handler: func(m link.Message) {
			if a, err := wire.Decode[wire.Ack](m.Payload); err == nil {
				if a.Refused == wire.RefusedBusy {
					k.told.Add(1)
				}
				select {
				case k.acks <- a:
				default:
				}
			}
		},
	})
	k.conn = conn
	return err
}

// Close hangs up.
func (k *Kiosk) Close() {
	if k.conn != nil {
		k.conn.Close()
	}
}

// Press adds n presses, three seconds apart.
func (k *Kiosk) Press(n int) {
	for range n {
		i := len(k.Records)
		k.Add(int64(3000*i), feedback.Press{Rating: i % 3, Held: 80})
	}
}

// Add adds a record, so many milliseconds after the boot.
func (k *Kiosk) Add(since int64, f feedback.Fact) {
	body := wire.AppendRecord(nil, feedback.Record{Stamp: feedback.Stamp{Boot: 1, Since: since}, Fact: f})
	k.Records = append(k.Records, body)
	k.hashes = append(k.hashes, k.hashes[len(k.hashes)-1].Next(body))
}

// Batch encodes a full batch that begins at first.
func (k *Kiosk) Batch(number int64, first int) ([]byte, error) {
	n := min(k.Full, len(k.Records)-first+1)
	return wire.EncodeBatch(wire.Batch{
		Re: wire.Re{Nonce: "n", Number: number}, Epoch: Epoch, First: feedback.Seq(first), Before: k.hashes[first-1],
		Oldest: 1, Next: feedback.Seq(len(k.Records) + 1), Records: k.Records[first-1 : first-1+n],
	})
}

// Send publishes a payload on the journal's topic.
func (k *Kiosk) Send(payload []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return k.conn.Publish(ctx, link.Message{Topic: wire.Topic(k.ID, wire.TopicJournal), Payload: payload})
}

// Told returns how often the hub has told the kiosk to wait, whether or not
// anybody waited for that answer. Any goroutine may ask.
func (k *Kiosk) Told() int { return int(k.told.Load()) }

// ErrNoAnswer says that no answer came in time.
var ErrNoAnswer = errors.New("no answer")

// Answer waits for the answer to a request.
func (k *Kiosk) Answer(number int64) (wire.Ack, error) {
	limit := time.NewTimer(5 * time.Second)
	defer limit.Stop()
	for {
		select {
		case a := <-k.acks:
			if a.Re.Number == number {
				return a, nil
			}
		case <-k.conn.Lost():
			return wire.Ack{}, k.conn.Err()
		case <-limit.C:
			return wire.Ack{}, ErrNoAnswer
		}
	}
}

// Heard returns the answers that have come and were not waited for.
func (k *Kiosk) Heard() []wire.Ack {
	var out []wire.Ack
	for {
		select {
		case a := <-k.acks:
			out = append(out, a)
		default:
			return out
		}
	}
}

// Drain sends all records, one request at a time, until the hub has them, and
// returns how often it was told to wait. It waits a tenth of what it is told.
func (k *Kiosk) Drain() (waits int, err error) {
	k.number += 1_000_000 // above what was sent by hand
	through := 0
	for tries := 0; through < len(k.Records); tries++ {
		if tries > len(k.Records)+200 {
			return waits, fmt.Errorf("%s: stuck at %d of %d", k.ID, through, len(k.Records))
		}
		k.number++
		p, err := k.Batch(k.number, through+1)
		if err != nil {
			return waits, err
		}
		if err := k.Send(p); err != nil {
			return waits, err
		}
		a, err := k.Answer(k.number)
		switch {
		case errors.Is(err, ErrNoAnswer):
		case err != nil:
			return waits, err
		case a.Refused == wire.RefusedBusy:
			waits++
			<-time.After(time.Duration(a.Wait) * 100 * time.Millisecond)
		case a.Refused != "":
			return waits, fmt.Errorf("%s: refused: %s: %s", k.ID, a.Refused, a.Why)
		default:
			through = int(a.Through)
		}
	}
	return waits, nil
}
