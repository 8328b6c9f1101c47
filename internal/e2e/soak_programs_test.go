//go:build soak

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"sourire/internal/e2e/summary"
	"sourire/internal/feedback"
)

// TestSoak_programs kills and cuts programs in bursts, at random instants, a
// hundred times for each broker.
func TestSoak_programs(t *testing.T) { brokers(t, killAndCut) }

// bursts is a shop in which things go wrong in bursts.
type bursts struct {
	*shop
	r       *rand.Rand
	kiosks  []*program
	starts  int // of kiosks
	refused bool

	kiosksKilled, hubKilled, brokerKilled, cuts int
}

func killAndCut(t *testing.T, external bool, name string) {
	const kiosks, kills, atMost = 3, 100, 15 * time.Minute
	began := time.Now()
	seed := uint64(began.UnixNano())
	t.Logf("seed %d", seed)
	b := &bursts{shop: openShop(t, external), r: rand.New(rand.NewPCG(seed, 0))}
	b.serve()
	for i := range kiosks {
		b.kiosks = append(b.kiosks, nil)
		b.startKiosk(i)
	}
	for said := 0; b.kills() < kills; {
		for range 1 + b.r.IntN(6) {
			b.strike()
			b.linger(700 * time.Millisecond)
		}
		b.refused = false
		b.proxy.Refuse(false)
		before := b.pressed()[""]
		until(t, "visitors after a burst", time.Minute, func() bool { return b.pressed()[""] >= before+5 })
		b.linger(2 * time.Second)
		if n := b.kills() / 10; n > said {
			said = n
			t.Logf("%d of %d kills after %v, %d presses", b.kills(), kills, time.Since(began).Round(time.Second), b.pressed()[""])
		}
		if time.Since(began) > atMost {
			t.Fatalf("only %d kills within %v", b.kills(), atMost)
		}
	}
	slowest := b.end()
	sum := b.agree(int64(b.kiosksKilled))
	if sum.Counted == 0 {
		t.Error("nothing was counted")
	}
	summary.Line("programs, %s: SIGKILL of %d kiosks, %d hubs, %d brokers, %d cuts; %d presses in ledgers and %d in journals alone, stored %d, counted %d; the last kiosk settled after %v: %s",
		name, b.kiosksKilled, b.hubKilled, b.brokerKilled, b.cuts, sum.Pressed, sum.Doubled, sum.Stored, sum.Counted, slowest.Round(time.Millisecond), verdict(t))
}

func (b *bursts) kills() int { return b.kiosksKilled + b.hubKilled + b.brokerKilled }

// linger lets a random time pass: what is struck next is struck at any instant
// of what it does.
func (b *bursts) linger(most time.Duration) {
	<-time.After(time.Duration(b.r.Int64N(int64(most))))
}

func (b *bursts) startKiosk(i int) {
	b.t.Helper()
	b.starts++
	// The busiest is for the races; to the hub it is children at play, so the
	// calmest is for the count.
	perHour := []string{"1200", "3600", "15000"}[i]
	b.kiosks[i] = b.simulate(fmt.Sprint("kiosk", i), "--kiosks", "1", "--per-hour", perHour, "--seed", fmt.Sprint(b.starts), "--settle", "4m")
}

// strike does harm, once.
func (b *bursts) strike() {
	b.t.Helper()
	switch n := b.r.IntN(10); {
	case n < 4:
		i := b.r.IntN(len(b.kiosks))
		b.kiosks[i].running(b.t, "a kiosk")
		b.kiosks[i].kill()
		b.kiosksKilled++
		b.startKiosk(i)
	case n < 7:
		b.hub.running(b.t, "the hub")
		b.hub.kill()
		b.hubKilled++
		b.linger(300 * time.Millisecond)
		b.serve()
	case n == 7 && b.external != nil:
		b.external.Kill()
		b.brokerKilled++
		b.external.Restart()
	case n == 8:
		b.refused = !b.refused
		b.proxy.Refuse(b.refused)
		fallthrough
	default:
		b.proxy.Cut()
		if b.toHub != nil && b.r.IntN(2) == 0 {
			b.toHub.Cut()
		}
		b.cuts++
	}
}

// end lets every kiosk bring what it has, and returns how long the slowest took.
func (b *bursts) end() time.Duration {
	b.t.Helper()
	before := b.pressed()
	until(b.t, "a visitor at each kiosk", time.Minute, func() bool {
		now := b.pressed()
		return !slices.ContainsFunc(b.kiosks, func(p *program) bool {
			id := feedback.KioskID(fmt.Sprintf("kiosk%d-1", slices.Index(b.kiosks, p)))
			return now[id] == before[id]
		})
	})
	began := time.Now()
	ended := make(chan error)
	for _, p := range b.kiosks {
		if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
			b.t.Fatal(err)
		}
		go func() {
			err := p.cmd.Wait()
			if err != nil {
				err = fmt.Errorf("%w\n%s", err, p.out)
			}
			ended <- err
		}()
	}
	late := time.AfterFunc(5*time.Minute, func() {
		for _, p := range b.kiosks {
			_ = p.cmd.Process.Signal(syscall.SIGQUIT) // which says what it is doing
		}
	})
	defer late.Stop()
	for range b.kiosks {
		if err := <-ended; err != nil {
			b.t.Errorf("a kiosk: %v", err)
		}
	}
	return time.Since(began)
}
