package gpio

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"sourire/internal/feedback"
)

// Line says where a wire ends: by the name that the board gives its line, such as
// "GPIO17", or by the label of its chip and the number on it, such as
// "pinctrl-bcm2711:17".
type Line string

// split returns the chip's label and the number on it; ok is false for a name.
func (l Line) split() (label string, offset uint32, ok bool) {
	i := strings.LastIndexByte(string(l), ':')
	if i < 0 {
		return "", 0, false
	}
	n, err := strconv.ParseUint(string(l)[i+1:], 10, 32)
	return string(l)[:i], uint32(n), err == nil
}

// Chip is a GPIO chip as the kernel tells of it.
type Chip struct {
	Path, Name, Label string
	Lines             []Info
}

// Info is a line of a chip.
type Info struct {
	Offset    uint32
	Name      string
	UsedBy    string // the consumer, "" for nobody
	Output    bool
	ActiveLow bool
	PullUp    bool
	PullDown  bool
}

// Line returns how settings name this line: by its name if it has one.
func (c Chip) Line(i Info) Line {
	if i.Name != "" {
		return Line(i.Name)
	}
	return Line(fmt.Sprintf("%s:%d", c.Label, i.Offset))
}

// Wiring is how buttons, lamps or a buzzer are connected.
type Wiring struct {
	// ActiveHigh: the line is high when the button is down or the lamp is on.
	// Buttons close to ground otherwise.
	ActiveHigh bool
	// NoPull leaves a line as it is; otherwise it is pulled away from what a
	// button connects it with. A chip that cannot pull is used all the same.
	NoPull bool
	// Debounce is how long a line must be quiet, by the kernel. Kernels count in
	// jiffies: 5 ms are up to 8.
	Debounce time.Duration
}

// Options make Buttons. Lines are needed, worst face first.
type Options struct {
	Lines  []Line
	Wiring Wiring
	Log    *slog.Logger // nil means slog.Default()
	// Retry is the time between two attempts to open a line; 0 means a second.
	Retry time.Duration
}

// buffer is how many edges the kernel keeps of a line until they are read: its
// bound. A finger makes two in a tenth of a second.
const buffer = 1024

// Errors of a line, which errors.Is tells apart.
var (
	// ErrNoLine: no chip has it.
	ErrNoLine = errors.New("no such line")
	// ErrTwice: more than one has it.
	ErrTwice = errors.New("more than one line has this name")
	// ErrTaken: another program, or the kernel, holds it.
	ErrTaken = errors.New("another program holds the line")
	// ErrGone: its chip has vanished.
	ErrGone = errors.New("the chip is gone")
)

// Buttons is a source of kiosk/input.
type Buttons struct {
	o Options

	mu     sync.Mutex // guards what follows, which Run writes
	counts []Counts
	wrong  []error // why a line is not open; nil: it is
}

// New returns buttons. It opens nothing: Run does, and goes on trying.
func New(o Options) (*Buttons, error) {
	if len(o.Lines) < 2 || len(o.Lines) > feedback.MaxSteps {
		return nil, fmt.Errorf("gpio: %d buttons: name the line of each, 2 to %d, worst face first", len(o.Lines), feedback.MaxSteps)
	}
	seen := make(map[Line]bool)
	for _, l := range o.Lines {
		if l == "" || seen[l] {
			return nil, fmt.Errorf("gpio: line %q is empty or named twice: each button has a line of its own", l)
		}
		seen[l] = true
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Retry == 0 {
		o.Retry = time.Second
	}
	n := len(o.Lines)
	b := &Buttons{o: o, counts: make([]Counts, n), wrong: make([]error, n)}
	for i := range b.wrong {
		b.wrong[i] = errNotYet
	}
	return b, nil
}

var errNotYet = errors.New("not opened yet")

// Counts returns what happened to each button so far, worst face first.
func (b *Buttons) Counts() []Counts {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Counts(nil), b.counts...)
}

// Wrong returns why buttons cannot be heard now, in the order of their lines; nil
// where one can.
func (b *Buttons) Wrong() []error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]error(nil), b.wrong...)
}

func (b *Buttons) note(p *panel) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range p.buttons {
		b.counts[i] = p.buttons[i].counts
	}
}

// say keeps what is wrong with a line, and logs it once.
func (b *Buttons) say(i int, err error) {
	b.mu.Lock()
	was := b.wrong[i]
	b.wrong[i] = err
	b.mu.Unlock()
	switch {
	case err == nil && !errors.Is(was, errNotYet):
		b.o.Log.Info("a button is heard again", "button", i+1, "line", b.o.Lines[i])
	case err != nil && (was == nil || was.Error() != err.Error()):
		b.o.Log.Error("a button cannot be heard; it is tried again for ever", "button", i+1, "line", b.o.Lines[i], "err", err)
	}
}
