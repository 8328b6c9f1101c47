package gpio

import (
	"time"

	"sourire/kiosk/input"
)

// How long a button is down until it means something.
const (
	MinHold      = 20 * time.Millisecond
	GestureAfter = 5 * time.Second
	StuckAfter   = 10 * time.Second
)

// Counts are what happened to a button since the program began.
type Counts struct {
	Presses  int64
	TooShort int64 // down for less than MinHold
	Stuck    int64 // times that it was down for StuckAfter
	Lost     int64 // edges that the kernel had to drop
	Losses   int64 // times that its line was lost: the chip is gone
}

// button is what is known of one. Times are since boot.
type button struct {
	down    bool
	since   time.Duration
	pressed bool          // its press was told
	none    bool          // it was down before anybody looked: no press
	stuck   bool          // for longer than StuckAfter
	from    time.Duration // what StuckAfter begins with: since, or its last gesture
	counts  Counts
}

// hold is two buttons that mean something when they, and no others, are down
// together.
type hold struct {
	kind input.Kind
	a, b int
	told bool
}

// panel says what edges mean. It is pure: each edge and each look brings its time,
// and times never go back.
type panel struct {
	buttons []button
	holds   []hold
	out     []input.Signal
}

func newPanel(n int) *panel {
	p := &panel{buttons: make([]button, n)}
	if n >= 2 {
		p.holds = append(p.holds, hold{kind: input.Gesture, b: n - 1})
	}
	if n >= 3 {
		p.holds = append(p.holds, hold{kind: input.Cleaning, b: 1})
	}
	return p
}

// open says how a button is when its line is opened.
func (p *panel) open(i int, down bool, at time.Duration) {
	p.advance(at)
	p.set(i, button{down: down, since: at, none: true, from: at})
}

// close says that a line is lost. A press that was not told is lost with it.
func (p *panel) close(i int, at time.Duration) {
	p.open(i, false, at)
	p.buttons[i].counts.Losses++
}

// edge says that a button came down or was let go.
func (p *panel) edge(i int, down bool, at time.Duration) {
	p.advance(at)
	b := &p.buttons[i]
	if b.down == down {
		return // its counterpart was lost, which is counted
	}
	if !down && !b.pressed && !b.none {
		b.counts.TooShort++
	}
	p.set(i, button{down: down, since: at, from: at})
}

// set changes a button, which begins and ends what it does together with others.
func (p *panel) set(i int, b button) {
	b.counts = p.buttons[i].counts
	p.buttons[i] = b
	for j := range p.holds {
		p.holds[j].told = false
	}
}

// lost says that so many edges were dropped, and how the button is now.
func (p *panel) lost(i int, edges int64, down bool, at time.Duration) {
	p.advance(at)
	b := &p.buttons[i]
	b.counts.Lost += edges
	if b.down && !down {
		b.none = true // how long it was down nobody knows
	}
	p.edge(i, down, at)
}

// take returns what is to be told by now.
func (p *panel) take(now time.Duration) []input.Signal {
	p.advance(now)
	out := p.out
	p.out = nil
	return out
}

// next returns when something is to be told if no edge comes before; 0: never.
func (p *panel) next() time.Duration {
	at, _ := p.due()
	return at
}

// advance tells what is due by now, in its order.
func (p *panel) advance(now time.Duration) {
	for {
		at, tell := p.due()
		if at == 0 || at > now {
			return
		}
		tell()
	}
}

// due returns what is due first, and when; 0: nothing.
func (p *panel) due() (at time.Duration, tell func()) {
	earlier := func(t time.Duration, do func()) {
		if at == 0 || t < at {
			at, tell = t, do
		}
	}
	for i := range p.buttons {
		b := &p.buttons[i]
		if b.down && !b.pressed && !b.none {
			earlier(b.since+MinHold, func() { p.press(i) })
		}
		if b.down && !b.stuck {
			earlier(b.from+StuckAfter, func() { p.stick(i) })
		}
	}
	for i := range p.holds {
		if h := &p.holds[i]; !h.told && p.only(h.a, h.b) {
			earlier(p.together(h)+GestureAfter, func() { p.gesture(h) })
		}
	}
	return at, tell
}

// only reports whether these two were pressed and are down, and no other is.
func (p *panel) only(a, b int) bool {
	for i := range p.buttons {
		if o := &p.buttons[i]; o.down != (i == a || i == b) || o.down && (!o.pressed || o.stuck) {
			return false
		}
	}
	return true
}

// together returns since when both are down.
func (p *panel) together(h *hold) time.Duration {
	return max(p.buttons[h.a].since, p.buttons[h.b].since)
}

func (p *panel) press(i int) {
	b := &p.buttons[i]
	b.pressed = true
	b.counts.Presses++
	p.out = append(p.out, input.Signal{Kind: input.Press, Place: i, Held: MinHold, At: b.since})
}

// stick tells of a stuck button only if its press was told: the one before that
// was a vote.
func (p *panel) stick(i int) {
	b := &p.buttons[i]
	b.stuck = true
	b.counts.Stuck++
	if b.pressed {
		p.out = append(p.out, input.Signal{Kind: input.Stuck, Place: i, Held: StuckAfter, At: b.from + StuckAfter})
	}
}

func (p *panel) gesture(h *hold) {
	h.told = true
	at := p.together(h) + GestureAfter
	p.buttons[h.a].from, p.buttons[h.b].from = at, at // who holds on is not stuck yet
	p.out = append(p.out, input.Signal{Kind: h.kind, Place: h.a, Other: h.b, Held: GestureAfter, At: at})
}
