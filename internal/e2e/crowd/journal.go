package main

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/wire"
	"sourire/kiosk/journal"
)

// memory is a journal of one epoch that forgets nothing while it lives. The
// uplink's goroutine and the visitors use it.
type memory struct {
	epoch   feedback.Epoch
	began   time.Time
	changed chan struct{}              // of size 1: something was appended
	done    func(waited time.Duration) // the hub has a press, so long after it was made

	mu      sync.Mutex
	records []json.RawMessage
	hashes  []feedback.Hash // hashes[n] after n records
	acked   feedback.Seq
	waiting []waiting // presses that the hub has not, oldest first
}

// waiting is a press that waits for the hub.
type waiting struct {
	seq feedback.Seq
	at  time.Time
}

// newMemory begins a journal as a box does that knows the time.
func newMemory(asked feedback.Asked, now time.Time, done func(time.Duration)) *memory {
	m := &memory{
		epoch: feedback.Epoch(rand.Uint64() | 1), began: now, changed: make(chan struct{}, 1), done: done,
		hashes: make([]feedback.Hash, 1, 8),
	}
	for _, f := range []feedback.Fact{
		feedback.EpochBegan{Why: "new"},
		feedback.BootBegan{Version: "crowd", Down: -1},
		feedback.ClockFix{Boot: 1, Offset: now.UnixMilli(), Uncertainty: 10, Source: "system"},
		feedback.PlanApplied{Plan: feedback.NewPlanID([]byte(asked.Touchpoint)), Asked: asked},
	} {
		m.append(now, f)
	}
	return m
}

// append appends a fact; the caller holds mu or is alone.
func (m *memory) append(now time.Time, f feedback.Fact) feedback.Seq {
	stamp := feedback.Stamp{Boot: 1, Since: now.Sub(m.began).Milliseconds()}
	body := wire.AppendRecord(nil, feedback.Record{Stamp: stamp, Fact: f})
	m.records = append(m.records, body)
	m.hashes = append(m.hashes, m.hashes[len(m.hashes)-1].Next(body))
	return feedback.Seq(len(m.records))
}

// press appends a press once noted has put it on record under its number.
func (m *memory) press(now time.Time, rating int, noted func(feedback.Seq) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := noted(feedback.Seq(len(m.records) + 1)); err != nil {
		return err
	}
	seq := m.append(now, feedback.Press{Rating: rating, Held: 80})
	m.waiting = append(m.waiting, waiting{seq, now})
	select {
	case m.changed <- struct{}{}:
	default:
	}
	return nil
}

// queue returns how many presses wait, and how long the oldest has.
func (m *memory) queue(now time.Time) (n int, oldest time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.waiting) > 0 {
		oldest = now.Sub(m.waiting[0].at)
	}
	return len(m.waiting), oldest
}

// Epochs implements uplink.Journal.
func (m *memory) Epochs() []journal.Epoch {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := len(m.records)
	return []journal.Epoch{{ID: m.epoch, Oldest: 1, Next: feedback.Seq(n + 1), Acked: m.acked, Head: m.hashes[n], Current: true}}
}

// Batch implements uplink.Journal.
func (m *memory) Batch(_ context.Context, id feedback.Epoch, from feedback.Seq, limit journal.Limit) (wire.Batch, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := feedback.Seq(len(m.records))
	if id != m.epoch || from < 1 || from > n+1 {
		return wire.Batch{}, journal.ErrNotHeld
	}
	b := wire.Batch{Epoch: id, First: from, Before: m.hashes[from-1], Oldest: 1, Next: n + 1}
	size := 0
	for _, r := range m.records[from-1 : min(n, from-1+feedback.Seq(limit.Records))] {
		if size += len(r) + 1; len(b.Records) > 0 && size > limit.Bytes {
			break
		}
		b.Records = append(b.Records, r)
	}
	return b, nil
}

// Ack implements uplink.Journal.
func (m *memory) Ack(id feedback.Epoch, through feedback.Seq) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if id != m.epoch || through < 0 || through > feedback.Seq(len(m.records)) {
		return journal.ErrNotHeld
	}
	m.acked = max(m.acked, through)
	for len(m.waiting) > 0 && m.waiting[0].seq <= through {
		m.done(time.Since(m.waiting[0].at))
		m.waiting = m.waiting[1:]
	}
	return nil
}

// Rewind implements uplink.Journal.
func (m *memory) Rewind(id feedback.Epoch, through feedback.Seq) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if id != m.epoch || through < 0 || through > feedback.Seq(len(m.records)) {
		return journal.ErrNotHeld
	}
	m.acked = min(m.acked, through)
	return nil
}

var errFork = errors.New("the hub speaks of a fork, and there is none")

// Fork implements uplink.Journal. One that happened would be a defect.
func (m *memory) Fork(context.Context, feedback.Epoch, feedback.Seq, string) (feedback.Epoch, error) {
	return 0, errFork
}
