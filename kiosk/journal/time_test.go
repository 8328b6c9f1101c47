package journal_test

import (
	"slices"
	"testing"
	"time"

	"sourire/internal/feedback"
	"sourire/kiosk/clock"
	"sourire/kiosk/journal"
)

// A Pi without a clock: 1970 at boot, then the hub's time, then NTP.
func TestJournal_clock_1970(t *testing.T) {
	c := newClock()
	c.bend(func(r *clock.Reading) { r.Trusted, r.Wall, r.Since = false, time.Unix(30, 0), 30*time.Second })
	j := open(t, options(t.TempDir(), c))
	defer closeIt(t, j)
	if !j.Now().IsZero() {
		t.Errorf("got %v, want no instant", j.Now())
	}
	hub := time.UnixMilli(1_790_000_000_000)
	for _, answer := range []struct {
		at        time.Time
		roundTrip time.Duration
	}{
		{hub, 3 * time.Second},                // too slow
		{time.Unix(40, 0), time.Second},       // the hub has no clock either
		{hub, 2 * time.Second},                // ± 1 s
		{hub, 1500 * time.Millisecond},        // not twice as good
		{hub.Add(7), 400 * time.Millisecond},  // ± 0.2 s
		{hub.Add(7), 300 * time.Millisecond},  // not twice as good
		{hub.Add(-9), 100 * time.Microsecond}, // ± 1 ms
		{hub.Add(-9), 0},
	} {
		if err := j.HubTime(t.Context(), answer.at, answer.roundTrip); err != nil {
			t.Fatal(err)
		}
	}
	if got := j.Now(); got.Sub(hub).Abs() > time.Second {
		t.Errorf("got %v, want about %v", got, hub)
	}
	// NTP an hour later: trusted, but less certain than what is known.
	c.bend(func(r *clock.Reading) { r.Since += time.Hour; r.Wall = hub.Add(time.Hour); r.Trusted = true })
	press(t, j, 1)
	want := []string{
		`["boot",1,30000,"v1",-1]`,
		`["wall",1,30000,30000,0]`,
		`["fix",1,30000,1,1789999971000,1000,"hub"]`,
		`["fix",1,30000,1,1789999970200,200,"hub"]`,
		`["fix",1,30000,1,1789999970000,1,"hub"]`,
		`["wall",1,3630000,1790003600000,1]`,
		`["press",1,3630000,1,80]`,
	}
	if got := held(t, j, j.Head().ID, 2); !slices.Equal(got, want) {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
}

func TestJournal_clock_jumps(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	j := open(t, options(dir, c))
	from := j.Head().Next
	jump := func(d time.Duration) {
		c.pass(time.Minute)
		c.bend(func(r *clock.Reading) { r.Wall = r.Wall.Add(d) })
		press(t, j, 1)
	}
	jump(900 * time.Millisecond) // no news
	jump(200 * time.Millisecond) // 1.1 s altogether
	jump(-14 * 24 * time.Hour)
	jump(14 * 24 * time.Hour)
	c.bend(func(r *clock.Reading) { r.Trusted = false })
	press(t, j, 1)
	want := []string{"press", "wall", "press", "wall", "press", "wall", "press", "wall", "press"}
	if got := kinds(held(t, j, j.Head().ID, from)); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	closeIt(t, j)

	// Another boot, two weeks behind: it has a number and an offset of its own.
	c.bend(func(r *clock.Reading) { r.BootID, r.Since, r.Trusted = "boot-b", time.Second, true })
	from = j.Head().Next
	j = open(t, options(dir, c))
	e := press(t, j, 1)
	if e.Record.Stamp != (feedback.Stamp{Boot: 2, Since: 1000}) {
		t.Errorf("got %+v, want boot 2", e.Record.Stamp)
	}
	if got, want := kinds(held(t, j, e.Epoch, from)), []string{"boot", "wall", "fix", "press"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	// The program starts again in the same boot: the offset is not said again.
	from = j.Head().Next
	closeIt(t, j)
	j = open(t, options(dir, c))
	defer closeIt(t, j)
	if got, want := kinds(held(t, j, e.Epoch, from)), []string{"boot", "wall"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Down-time is exact within a boot and between two instants that are known;
// else it is unknown.
func TestJournal_down(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	for _, test := range []struct {
		name string
		bend func(*clock.Reading)
		want int64
	}{
		{"first", func(*clock.Reading) {}, -1},
		{"same boot", func(r *clock.Reading) { r.Since += 5 * time.Second; r.Trusted = false }, 5000},
		{"another boot", func(r *clock.Reading) {
			r.BootID, r.Since, r.Trusted = "b", 20*time.Second, true
			r.Wall = r.Wall.Add(time.Hour)
		}, 3_595_000}, // by the offset that was known, 5 s had passed
		{"without a clock", func(r *clock.Reading) { r.BootID, r.Since, r.Trusted = "c", 9*time.Second, false }, -1},
	} {
		c.bend(test.bend)
		j, err := journal.Open(t.Context(), options(dir, c))
		if err != nil {
			t.Fatal(err)
		}
		all := held(t, j, j.Head().ID, 1)
		got := int64(-2)
		for _, r := range all {
			if b, ok := decode(t, r).Fact.(feedback.BootBegan); ok {
				got = b.Down
			}
		}
		if got != test.want {
			t.Errorf("%s: got %d ms down, want %d", test.name, got, test.want)
		}
		closeIt(t, j)
	}
}
