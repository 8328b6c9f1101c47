//go:build soak

package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sourire/internal/e2e/rawkiosk"
	"sourire/internal/e2e/summary"
	kioskapp "sourire/kiosk/app"
)

// floodMemory bounds what a flooded hub may take, in MiB: with the embedded
// broker ten thousand full batches wait in it (hub/broker, DefaultMaxPending).
func floodMemory(external bool) int {
	if external {
		return 512
	}
	return 2048
}

// TestSoak_flood floods a hub again and again; in the second flood it is killed
// while batches come in, in the third while the kiosks say what it has not
// taken. Another kiosk's visitors press all the time.
func TestSoak_flood(t *testing.T) { brokers(t, floodShop) }

func floodShop(t *testing.T, external bool, name string) {
	const rounds = 4
	s := openShop(t, external)
	set := hubSettings(t)
	set.Data = s.path("hub")
	s.serve()
	address := "mqtt://" + s.broker
	again := func(k *rawkiosk.Kiosk) (err error) {
		for end := time.Now().Add(time.Minute); time.Now().Before(end); <-time.After(50 * time.Millisecond) {
			if err = k.Connect(context.Background(), address, "key"); err == nil {
				return nil
			}
		}
		return err
	}
	other := startCalm(t, s, address)
	peak, waits, kills := 0, 0, 0
	var floods []*flood
	for round := range rounds {
		began := time.Now()
		f := newFlood(t, fmt.Sprint("round-", round))
		floods = append(floods, f)
		f.connect(t, address, "key")
		kill := map[int]func() bool{
			1: func() bool { return f.sent.Load() >= int64(f.size/2) },
			2: func() bool { return f.drained.Load() >= int64(len(f.kiosks)/2) },
		}[round]
		other.begin(kill != nil)
		done := make(chan error, 1)
		go func() {
			err := f.send(again)
			if err == nil {
				err = f.heard()
			}
			if err == nil {
				err = f.drain(again)
			}
			done <- err
		}()
		if kill != nil {
			until(t, "the middle of the flood", 3*time.Minute, kill)
			s.hub.running(t, "the hub")
			peak = max(peak, s.hub.peak(t))
			s.hub.kill()
			s.serve()
			kills++
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(5 * time.Minute):
			t.Fatalf("round %d does not end\n%s", round, s.hub.out)
		}
		told := f.told()
		waits += told
		f.forget()
		s.hub.running(t, "the hub")
		peak = max(peak, s.hub.peak(t))
		t.Logf("round %d: %v, told to wait %d times, the hub's peak %d MiB", round, time.Since(began).Round(time.Second), told, peak)
	}
	presses := other.stop(t)
	if got := provedFloods(t, set, floods...); got != presses {
		t.Errorf("got %d presses of the other kiosk, want %d", got, presses)
	}
	if limit := floodMemory(external); peak > limit {
		t.Errorf("the hub took %d MiB, want at most %d", peak, limit)
	}
	if waits == 0 {
		t.Error("nobody was told to wait: the flood was none")
	}
	summary.Line("flood, %s: %d × 10000 full batches, %d SIGKILLs, peak %d MiB, another kiosk's %d presses acknowledged within %v, in floods with a SIGKILL within %v: %s",
		name, rounds, kills, peak, presses, other.longest.Round(time.Millisecond), other.longestKilled.Round(time.Millisecond), verdict(t))
}

