// Package screen draws what a kiosk shows on a touchscreen, and hears taps.
//
// It stands at both ends of the flow: it is the front of a kiosk/app, which hands
// it each [session.View], and a source of kiosk/input. It has the only widgets of
// the program; kiosk/window.go puts them into a window, tests into Fyne's test
// driver.
//
// # Rules
//
//   - A press is told when the finger comes down, not when it leaves: visitors
//     slide off. A face hears mice (an X server makes one of a touchscreen) and
//     touches (drivers without X); no driver sends both for one finger.
//   - Faces are told apart by shape, colour and word. Where a scale has more
//     steps than there are faces, numbers take their place.
//   - The cells of the faces touch each other: there is no gap to miss into. The
//     faces stay where they are while thanks offer to change the answer, so that
//     a second tap on the same spot is the same answer, and not the next
//     visitor's.
//   - A wide screen has its scale in a row, the best at the right, a high one in
//     a column, the best on top: never in two lines, which would break the scale.
//   - Arabic is written from the right: each line is split by direction and font
//     into texts of their own, and the whole screen is mirrored, the scale too. A
//     keyboard and the languages to choose from stay as they are.
//   - Texts fit: they become smaller, and are cut only where a plan's own are
//     longer than any screen.
//   - The keyboard has no @, and a sentence asks for no name and no number.
//   - Nothing moves. An idle screen is not drawn again.
//
// # What survives a crash
//
// Nothing. A tap that was not handed over is lost, and its visitor was not
// thanked. Taps wait in memory while their receiver is busy; the toolkit never
// waits for it. Nor does the kiosk wait for the toolkit: a screen that hangs takes
// no taps any more, and nothing from those that were taken. A view that cannot be
// drawn is said in the log and leaves the screen empty.
//
// The package must not know journals, plans or hubs, nor which window it is in.
package screen

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"fyne.io/fyne/v2"

	"sourire/kiosk/input"
	"sourire/kiosk/session"
)

// maxWaiting is how many taps wait for a receiver that is busy. More are
// dropped: their fingers see that nothing happens.
const maxWaiting = 1024

// Options make a Screen; the zero value is useful.
type Options struct {
	// Now tells the time since boot, for the signals; nil leaves it to their
	// receiver, who gets them a little later.
	Now func() time.Duration
	Log *slog.Logger // nil means slog.Default()
}

// Screen shows views and tells taps.
type Screen struct {
	now   func() time.Duration
	later func(func()) // has the toolkit's thread do something, soon
	board *board       // touched in that thread only

	mu      sync.Mutex
	taps    []input.Signal
	next    session.View
	drawing bool // next is about to be drawn

	tapped chan struct{} // has room for one: taps is not empty
}

// New returns a screen that shows nothing to ask. Fyne's application must be
// there already.
func New(o Options) (*Screen, error) {
	look, err := loadLook()
	if err != nil {
		return nil, fmt.Errorf("screen: %w", err)
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	s := &Screen{now: o.Now, later: fyne.Do, tapped: make(chan struct{}, 1)}
	s.board = newBoard(look, s.tell, o.Log)
	return s, nil
}

// Object returns what to put into a window, which must not pad it.
func (s *Screen) Object() fyne.CanvasObject { return s.board }

// Show draws a view, soon; of several views that come faster than they can be
// drawn the last is. Any goroutine may call it, as long as the application
// runs.
func (s *Screen) Show(v session.View) {
	s.mu.Lock()
	s.next = v
	drawing := s.drawing
	s.drawing = true
	s.mu.Unlock()
	if !drawing {
		s.later(s.draw)
	}
}

// Thank does nothing: the view says thanks.
func (s *Screen) Thank() {}

func (s *Screen) draw() {
	s.mu.Lock()
	v := s.next
	s.drawing = false
	s.mu.Unlock()
	s.board.show(v)
}

// tell takes a tap from the toolkit.
func (s *Screen) tell(signal input.Signal) {
	signal.Touch = true
	if s.now != nil {
		signal.At = s.now()
	}
	s.mu.Lock()
	if len(s.taps) < maxWaiting {
		s.taps = append(s.taps, signal)
	}
	s.mu.Unlock()
	select {
	case s.tapped <- struct{}{}:
	default:
	}
}

// Run implements input.Source: it tells taps until ctx is done.
func (s *Screen) Run(ctx context.Context, emit func(input.Signal)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.tapped:
		}
		s.mu.Lock()
		taps := s.taps
		s.taps = nil
		s.mu.Unlock()
		for _, t := range taps {
			emit(t)
		}
	}
}
