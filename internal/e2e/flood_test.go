package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"sourire/hub/app"
	"sourire/internal/e2e/rawkiosk"
	"sourire/internal/feedback"
	"sourire/internal/wire"
)

// flood is fifty kiosks that send two hundred full batches each, all at once
// and without waiting for an answer.
type flood struct {
	kiosks   []*rawkiosk.Kiosk
	payloads [][][]byte // of each kiosk, in order
	size     int        // batches

	sent    atomic.Int64 // batches
	drained atomic.Int64 // kiosks of which the hub has everything
}

func newFlood(t testing.TB, prefix string) *flood {
	t.Helper()
	const kiosks, batches, full = 50, 200, 50
	f := &flood{kiosks: make([]*rawkiosk.Kiosk, kiosks), payloads: make([][][]byte, kiosks), size: kiosks * batches}
	long := feedback.Kind(strings.Repeat("x", 2400)) // a kind nobody knows fills a batch in bytes
	for i := range f.kiosks {
		k := rawkiosk.New(fmt.Sprintf("%s-%d", prefix, i))
		t.Cleanup(k.Close)
		k.Full = full
		for len(k.Records) < batches*full {
			k.Press(1)
			k.Add(int64(3000*len(k.Records)), feedback.Unknown{Name: long})
		}
		for b := range batches {
			p, err := k.Batch(int64(b), b*full+1)
			if err != nil {
				t.Fatal(err)
			}
			f.payloads[i] = append(f.payloads[i], p)
		}
		f.kiosks[i] = k
	}
	t.Logf("%d batches of %d bytes", f.size, len(f.payloads[0][0]))
	return f
}

func (f *flood) connect(t testing.TB, address, key string) {
	t.Helper()
	for _, k := range f.kiosks {
		if err := k.Connect(context.Background(), address, key); err != nil {
			t.Fatal(err)
		}
	}
}

// send sends everything. When a connection is lost, again makes a new one; nil
// says that none may be lost.
func (f *flood) send(again func(*rawkiosk.Kiosk) error) error {
	done := make(chan error)
	for i, k := range f.kiosks {
		go func() {
			var err error
			for n := 0; n < len(f.payloads[i]) && err == nil; n++ {
				err = k.Send(f.payloads[i][n])
				for again != nil && err != nil {
					if err = again(k); err != nil {
						break
					}
					err = k.Send(f.payloads[i][n])
				}
				f.sent.Add(1)
			}
			done <- err
		}()
	}
	var first error
	for range f.kiosks {
		if err := <-done; first == nil {
			first = err
		}
	}
	return first
}

// told returns how often kiosks were told to wait so far.
func (f *flood) told() (waits int) {
	for _, k := range f.kiosks {
		waits += k.Told()
	}
	return waits
}

// heard looks at what was answered and not waited for.
func (f *flood) heard() error {
	for _, k := range f.kiosks {
		for _, a := range k.Heard() {
			if a.Refused == wire.RefusedBusy && a.Wait < 1 {
				return fmt.Errorf("%s was told to wait for no time", k.ID)
			}
		}
	}
	return nil
}

// drain lets each kiosk say what the hub has not taken. again is as for send.
func (f *flood) drain(again func(*rawkiosk.Kiosk) error) error {
	for _, k := range f.kiosks {
		_, err := k.Drain()
		for again != nil && err != nil {
			if err = again(k); err != nil {
				break
			}
			_, err = k.Drain()
		}
		if err != nil {
			return err
		}
		f.drained.Add(1)
	}
	return nil
}

// provedFloods fails the test unless the hub has everything of every flood, and can
// prove it. It returns the presses of kiosks that did not flood.
func provedFloods(t testing.TB, s app.Settings, floods ...*flood) (others int64) {
	t.Helper()
	want := make(map[feedback.KioskID]int64)
	for _, f := range floods {
		for _, k := range f.kiosks {
			want[k.ID] = int64(len(k.Records))
		}
	}
	for _, f := range proved(t, s).Findings {
		n, flooded := want[f.Source.Key.Kiosk]
		if !flooded {
			others += f.Presses
			continue
		}
		if f.Received != n {
			t.Errorf("%s: got %d records, want %d", f.Source.Key.Kiosk, f.Received, n)
		}
		delete(want, f.Source.Key.Kiosk)
	}
	if len(want) > 0 {
		t.Errorf("the hub knows nothing of %d kiosks", len(want))
	}
	return others
}
