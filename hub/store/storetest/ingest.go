package storetest

import (
	"context"
	"testing"
	"time"

	"sourire/hub/ingest"
	"sourire/hub/site"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	"sourire/internal/wire"
)

// IngestStore is a store as the suite of ingest.Store and verify.Store needs it,
// which is [Ingest] in hub/store/storetest.
type IngestStore interface {
	ingest.Store
	ingest.Rebuilds
	ingest.Packs
	verify.Store
	PutSites(ctx context.Context, sites []site.Site) error
	PutZone(ctx context.Context, zone *time.Location) error
	ID(ctx context.Context) (string, error)
	Redraw(ctx context.Context) error
	TakeOver(ctx context.Context) (int64, error)
	Close() error
}

// Database is an empty database of a store's kind, and what the suite does
// behind the store's back.
type Database struct {
	// Open returns another handle on the database; the suite closes it.
	Open func(tb testing.TB) IngestStore
	// Copy returns what a backup holds that is made now, while handles are open.
	Copy func(tb testing.TB) Database
	// Obstruct puts a row in the place where a record of a journal, which the
	// store knows, will be stored at that instant; Clear takes it away.
	Obstruct func(tb testing.TB, key ingest.Key, seq feedback.Seq, at time.Time)
	Clear    func(tb testing.TB, key ingest.Key, seq feedback.Seq, at time.Time)
	// Age makes a journal one that an older version of the visit rule folded.
	Age func(tb testing.TB, key ingest.Key)
	// Exec executes a statement.
	Exec func(tb testing.TB, query string)
	// Comments returns the texts that are kept of a journal.
	Comments func(tb testing.TB, key ingest.Key) map[feedback.Seq]string
	// Refused returns how many refused payloads of a kiosk are kept, how long
	// they are together, and how many were counted.
	Refused func(tb testing.TB, kiosk feedback.KioskID) (kept int, size, counted int64)
}

// Ingest holds a store to the contracts of ingest.Store, ingest.Rebuilds and verify.Store: every
// rule of the conversation, through a real ingester. create returns a new empty
// database.
func Ingest(t *testing.T, create func(t *testing.T) Database) {
	groups := []struct {
		name  string
		cases []ingestCase
	}{
		{"Conversation", conversationCases()},
		{"Gaps", gapCases()},
		{"Epochs", epochCases()},
		{"Records", recordCases()},
		{"Replay", replayCases()},
		{"Writers", writerCases()},
		{"Rebuild", rebuildCases()},
		{"Faults", faultCases()},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, c := range g.cases {
				t.Run(c.name, func(t *testing.T) {
					b := newBench(t, create(t))
					c.run(b)
					b.check()
				})
			}
		})
	}
}

// ingestCase is a case of the suite; after each the bench is checked.
type ingestCase struct {
	name string
	run  func(b *bench)
}

// bench is a store under test, an ingester that has taken it over, and the
// kiosks that speak to it.
type bench struct {
	*testing.T
	db       Database
	store    IngestStore
	ingester *ingest.Ingester
	term     int64
	now      time.Time // of the hub
	devices  map[ingest.Key]*device
}

func newBench(t *testing.T, db Database) *bench {
	t.Helper()
	b := &bench{T: t, db: db, now: time.Date(2026, 3, 29, 0, 30, 0, 0, time.UTC), devices: make(map[ingest.Key]*device)}
	b.store = b.open()
	b.takeOver()
	return b
}

// open returns a handle that is closed when the test ends.
func (b *bench) open() IngestStore {
	b.Helper()
	s := b.db.Open(b)
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

func (b *bench) takeOver() {
	b.Helper()
	term, err := b.store.TakeOver(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.term, b.ingester = term, b.ingesterOn(b.store, term)
}

// forget makes an ingester that has no marks cached.
func (b *bench) forget() { b.ingester = b.ingesterOn(b.store, b.term) }

func (b *bench) ingesterOn(s ingest.Store, term int64) *ingest.Ingester {
	return ingest.New(s, ingest.Options{StoreID: "store", Term: term, Now: func() time.Time { return b.now }})
}

// device returns a kiosk's journal that the bench will check. It holds the
// epoch's first record, a plan and a clock fix: its presses begin at 4.
func (b *bench) device(id feedback.KioskID, epoch feedback.Epoch, began feedback.EpochBegan) *device {
	d := newDevice(id, epoch, began)
	b.devices[d.key()] = d
	return d
}

// kiosk is a device with a first epoch and so many presses.
func (b *bench) kiosk(id feedback.KioskID, presses int) *device {
	d := b.device(id, 1, feedback.EpochBegan{Why: "new"})
	d.presses(presses)
	return d
}

// offer hands batches to the ingester and returns the outcomes.
func (b *bench) offer(batches ...ingest.Batch) []ingest.Outcome {
	return b.ingester.Ingest(b.Context(), batches)
}

// send sends records first to last of a device and expects the answer that
// everything up to through is stored.
func (b *bench) send(d *device, first, last, through feedback.Seq) {
	b.Helper()
	batch := d.batch(first, last)
	o := b.offer(batch)[0]
	switch {
	case o.Err != nil:
		b.Fatalf("records %d to %d: %v", first, last, o.Err)
	case o.Ack.Refused != "":
		b.Fatalf("records %d to %d: refused as %s: %s", first, last, o.Ack.Refused, o.Ack.Why)
	case o.Ack.Through != through:
		b.Fatalf("records %d to %d: got through %d, want %d", first, last, o.Ack.Through, through)
	}
	b.answered(batch, o.Ack)
}

// refused sends records, or a question with last < first, and expects a fork.
func (b *bench) refused(d *device, first, last, through feedback.Seq) {
	b.Helper()
	batch := d.batch(first, last)
	o := b.offer(batch)[0]
	if o.Err != nil || o.Ack.Refused != wire.RefusedFork || o.Ack.Why == "" || o.Ack.Through != through || o.Stored != 0 {
		b.Fatalf("records %d to %d: got %+v, want a fork and through %d", first, last, o, through)
	}
	b.answered(batch, o.Ack)
}

// answered checks what every answer says.
func (b *bench) answered(batch ingest.Batch, a wire.Ack) {
	b.Helper()
	want := wire.Ack{
		V: wire.Version, Re: batch.Re, Store: "store", Term: b.term, Epoch: batch.Epoch,
		Through: a.Through, At: b.now.UnixMilli(), Refused: a.Refused, Why: a.Why,
	}
	if a != want {
		b.Errorf("got answer %+v, want %+v", a, want)
	}
}

// gaps compares the declared gaps of a device.
func (b *bench) gaps(d *device, want ...ingest.Gap) {
	b.Helper()
	b.read(func(r verify.Reader) error {
		got, err := r.Gaps(b.Context(), d.key())
		if err != nil {
			return err
		}
		if !equal(got, want) {
			b.Errorf("%s epoch %v: got gaps %+v, want %+v", d.id, d.epoch, got, want)
		}
		return nil
	})
}

// source returns what the store knows of a device.
func (b *bench) source(d *device) (found verify.Source) {
	b.Helper()
	b.read(func(r verify.Reader) error {
		sources, err := r.Sources(b.Context())
		for _, s := range sources {
			if s.Key == d.key() {
				found = s
			}
		}
		return err
	})
	return found
}

func (b *bench) read(do func(verify.Reader) error) {
	b.Helper()
	if err := b.store.Snapshot(b.Context(), do); err != nil {
		b.Fatal(err)
	}
}

func equal(a, b []ingest.Gap) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
