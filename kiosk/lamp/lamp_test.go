package lamp_test

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sourire/kiosk/app"
	"sourire/kiosk/lamp"
	"sourire/kiosk/session"
)

var _ app.Front = &lamp.Front{}

// bulb notes when it was switched.
type bulb struct {
	mu  sync.Mutex
	on  bool
	err error
}

func (b *bulb) Set(on bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.on = on
	return b.err
}

func (b *bulb) lit() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.on
}

// watch runs do on a front with three lamps and a buzzer, of which lit tells what
// is on after a while.
func watch(t *testing.T, good []bool, do func(f *lamp.Front, lit func(after time.Duration) []bool)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		bulbs := []*bulb{{}, {}, {}, {}}
		f := lamp.New(lamp.Options{
			Lamps: []lamp.Output{bulbs[0], bulbs[1], bulbs[2]}, Buzzer: bulbs[3],
			Good: func() []bool { return good }, Log: slog.New(slog.DiscardHandler),
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- f.Run(ctx) }()
		lit := func(after time.Duration) []bool {
			<-time.After(after)
			synctest.Wait()
			var out []bool
			for _, b := range bulbs {
				out = append(out, b.lit())
			}
			return out
		}
		do(f, lit)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := lit(0); !reflect.DeepEqual(got, []bool{false, false, false, false}) {
			t.Errorf("after the end: got %v, want all dark", got)
		}
	})
}

func want(t *testing.T, what string, got []bool, lit ...bool) {
	t.Helper()
	if !reflect.DeepEqual(got, lit) {
		t.Errorf("%s: got %v, want %v", what, got, lit)
	}
}

func TestFront_Thank(t *testing.T) {
	watch(t, nil, func(f *lamp.Front, lit func(time.Duration) []bool) {
		want(t, "at first", lit(time.Second), false, false, false, false)
		f.Thank()
		want(t, "thanks", lit(0), true, true, true, true)
		want(t, "the buzzer is short", lit(lamp.BuzzTime), true, true, true, false)
		want(t, "then dark", lit(lamp.ThanksTime-lamp.BuzzTime), false, false, false, false)
	})
}

func TestFront_Show(t *testing.T) {
	watch(t, []bool{false, true, false, true}, func(f *lamp.Front, lit func(time.Duration) []bool) {
		f.Show(session.View{Screen: session.Locked})
		want(t, "cleaning", lit(0), true, true, true, false)
		want(t, "blinks", lit(1100*time.Millisecond), false, false, false, false)
		f.Show(session.View{Screen: session.Technician})
		want(t, "what is well is lit", lit(0), true, true, true, false)
		want(t, "what is not blinks, the last lamp for the rest", lit(200*time.Millisecond), true, false, false, false)
		f.Show(session.View{Screen: session.Faces})
		want(t, "rest", lit(0), false, false, false, false)
	})
}

func TestFront_brokenLamp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken, good := &bulb{err: errors.New("broken")}, &bulb{}
		f := lamp.New(lamp.Options{Lamps: []lamp.Output{broken, good}, Log: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- f.Run(ctx) }()
		f.Thank()
		synctest.Wait()
		if !good.lit() {
			t.Error("the lamp beside a broken one is dark")
		}
		cancel()
		<-done
	})
}
