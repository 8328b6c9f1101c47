package feedback

// Boot counts the starts of a kiosk's kernel within its journal: 1, 2, 3 …
type Boot int64

// Stamp says when something happened, in the only terms a kiosk can always
// trust: which boot, and the milliseconds of CLOCK_BOOTTIME since it began.
// What the wall clock showed is told once a boot, and again when it jumps, by a
// [Wall] record; what it should have shown, by a [ClockFix].
type Stamp struct {
	Boot  Boot
	Since int64 // milliseconds since the boot, ≥ 0
}

// Record is one line of a journal: something that happened, and when.
type Record struct {
	Stamp Stamp
	Fact  Fact
}

// Kind is the word with which a record begins on the wire.
type Kind string

// The kinds of records. A kind that a reader does not know is kept as it is and
// counted as nothing.
const (
	KindEpoch    Kind = "epoch"
	KindPlan     Kind = "plan"
	KindPress    Kind = "press"
	KindReason   Kind = "why"
	KindComment  Kind = "comment"
	KindEnd      Kind = "end"
	KindBoot     Kind = "boot"
	KindWall     Kind = "wall"
	KindClockFix Kind = "fix"
	KindTest     Kind = "test"
	KindCleaning Kind = "clean"
	KindGesture  Kind = "gesture"
	KindStuck    Kind = "stuck"
)

// Fact is what a record says; its types are the structs of this file.
type Fact interface{ Kind() Kind }

// EpochBegan is the first record of every epoch. It names the parent: the epoch
// from which this journal was continued, or the zero Parent for "none known".
type EpochBegan struct {
	Parent     Epoch // 0: none known
	ParentLast Seq   // the last record both sides are known to share
	ParentHash Hash  // the running hash there
	Why        string
	// Again is how many records of the parent follow here once more, because
	// the hub holds others under their numbers.
	Again int64
}

// Asked is what a press answers.
type Asked struct {
	Site       SiteID
	Touchpoint TouchpointID
	Survey     SurveyID
	Scale      ScaleID
}

// PlanApplied says that from here on the kiosk asks something else. A press
// belongs to the last such record before it in its epoch.
type PlanApplied struct {
	Plan  PlanID
	Asked Asked
}

// Press is one actuation of a button or one tap on a face.
type Press struct {
	Rating int   // a step of the scale in force
	Held   int64 // milliseconds the button was held when the press was taken
	// Flow is 0 for buttons. A touchscreen numbers its turns 1, 2, 3 … within
	// a boot: presses with one number are one visitor changing her answer.
	Flow int64
}

// Reason is the answer to "what was it?" after a press.
type Reason struct {
	Press Seq
	Code  string
}

// Comment says that a text was left after a press. The text and its salt lie
// beside the record, so that they can be deleted without breaking the chain.
type Comment struct {
	Press  Seq
	Digest [32]byte // SHA-256 of salt ‖ text
}

// FollowUpEnded says how the questions after a press ended.
type FollowUpEnded struct {
	Press Seq
	How   string // "done", "skipped" or "timeout"
}

// BootBegan says that the kiosk's program started.
type BootBegan struct {
	Version string
	Down    int64 // milliseconds the kiosk was down, −1 when unknown
}

// Wall says what the wall clock showed at this stamp, and whether the system
// held it to be synchronised. It is written at each start and whenever the
// clock moved by over a second against the time since boot.
type Wall struct {
	UnixMilli int64
	Trusted   bool
}

// ClockFix tells the offset of a boot: the instant of a stamp of that boot is
// Offset + Since, as Unix milliseconds, give or take Uncertainty.
type ClockFix struct {
	Boot        Boot
	Offset      int64
	Uncertainty int64
	Source      string // "system" or "hub"
}

// Test switches the commissioning test; presses while it is on never count.
type Test struct{ On bool }

// Cleaning locks the faces for a minute; presses while it is on never count.
type Cleaning struct{ On bool }

// Gesture says that the press was a technician's gesture, not a vote.
type Gesture struct{ Press Seq }

// Stuck says that the button of a press stayed down for over ten seconds.
type Stuck struct{ Press Seq }

// Unknown is a record of a kind this program does not know.
type Unknown struct{ Name Kind }

// Kind returns KindEpoch.
func (EpochBegan) Kind() Kind { return KindEpoch }

// Kind returns KindPlan.
func (PlanApplied) Kind() Kind { return KindPlan }

// Kind returns KindPress.
func (Press) Kind() Kind { return KindPress }

// Kind returns KindReason.
func (Reason) Kind() Kind { return KindReason }

// Kind returns KindComment.
func (Comment) Kind() Kind { return KindComment }

// Kind returns KindEnd.
func (FollowUpEnded) Kind() Kind { return KindEnd }

// Kind returns KindBoot.
func (BootBegan) Kind() Kind { return KindBoot }

// Kind returns KindWall.
func (Wall) Kind() Kind { return KindWall }

// Kind returns KindClockFix.
func (ClockFix) Kind() Kind { return KindClockFix }

// Kind returns KindTest.
func (Test) Kind() Kind { return KindTest }

// Kind returns KindCleaning.
func (Cleaning) Kind() Kind { return KindCleaning }

// Kind returns KindGesture.
func (Gesture) Kind() Kind { return KindGesture }

// Kind returns KindStuck.
func (Stuck) Kind() Kind { return KindStuck }

// Kind returns the kind's own name.
func (u Unknown) Kind() Kind { return u.Name }
