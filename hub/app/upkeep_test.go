package app_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sourire/hub/app"
	"sourire/hub/store/sqlstore"
	"sourire/hub/store/storetest"
	"sourire/hub/upkeep"
	"sourire/hub/verify"
	"sourire/internal/feedback"
)

// A hub deletes what is kept no longer by itself, at its start, and stops in order
// with that.
func TestApp_upkeep(t *testing.T) {
	s := settings(t)
	began := time.Now()
	withStore(t, s, func(store *sqlstore.Store) {
		k := storetest.NewKiosk(t, storetest.Ingester(t, store, time.Now), "k1", began)
		k.Asks(began, feedback.Asked{Site: "lyon", Touchpoint: "exit", Survey: "visit", Scale: "smiley3"})
		for i := range 50 {
			k.Press(began.Add(time.Duration(i)*time.Minute), 2)
		}
		k.Send()
	})
	s.Keep = upkeep.Keep{Comments: upkeep.Days(30), Records: upkeep.Days(30), Quarters: upkeep.Days(30)}
	o := options(s)
	o.Now = func() time.Time { return time.Now().AddDate(0, 0, 40) }
	hub, err := app.New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	withStore(t, s, func(store *sqlstore.Store) {
		for {
			entries, err := store.Entries(ctx, 0, 10)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(entries); n > 0 && entries[n-1].What == "retention" {
				if got := string(entries[n-1].Became); !strings.Contains(got, `"records":53`) || entries[n-1].Who != "retention" {
					t.Errorf("got %s", got)
				}
				break
			}
		}
		r, err := verify.Run(ctx, store, "", nil)
		if err != nil || !r.OK() || r.Findings[0].Deleted != 53 {
			t.Errorf("got %+v, %v", r, err)
		}
	})
	if err := hub.Stop(); err != nil {
		t.Error(err)
	}
}

// withStore does something with the store of a hub.
func withStore(t *testing.T, s app.Settings, do func(*sqlstore.Store)) {
	t.Helper()
	if err := os.MkdirAll(s.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	store, err := sqlstore.Open(t.Context(), filepath.Join(s.Data, app.FileName))
	if err != nil {
		t.Fatal(fmt.Errorf("store: %w", err))
	}
	defer store.Close()
	do(store)
}