// TestSoak_twoFloods floods the embedded broker twice at once: 1.3 GB for a hub's
// connection that may have 1 GiB pending. It may be thrown out, and comes back.
func TestSoak_twoFloods(t *testing.T) {
	s := openShop(t, false)
	set := hubSettings(t)
	set.Data = s.path("hub")
	s.serve()
	address := "mqtt://" + s.broker
	again := func(k *rawkiosk.Kiosk) (err error) {
		for end := time.Now().Add(time.Minute); time.Now().Before(end); <-time.After(50 * time.Millisecond) {
			if err = k.Connect(context.Background(), address, "key"); err == nil {
				return nil
			}
		}
		return err
	}
	other := startCalm(t, s, address)
	other.begin(false)
	floods := []*flood{newFlood(t, "first"), newFlood(t, "second")}
	for _, f := range floods {
		f.connect(t, address, "key")
	}
	began := time.Now()
	done := make(chan error, len(floods))
	for _, f := range floods {
		go func() {
			err := f.send(again)
			if err == nil {
				err = f.drain(again)
			}
			done <- err
		}()
	}
	late := time.After(10 * time.Minute)
	for range floods {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		case <-late:
			t.Fatalf("the floods do not end\n%s", s.hub.out)
		}
	}
	took := time.Since(began).Round(time.Second)
	s.hub.running(t, "the hub")
	peak := s.hub.peak(t)
	presses := other.stop(t)
	s.hub.kill()
	thrownOut := strings.Count(s.hub.out.String(), "Slow Consumer")
	if got := provedFloods(t, set, floods...); got != presses {
		t.Errorf("got %d presses of the other kiosk, want %d", got, presses)
	}
	if limit := 2 * floodMemory(false); peak > limit {
		t.Errorf("the hub took %d MiB, want at most %d", peak, limit)
	}
	summary.Line("two floods at once, embedded broker: 2 × 10000 full batches in %v, peak %d MiB, slow consumers %d, another kiosk's %d presses acknowledged within %v: %s",
		took, peak, thrownOut, presses, other.longest.Round(time.Millisecond), verdict(t))
}

// forget hangs up and lets go of what was sent.
func (f *flood) forget() {
	for i, k := range f.kiosks {
		k.Close()
		f.payloads[i] = nil
	}
}

// calm is a real kiosk whose visitors press one after the other while others
// flood the hub: each second, or when the one before is acknowledged.
type calm struct {
	kiosk  *kioskapp.Kiosk
	end    context.CancelFunc
	ended  chan error
	pauses sync.WaitGroup

	mu            sync.Mutex
	presses       int64
	err           error
	killed        bool          // in this flood the hub is killed
	longest       time.Duration // until a press was acknowledged
	longestKilled time.Duration // … in such a flood
}

func startCalm(t *testing.T, s *shop, address string) *calm {
	t.Helper()
	where := stay{"s", "till", "smiley3", "Europe/Paris"}
	o := offlineOptions(filepath.Join(s.dir, "calm"), nil, where, address)
	k, err := kioskapp.New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	c := &calm{kiosk: k, end: end, ended: make(chan error, 1)}
	life, stop := context.WithCancel(context.Background())
	go func() { c.ended <- k.Run(life) }()
	settled(t, k)
	c.pauses.Go(func() {
		defer stop()
		for ctx.Err() == nil {
			if err := c.press(); err != nil {
				c.mu.Lock()
				c.err = err
				c.mu.Unlock()
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	})
	return c
}

// press presses and waits until the hub has said that it has it.
func (c *calm) press() error {
	if _, err := c.kiosk.Press(context.Background(), 2); err != nil {
		return err
	}
	began := time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		st, err := c.kiosk.Status(context.Background())
		if err != nil {
			return err
		}
		took := time.Since(began)
		if took > 3*time.Minute {
			return fmt.Errorf("a press was not acknowledged within %v: %+v", took, st.Link)
		}
		if st.Journal.Queue > 0 {
			continue
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.presses++
		if c.killed {
			c.longestKilled = max(c.longestKilled, took)
		} else {
			c.longest = max(c.longest, took)
		}
		return nil
	}
	return nil
}

// begin says that a flood begins, and whether the hub will be killed in it.
func (c *calm) begin(killed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.killed = killed
}

// stop ends the kiosk and returns how many presses the hub must have.
func (c *calm) stop(t *testing.T) int64 {
	t.Helper()
	c.end()
	c.pauses.Wait()
	if err := <-c.ended; err != nil {
		t.Error(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		t.Error(c.err)
	}
	return c.presses
}
