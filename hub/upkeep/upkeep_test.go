package upkeep_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sourire/hub/ingest"
	"sourire/hub/upkeep"
)

func TestPeriod(t *testing.T) {
	now := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"90 days":   now.AddDate(0, 0, -90),
		"1 day":     now.AddDate(0, 0, -1),
		"24 months": now.AddDate(-2, 0, 0),
		"1 month":   time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC), // February has no 31st
		"forever":   {},
	} {
		var p upkeep.Period
		if err := p.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if got := p.Before(now); !got.Equal(want) || p.String() != text {
			t.Errorf("%s: got %v, before %v, want %v", text, p, got, want)
		}
	}
	for text, want := range map[string]string{
		"": "90 days", "90": "90 days", "90d": "90 days", "x days": "90 days", "90 hours": "90 days", "90  days": "90 days",
		"+90 days": "90 days", "0 days": "0 is no length", "-1 days": "-1 is no length", "400000 days": "400000 is no length",
		"2 years": "24 months", "Forever": "forever", "90 days ": "90 days",
	} {
		var p upkeep.Period
		if err := p.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, %v, want an error that says %s", text, p, err, want)
		}
	}
}

func TestKeep_Check(t *testing.T) {
	if err := upkeep.DefaultKeep().Check(); err != nil {
		t.Error(err)
	}
	all := upkeep.Keep{Comments: upkeep.Days(30), Records: upkeep.Days(30), Quarters: upkeep.Days(30), Days: upkeep.Months(1)}
	if err := all.Check(); err != nil {
		t.Error(err)
	}
	for want, spoil := range map[string]func(*upkeep.Keep){
		"keep.records is \"29 days\"":  func(k *upkeep.Keep) { k.Records, k.Comments = upkeep.Days(29), upkeep.Days(29) },
		"keep.comments is \"31 days\"": func(k *upkeep.Keep) { k.Comments = upkeep.Days(31) },
		"keep.comments is \"forever\"": func(k *upkeep.Keep) { k.Comments = upkeep.Period{} },
		"keep.quarters is \"30 days\"": func(k *upkeep.Keep) { k.Records = upkeep.Months(2) },
		"keep.days is \"1 month\"":     func(k *upkeep.Keep) { k.Quarters = upkeep.Period{} },
	} {
		k := all
		spoil(&k)
		if err := k.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want it to say %s", k, err, want)
		}
	}
}

// diary is a store that notes what it is asked.
type diary struct {
	mu    sync.Mutex
	asked []string
	fails error // of records
	days  int   // runs
}

func (d *diary) runs() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.days
}

func (d *diary) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fails = err
}

func (d *diary) note(what string) { d.asked = append(d.asked, what) }

func (d *diary) Aged(context.Context, upkeep.Limits) ([]ingest.Key, error) {
	return []ingest.Key{{Kiosk: "k1", Epoch: 1}, {Kiosk: "k2", Epoch: 1}}, nil
}

func (d *diary) Delete(_ context.Context, o upkeep.Order) (upkeep.Deleted, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	what := string(o.What)
	if o.What == upkeep.Records {
		what += " of " + string(o.Journal.Kiosk)
		if o.Journal.Kiosk == "k1" && d.fails != nil {
			d.note(what + " fail")
			return nil, false, d.fails
		}
	}
	more := !slices.Contains(d.asked, what)
	d.note(what)
	return upkeep.Deleted{o.What: 1}, more, nil
}

func (d *diary) Finish(context.Context, int64, string, time.Time) (upkeep.Deleted, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.note("finish")
	d.days++
	return upkeep.Deleted{upkeep.Comments: 1}, nil
}

func (d *diary) Erase(context.Context) (string, error) { d.note("erase"); return "", nil }

func (d *diary) Due(context.Context, upkeep.Limits) (upkeep.Deleted, error) { return nil, nil }

func (d *diary) NoteKeep(context.Context, int64, string, time.Time, upkeep.Keep) error { return nil }

func run(d *diary) *upkeep.Upkeep {
	return upkeep.New(upkeep.Options{Store: d, Keep: upkeep.DefaultKeep(), Log: slog.New(slog.DiscardHandler)})
}

// A run goes through all kinds, each until there is no more; a journal that fails
// does not keep the others from it.
func TestUpkeep_Once(t *testing.T) {
	want := []string{
		"comments", "comments", "refused", "refused", "records of k1", "records of k1", "records of k2", "records of k2",
		"quarters", "quarters", "days", "days", "erase", "finish",
	}
	d := &diary{}
	if _, err := run(d).Once(t.Context()); err != nil || !slices.Equal(d.asked, want) {
		t.Errorf("got %q, %v, want %q", d.asked, err, want)
	}
	d = &diary{fails: upkeep.ErrUnproved}
	want[4] = "records of k1 fail"
	want = slices.Delete(want, 5, 6)
	if _, err := run(d).Once(t.Context()); !errors.Is(err, upkeep.ErrUnproved) || !strings.Contains(err.Error(), "k1 epoch") || !slices.Equal(d.asked, want) {
		t.Errorf("got %q, %v, want %q", d.asked, err, want)
	}
	d = &diary{fails: ingest.ErrSuperseded}
	if _, err := run(d).Once(t.Context()); !ingest.Superseded(err) || slices.Contains(d.asked, "finish") {
		t.Errorf("got %q, %v, want it ended", d.asked, err)
	}
}

// It runs at once and every day; sooner after a failure; and ends when it is told to,
// or superseded.
func TestUpkeep_Run(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		d := &diary{}
		done := make(chan error, 1)
		go func() { done <- run(d).Run(ctx) }()
		synctest.Wait()
		if d.runs() != 1 {
			t.Errorf("got %d runs at once, want 1", d.runs())
		}
		time.Sleep(10*24*time.Hour + 12*time.Hour) // not synchronisation: days pass on a fake clock
		synctest.Wait()
		if d.runs() < 10 || d.runs() > 12 {
			t.Errorf("got %d runs in ten days and a half, want about 11", d.runs())
		}
		d.fail(errors.New("the disk is full"))
		time.Sleep(25 * time.Hour) // not synchronisation: a day passes
		before := d.runs()
		time.Sleep(time.Hour) // not synchronisation: an hour passes
		synctest.Wait()
		if d.runs() < before+5 {
			t.Errorf("got %d runs in an hour after a failure, want six", d.runs()-before)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if err := run(&diary{fails: ingest.ErrSuperseded}).Run(t.Context()); !ingest.Superseded(err) {
			t.Errorf("got %v, want superseded", err)
		}
	})
}
