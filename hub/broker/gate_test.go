package broker

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// A turn ends with its handshake, or after a while when the client is silent;
// who has waited as long as kiosks do is sent away.
func TestGate_enter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{turns: make(chan struct{}, 1)}
		took := func(ctx context.Context) (time.Duration, error) {
			began := time.Now()
			err := g.enter(ctx)
			return time.Since(began), err
		}
		silent, hangUp := context.WithCancel(t.Context())
		defer hangUp()
		if d, err := took(silent); d != 0 || err != nil {
			t.Errorf("the first: got %v, %v, want a turn at once", d, err)
		}
		quick, done := context.WithCancel(t.Context())
		if d, err := took(quick); d != turnTimeout || err != nil {
			t.Errorf("behind a silent client: got %v, %v, want a turn after %v", d, err, turnTimeout)
		}
		done()
		if d, err := took(t.Context()); d != 0 || err != nil {
			t.Errorf("behind a handshake that has ended: got %v, %v, want a turn at once", d, err)
		}
		<-time.After(turnTimeout) // by the bubble's clock
		synctest.Wait()
		g.turns <- struct{}{} // nobody gives it back
		if d, err := took(t.Context()); d != gateTimeout || !errors.Is(err, errCrowded) {
			t.Errorf("without end: got %v, %v, want %v after %v", d, err, errCrowded, gateTimeout)
		}
		gone, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		if d, err := took(gone); d != time.Second || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("whose client hung up: got %v, %v, want its error after a second", d, err)
		}
	})
}

func TestRoomFor(t *testing.T) {
	for files, want := range map[int]int{0: math.MaxInt, 100: 50, 1024: 768, 20_000: 19_744} {
		if got := roomFor(files); got != want {
			t.Errorf("%d files: got room for %d connections, want %d", files, got, want)
		}
	}
}
