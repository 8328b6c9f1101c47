package app_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sourire/hub/app"
	"sourire/internal/link"
	"sourire/internal/mosquittotest"
	"sourire/internal/transcript"
)

// A hub that its external broker does not let in says which settings are wrong.
func TestApp_refusedByBroker(t *testing.T) {
	b := mosquittotest.Start(t, mosquittotest.Options{Users: []mosquittotest.User{{Name: "hub", Password: "right", Hub: true}}})
	s := settings(t)
	s.Broker.Address, s.Broker.Username, s.Broker.Password = b.URL(), "hub", "wrong"
	var log transcript.Buffer
	var dials atomic.Int32
	o := options(s)
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	o.Dial = func(ctx context.Context, o link.Options) (*link.Conn, error) { dials.Add(1); return link.Dial(ctx, o) }
	a, err := app.New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Stop()
	for late := time.After(20 * time.Second); dials.Load() < 5; {
		select {
		case <-late:
			t.Fatalf("the hub dialled %d times, want 5", dials.Load())
		case <-time.After(time.Millisecond):
		}
	}
	if got := log.String(); strings.Count(got, "broker.username and broker.password are not those of a user") != 1 {
		t.Errorf("got %s, want it to name the settings, once", got)
	}
}
