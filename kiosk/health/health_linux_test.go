package health_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/wire"
	"sourire/kiosk/clock"
	"sourire/kiosk/health"
	"sourire/kiosk/journal"
)

type fakeJournal struct {
	stats journal.Stats
	err   error
}

func (f fakeJournal) Stats(context.Context) (journal.Stats, error) { return f.stats, f.err }
func (f fakeJournal) TakeSlowest() time.Duration                   { return 1234567 * time.Nanosecond }

type fakeClock clock.Reading

func (f fakeClock) Now() clock.Reading { return clock.Reading(f) }

func TestGauge_Read(t *testing.T) {
	stats := journal.Stats{
		Epochs: []journal.Epoch{{ID: 1, Next: 9}, {ID: 2, Next: 42, Current: true}},
		Queue:  7, QueuedPresses: 5, Presses: 40, DaysLeft: 12.5, Session: 3,
	}
	o := health.Options{
		Journal: fakeJournal{stats: stats}, Clock: fakeClock{Wall: time.UnixMilli(1_790_000_000_000), Trusted: true},
		DiskFree: func() (int64, error) { return 99, nil }, Memory: func() int64 { return 88 }, Root: t.TempDir(),
		Buttons: func() []wire.Button { return []wire.Button{{Heard: true, TooShort: 3}} },
	}
	want := wire.Health{
		V: wire.Version, Session: 3, Epoch: 2, Next: 42, Queue: 7, QueuedPresses: 5, Presses: 40, DaysLeft: 12.5,
		At: 1_790_000_000_000, WriteMicros: 1234, ClockTrusted: true, MemoryBytes: 88, DiskFree: 99,
		Buttons: []wire.Button{{Heard: true, TooShort: 3}},
	}
	if got, err := health.New(o).Read(t.Context()); !reflect.DeepEqual(got, want) || err != nil {
		t.Errorf("got %+v and %v, want %+v", got, err, want)
	}
	o.Clock = fakeClock{Wall: time.UnixMilli(5)}
	o.DiskFree = func() (int64, error) { return 0, errors.New("no disk") }
	want.At, want.ClockTrusted, want.DiskFree = 0, false, 0
	if got, err := health.New(o).Read(t.Context()); !reflect.DeepEqual(got, want) || err != nil {
		t.Errorf("got %+v and %v, want %+v: no time that is not trusted, no disk that cannot be measured", got, err, want)
	}
	broken := errors.New("broken")
	o.Journal = fakeJournal{err: broken}
	if _, err := health.New(o).Read(t.Context()); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

// The machine's own figures and a journal on disk.
func TestGauge_ReadOfAJournal(t *testing.T) {
	c, err := clock.New()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	j, err := journal.Open(t.Context(), journal.Options{Path: folder + "/journal.db", Kiosk: "k-1", Version: "v0", Clock: c})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	plan := feedback.PlanApplied{
		Plan:  feedback.NewPlanID(nil),
		Asked: feedback.Asked{Site: "s", Touchpoint: "t", Survey: "q", Scale: "smiley3"},
	}
	if _, err := j.Append(t.Context(), plan, feedback.Press{Rating: 1}); err != nil {
		t.Fatal(err)
	}
	h, err := health.New(health.Options{Journal: j, Clock: c, Data: folder}).Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if h.Presses != 1 || h.QueuedPresses != 1 || h.Next < 3 || h.Epoch == 0 || h.WriteMicros <= 0 {
		t.Errorf("got %+v, want one press, queued", h)
	}
	if h.DiskFree <= 0 || h.MemoryBytes < 1<<20 || h.MemoryBytes > 1<<32 {
		t.Errorf("got %d bytes of disk and %d of memory, want figures of a machine", h.DiskFree, h.MemoryBytes)
	}
}

func TestDiskFree_NoFolder(t *testing.T) {
	if _, err := health.DiskFree(t.TempDir() + "/none"); err == nil {
		t.Error("got free space of a folder that is not there")
	}
}
