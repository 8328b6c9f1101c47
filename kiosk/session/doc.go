// Package session is the screen flow of a kiosk: faces, thanks, perhaps a
// question more, and faces again.
//
// It stands on the line between kiosk/input and kiosk/journal. It is one pure
// function: [Step] takes a [State] and an [Event] and returns the next State
// with an [Output]: the facts to append to the journal, the [View] to show, and
// the instant at which the flow goes on by itself. kiosk/app calls it from one
// goroutine, appends, and answers with [Stored] or [Failed].
//
// # Rules
//
//   - Each press is a fact, at press-down, whatever the screen shows. Nothing
//     is locked out or thrown away here: what counts is decided by
//     internal/visit, on the hub, by a rule that can be looked at.
//   - Thanks come only when the press is durable, never before, and are the same
//     for every face: staff must not learn the vote from lamp, sound or screen.
//   - A touchscreen numbers its turns. While it offers to change the answer, for
//     4 s from the first thanks of the turn (a fixed window, which a change does
//     not renew), a tap on a face is the same visitor's; a tap beside the faces
//     ends the turn, and a tap on a face after that, or after the window, begins
//     the next. Until the first thanks the window counts from the press, so that
//     a slow disk merges nobody who comes later.
//   - Buttons have no turns; internal/visit tells their visitors apart by time.
//   - During the commissioning test visitors are thanked as ever, and the view
//     says that it is a test. During the 60 s of cleaning presses are recorded
//     too, but the screen stays locked and nobody is thanked: the cloth needs no
//     thanks. The facts [feedback.Test] and [feedback.Cleaning] around them tell
//     the hub to set these presses aside.
//   - A stuck button or a technician's gesture names presses that are already
//     facts. If such a press is not durable yet, the fact about it follows when
//     it is; if the press failed, there is nothing to name.
//   - After a turn a touchscreen asks what the plan asks of that rating at that
//     time of day: a reason, then perhaps a text. Each of the two can be skipped
//     and ends by itself, and [feedback.FollowUpEnded] says how it ended: "done",
//     "skipped" or "timeout". A text left half typed is kept or dropped as the
//     plan says; one that was skipped is dropped. No question asks who somebody is.
//   - A language that a visitor chose stays to the end of the visit.
//   - Outside the opening hours, with a grace that the plan has added, the screen
//     sleeps. Buttons are taken as ever, and a tap wakes it for 30 s: what counts
//     is decided by the hub. A kiosk that does not know the time does not sleep.
//   - A new plan takes effect at once: its fact goes before the next press's, an
//     open turn or question ends, and thanks that are being shown stay.
//
// # What survives a crash
//
// Facts that were answered by Stored. The State is not kept: a kiosk that starts
// again shows faces, and its boot record ends every turn, test and cleaning.
// What must be true for later presses to be read rightly (plan, test, cleaning)
// is owed until it is durable: when its append fails it goes with the next one,
// in front, and is tried again by itself.
//
// # Contract of the caller
//
// Facts of an Output are appended together, before those of the next, and each
// Output with facts is answered once, in order. The best caller appends and
// answers before it takes the next event; then a press can never overtake the
// plan that it answers.
//
// BUG(kiosk): when the journal begins a new epoch between a press and what is
// said about it (stuck, gesture, reason, comment), that is dropped, because
// the number of the press is another one now.
//
// The package must not know disks, devices, toolkits, nor what time it is: every
// event brings its time since boot.
package session
