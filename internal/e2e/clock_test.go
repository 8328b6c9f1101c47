package e2e

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"sourire/hub/app"
	"sourire/hub/store/sqlstore"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	kioskapp "sourire/kiosk/app"
	"sourire/kiosk/clock"
)

// lost1970 is the clock of a box without a clock: it begins in 1970 at each
// boot, and knows that it knows nothing.
type lost1970 struct {
	boot string
	at   time.Time // of the boot, really
}

// Now implements kiosk/app.Clock.
func (c lost1970) Now() clock.Reading {
	since := time.Since(c.at)
	return clock.Reading{BootID: c.boot, Since: since, Wall: time.Unix(0, 0).Add(since)}
}

// A kiosk that believes to be in 1970 takes presses offline, over two boots,
// and meets its hub in the third. The hub's answers tell the time of the third
// boot; what was pressed in the first two cannot be dated by anything that was
// known before them, so it is counted as set aside, and nothing is lost.
func TestClock_1970(t *testing.T) {
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "kiosk")
	where := stay{site: "store-1", touchpoint: "exit", scale: "smiley3"}
	open := func(boot, address string, ago time.Duration) *kioskapp.Kiosk {
		t.Helper()
		k, err := kioskapp.New(ctx, offlineOptions(dir, lost1970{boot, time.Now().Add(-ago)}, where, address))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	for _, boot := range []string{"first", "second"} {
		k := open(boot, "", time.Hour)
		if _, err := k.Press(ctx, 0); err != nil {
			t.Fatal(err)
		}
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
	}
	set := hubSettings(t)
	hub := startHub(t, set)
	k := open("third", hub.BrokerAddr(), 10*time.Minute)
	began := time.Now()
	if _, err := k.Press(ctx, 2); err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- k.Run(running) }()
	settled(t, k)
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	proved(t, set)

	store, err := sqlstore.Open(ctx, filepath.Join(set.Data, app.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	dated, undated := 0, 0
	err = store.Snapshot(ctx, func(r verify.Reader) error {
		sources, err := r.Sources(ctx)
		if err != nil {
			return err
		}
		visits, err := r.Visits(ctx, sources[0].Key)
		for _, v := range visits {
			if !v.Dated() {
				undated++
				continue
			}
			dated++
			if off := time.UnixMilli(v.At).Sub(began).Abs(); off > 5*time.Second || v.Asked.Site != feedback.SiteID("store-1") {
				t.Errorf("%+v is %v off", v, off)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if dated != 1 || undated != 2 {
		t.Errorf("got %d dated and %d undated visits, want 1 and 2", dated, undated)
	}
}
