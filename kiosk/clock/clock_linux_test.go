package clock_test

import (
	"testing"
	"time"

	"sourire/kiosk/clock"
)

func TestSystem_Now(t *testing.T) {
	c, err := clock.New()
	if err != nil {
		t.Fatal(err)
	}
	a := c.Now()
	if a.BootID == "" || a.Since <= 0 {
		t.Errorf("got boot %q and %v since, want a name and a time", a.BootID, a.Since)
	}
	if d := time.Since(a.Wall).Abs(); d > time.Minute {
		t.Errorf("got a wall clock %v off", d)
	}
	again, err := clock.New()
	if err != nil {
		t.Fatal(err)
	}
	b := again.Now()
	if b.BootID != a.BootID || b.Since < a.Since {
		t.Errorf("got %v after %v, want the same boot and no step back", b, a)
	}
	if moved := b.Offset().Sub(a.Offset()).Abs(); moved > time.Second {
		t.Errorf("got offsets %v apart, want nearly the same", moved)
	}
}
