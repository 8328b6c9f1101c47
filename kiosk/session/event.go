package session

import (
	"time"

	"sourire/internal/feedback"
	"sourire/internal/schedule"
	"sourire/internal/wire"
	"sourire/kiosk/input"
)

// Event is something that happens to a kiosk.
type Event struct {
	At time.Duration // since this boot
	// Wall is what time it is, as far as it is known; the zero Time: it is not.
	Wall  time.Time
	Cause Cause
}

// Cause is what happened; its types are the structs of this file.
type Cause interface{ cause() }

// Finger says that an input told a signal. Its time is the event's.
type Finger struct{ Signal input.Signal }

// Stored says that the facts of the oldest unanswered Output are durable, under
// these numbers of this epoch.
type Stored struct {
	Epoch feedback.Epoch
	Seqs  []feedback.Seq
}

// Failed says that the facts of the oldest unanswered Output are not durable,
// or may not be.
type Failed struct{}

// Tick says that it is as late as the event's At: a deadline may have passed.
type Tick struct{}

// NewPlan says that the kiosk is to ask something else. Applied says that the
// journal's current epoch has the plan as its last one already.
type NewPlan struct {
	Plan    Plan
	Applied bool
}

// Test switches the commissioning test.
type Test struct{ On bool }

// Clean locks the faces for cleaning, or unlocks them before the minute is over.
type Clean struct{ On bool }

func (Finger) cause()  {}
func (Stored) cause()  {}
func (Failed) cause()  {}
func (Tick) cause()    {}
func (NewPlan) cause() {}
func (Test) cause()    {}
func (Clean) cause()   {}

// Plan is what to ask and in which words. A State keeps it: whoever made it
// changes nothing in it afterwards.
type Plan struct {
	ID    feedback.PlanID
	Asked feedback.Asked
	// Language is the one that visitors see first, a key of Words. Languages are
	// those that they may choose, it among them; fewer than two: no choice.
	Language  string
	Languages []string
	Words     map[string]wire.Words // by BCP 47 language
	// FollowUps are looked through in their order; the first that fits is asked.
	FollowUps []wire.FollowUp
	// KeepDraft keeps a comment that was left half typed.
	KeepDraft bool
	// Zone is that of the site, for FollowUps; nil is UTC. Outside of Hours the
	// screen sleeps.
	Zone  *time.Location
	Hours *schedule.Schedule // nil: always open
	// Contrast and Link are for the View.
	Contrast bool
	Link     string
}

// Whys are the codes of the questions for reasons, where a follow-up names none:
// after a negative, a neutral and a positive rating.
const (
	WhyNegative = "why-negative"
	WhyNeutral  = "why-neutral"
	WhyPositive = "why-positive"
)

// Remark is a comment with its text, among the facts of an Output: whoever
// appends it draws the salt and makes a [feedback.Comment] of it.
type Remark struct {
	Press feedback.Seq
	Text  string
}

// Kind returns KindComment.
func (Remark) Kind() feedback.Kind { return feedback.KindComment }

// Output is what to do after an event.
type Output struct {
	// Facts to append now, together, stamped with the event's At.
	Facts []feedback.Fact
	// Epoch in which the presses lie that Facts name; 0 when they name none. If
	// the journal has gone on to another, those facts would name other records.
	Epoch feedback.Epoch
	View  View
	// Thank says that a press became durable just now and that its visitor is
	// to be thanked, by lamp or sound as by the View, which may look as before.
	Thank bool
	// Ignored says that a signal could mean nothing: a press on a face that the
	// scale has not, or before any plan.
	Ignored bool
	// Deadline is when to step with a Tick unless something happens before, as
	// time since boot; 0 for never.
	Deadline time.Duration
}

// Screen is one picture of the flow.
type Screen int8

// The screens.
const (
	Closed     Screen = iota // nothing to ask: no plan is in force
	Faces                    // the question and its faces
	Thanks                   // thanks, the same for every face
	Reasons                  // what was it?
	Remarks                  // a text field
	Locked                   // the faces are being cleaned
	Technician               // how the kiosk is, after the technician's gesture
	Asleep                   // dark, outside the opening hours
)

// String returns a word for the screen.
func (s Screen) String() string {
	names := [...]string{"closed", "faces", "thanks", "reasons", "remarks", "locked", "technician", "asleep"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// Choice is a reason to choose from.
type Choice struct{ Code, Text string }

// View is what to show. But for the follow-up, which may depend on it, it never
// tells which face was pressed.
type View struct {
	Screen    Screen
	Scale     feedback.Scale // its Steps are the number of faces
	Language  string
	Languages []string   // to choose from; none: no choice
	Words     wire.Words // in Language
	// Change says that the thanks screen offers to change the answer: it shows
	// the faces once more, and a tap on one is the same visitor's.
	Change bool
	// Ask is the question of the screens Reasons and Remarks, Choices are what
	// there is to choose from on Reasons.
	Ask      string
	Choices  []Choice
	Contrast bool   // black on white, and white on black
	Link     string // the same question on the web, for a QR code; "": none
	Test     bool   // the commissioning test is on
	// Trouble says that the last press could not be stored.
	Trouble bool
}
