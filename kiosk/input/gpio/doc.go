// Package gpio lets fingers speak through buttons on GPIO lines, and lets lamps
// and a buzzer answer.
//
// It stands at the beginning of the line, as a source of kiosk/input. The kernel
// debounces the lines and stamps their edges by its monotonic clock; this package
// tells what they mean:
//
//   - A button that was down for [MinHold] is a press, told while the finger is
//     still there. What was shorter is counted as too short and is none: motors
//     and light switches make phantoms of a few milliseconds.
//   - A button that is down for [StuckAfter] is told as stuck, once. It was one
//     press.
//   - A button that is down when its line is opened is no press; it can be stuck.
//   - Two buttons at once are two presses. The two outer ones, and no other,
//     held for [GestureAfter] are a technician's gesture; the two worst ones,
//     where there are at least three, are that of somebody who cleans.
//   - A gap in the numbers of a line's events, when its buffer of [buffer] ran
//     over, is counted; then the line is looked at, and what it is now goes on
//     from there.
//   - A line that another program holds, that cannot be found, or whose chip
//     vanishes, is tried again every second for ever and counted; the other
//     buttons go on. A press that was not told when its chip vanished is lost,
//     and nobody was thanked for it.
//
// Each button is a request of its own, so that one of them cannot take the others
// along. Lines are found by name, or by the label of their chip and their number
// on it, never by the number of the chip: kernels give those anew.
//
// The high-level API of go-gpiocdev ignores the size of the event buffer and hides
// a chip that vanishes (it is silent on Linux 6.1 and spins on 6.12); therefore
// the package reads the kernel's interface through its uapi subpackage and polls
// by itself.
//
// Nothing is kept: the counters begin with the program. The package has one
// goroutine, that of Run; [Buttons.Counts] may be called from any. It must not
// know scales, plans or journals.
package gpio
