// Package input is what a finger can say to a kiosk.
//
// It is the first stop on the line: a source hears or makes signals and hands
// each to kiosk/app, which steps kiosk/session with it. Sources are packages of
// their own: kiosk/input/keyboard reads digits, kiosk/input/script makes
// visitors up; buttons on GPIO lines and the touchscreen satisfy [Source] too.
//
// A signal names a place, not a rating: the places of a kiosk's faces are
// 0, 1, 2 … from the worst to the best, and which rating a place stands for is
// the business of the plan in force.
//
// Nothing is kept here: a signal that was not handed over when the power went
// is lost, and its visitor was not thanked. The package must not know scales,
// screens, journals, nor any device.
package input

import (
	"context"
	"time"
)

// Kind says what happened.
type Kind int8

// The kinds of signals.
const (
	// Press: a finger came down on a face. It is told while the finger is still
	// down: as soon as a button was held long enough to be no bounce.
	Press Kind = iota + 1
	// Stuck: the button of the last Press at this place is down for over ten
	// seconds. It is told once.
	Stuck
	// Gesture: the buttons at Place and Other were held together, as
	// technicians do and visitors do not. The last Press at each was no vote.
	Gesture
	// Cleaning: the buttons at Place and Other were held together, as whoever
	// cleans the terminal does. The last Press at each was no vote.
	Cleaning
	// Away: a tap beside the faces while a touchscreen thanks: the next tap on a
	// face is somebody else's. On a screen that sleeps it is the first tap.
	Away
	// Language: the visitor wants to read the language in Text.
	Language
	// Reason: the visitor chose the reason whose code is in Text.
	Reason
	// Typing: the visitor types, and Text is what stands there so far.
	Typing
	// Comment: the visitor leaves the text in Text. It ends the questions.
	Comment
	// Skip: the visitor wants to see no more questions.
	Skip
)

// String returns a word for the kind.
func (k Kind) String() string {
	switch k {
	case Press:
		return "press"
	case Stuck:
		return "stuck"
	case Gesture:
		return "gesture"
	case Cleaning:
		return "cleaning"
	case Away:
		return "away"
	case Language:
		return "language"
	case Reason:
		return "reason"
	case Typing:
		return "typing"
	case Comment:
		return "comment"
	case Skip:
		return "skip"
	}
	return "unknown"
}

// Signal is one thing that a finger said. It is a comparable value.
type Signal struct {
	Kind Kind
	// Place is the face's: 0 for the worst, up to one less than there are.
	// Other is the second one of a Gesture or of Cleaning.
	Place, Other int
	// Held is how long the button was down when the signal was told.
	Held time.Duration
	// At is when it happened, as time since this boot (CLOCK_BOOTTIME, the
	// Since of a clock.Reading). A source that knows it no better than its
	// receiver leaves it 0, and the receiver asks its own clock at once.
	At time.Duration
	// Touch tells a tap on a screen from a button: a screen can offer to change
	// an answer, a button cannot.
	Touch bool
	// Text is what a Language, Reason, Typing or Comment says.
	Text string
}

// Source tells signals.
//
// Run blocks and calls emit once for each signal, in the order in which they
// happened and never from two goroutines at once. It returns nil when ctx is
// done or when there will be nothing more to say, such as at the end of a
// script, else why it cannot go on. When it has returned, emit is not called
// any more and no goroutine of the source is left. A poll loop or a reader of
// lines is Run itself; callbacks of a toolkit reach emit while Run waits for
// ctx.
//
// emit takes the signal over before it returns. It may wait when its receiver
// has a backlog, so a source must not rely on it for its sense of time.
type Source interface {
	Run(ctx context.Context, emit func(Signal)) error
}
