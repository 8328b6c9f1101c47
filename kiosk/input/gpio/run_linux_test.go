package gpio_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"sourire/kiosk/input"
	"sourire/kiosk/input/gpio"
)

var _ input.Source = &gpio.Buttons{}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Lines that are not there are looked for until the end, and each says what is
// wrong with it.
func TestButtons_RunWithoutLines(t *testing.T) {
	b, err := gpio.New(gpio.Options{
		Lines: []gpio.Line{"no-such-line", "no-such-chip:3"}, Log: slog.New(slog.DiscardHandler), Retry: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx, func(s input.Signal) { t.Errorf("got %+v of no line", s) }) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); ; <-tick.C {
		wrong := b.Wrong()
		if missing(wrong[0]) && missing(wrong[1]) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %v, want ErrNoLine of both", wrong)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// missing reports whether a line was looked for and not found, or could not be
// found because this user may not open the chips of this machine.
func missing(err error) bool {
	return errors.Is(err, gpio.ErrNoLine) || errors.Is(err, os.ErrPermission)
}

func TestNew_Refuses(t *testing.T) {
	for want, lines := range map[string][]gpio.Line{
		"1 buttons": {"a"}, "named twice": {"a", "a"}, "empty": {"a", ""},
	} {
		if _, err := gpio.New(gpio.Options{Lines: lines}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", lines, err, want)
		}
	}
}
