package gpio

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sourire/kiosk/input"
)

const ms = time.Millisecond

// step is an edge, or a look when button is −1.
type step struct {
	at     time.Duration
	button int
	down   bool
}

func down(at time.Duration, button int) step { return step{at, button, true} }
func up(at time.Duration, button int) step   { return step{at, button, false} }
func look(at time.Duration) step             { return step{at, -1, false} }

func play(p *panel, steps ...step) []input.Signal {
	var out []input.Signal
	for _, s := range steps {
		if s.button >= 0 {
			p.edge(s.button, s.down, s.at)
		}
		out = append(out, p.take(s.at)...)
	}
	return out
}

func press(place int, at time.Duration) input.Signal {
	return input.Signal{Kind: input.Press, Place: place, Held: MinHold, At: at}
}

func TestPanel(t *testing.T) {
	const s = time.Second
	tests := []struct {
		name  string
		steps []step
		want  []input.Signal
		count []Counts
	}{
		{
			"a press is told while the finger is there",
			[]step{down(s, 1), look(s + 19*ms), look(s + 20*ms)},
			[]input.Signal{press(1, s)},
			[]Counts{{}, {Presses: 1}, {}},
		},
		{
			"and once",
			[]step{down(s, 1), look(s + 20*ms), look(2 * s), up(2*s, 1), look(3 * s)},
			[]input.Signal{press(1, s)},
			[]Counts{{}, {Presses: 1}, {}},
		},
		{"19 ms are too short", []step{down(s, 0), up(s+19*ms, 0), look(2 * s)}, nil, []Counts{{TooShort: 1}, {}, {}}},
		{
			"20 ms that were heard of late are a press",
			[]step{down(s, 0), up(s+20*ms, 0)},
			[]input.Signal{press(0, s)},
			[]Counts{{Presses: 1}, {}, {}},
		},
		{
			"bounces",
			[]step{down(s, 0), up(s+3*ms, 0), down(s+5*ms, 0), up(s+8*ms, 0), down(s+10*ms, 0), look(s + 30*ms)},
			[]input.Signal{press(0, s+10*ms)},
			[]Counts{{Presses: 1, TooShort: 2}, {}, {}},
		},
		{
			"two at once are two",
			[]step{down(s, 0), down(s+2*ms, 2), look(s + 22*ms)},
			[]input.Signal{press(0, s), press(2, s+2*ms)},
			[]Counts{{Presses: 1}, {}, {Presses: 1}},
		},
		{
			"a stuck button is told once, and others go on",
			[]step{down(s, 0), look(12 * s), down(13*s, 1), look(14 * s), look(60 * s)},
			[]input.Signal{press(0, s), {Kind: input.Stuck, Held: StuckAfter, At: 11 * s}, press(1, 13*s), {Kind: input.Stuck, Place: 1, Held: StuckAfter, At: 23 * s}},
			[]Counts{{Presses: 1, Stuck: 1}, {Presses: 1, Stuck: 1}, {}},
		},
		{
			"the outer two for five seconds",
			[]step{down(s, 0), down(2*s, 2), look(6 * s), look(7 * s), look(16 * s), up(16*s, 0), up(16*s, 2)},
			[]input.Signal{press(0, s), press(2, 2*s), {Kind: input.Gesture, Other: 2, Held: GestureAfter, At: 7 * s}},
			[]Counts{{Presses: 1}, {}, {Presses: 1}},
		},
		{
			"who holds on for ten seconds more is stuck",
			[]step{down(s, 0), down(s, 2), look(16 * s)},
			[]input.Signal{
				press(0, s), press(2, s),
				{Kind: input.Gesture, Other: 2, Held: GestureAfter, At: 6 * s},
				{Kind: input.Stuck, Held: StuckAfter, At: 16 * s},
				{Kind: input.Stuck, Place: 2, Held: StuckAfter, At: 16 * s},
			},
			[]Counts{{Presses: 1, Stuck: 1}, {}, {Presses: 1, Stuck: 1}},
		},
		{
			"all three are no gesture",
			[]step{down(s, 0), down(s, 1), down(s, 2), look(9 * s)},
			[]input.Signal{press(0, s), press(1, s), press(2, s)},
			[]Counts{{Presses: 1}, {Presses: 1}, {Presses: 1}},
		},
		{
			"the worst two clean",
			[]step{down(s, 0), down(s, 1), look(6 * s)},
			[]input.Signal{press(0, s), press(1, s), {Kind: input.Cleaning, Other: 1, Held: GestureAfter, At: 6 * s}},
			[]Counts{{Presses: 1}, {Presses: 1}, {}},
		},
		{
			"let go in between",
			[]step{down(s, 0), down(s, 2), up(5*s, 2), down(5*s+50*ms, 2), look(6 * s)},
			[]input.Signal{press(0, s), press(2, s), press(2, 5*s+50*ms)},
			[]Counts{{Presses: 1}, {}, {Presses: 2}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newPanel(3)
			if got := play(p, tt.steps...); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
			for i, want := range tt.count {
				if got := p.buttons[i].counts; got != want {
					t.Errorf("button %d: got %+v, want %+v", i, got, want)
				}
			}
		})
	}
}

func TestPanel_downAtTheStart(t *testing.T) {
	p := newPanel(3)
	p.open(0, true, time.Second)
	got := play(p, look(2*time.Second), up(3*time.Second, 0), down(4*time.Second, 0), look(5*time.Second))
	if want := []input.Signal{press(0, 4*time.Second)}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	p.open(1, true, 10*time.Second)
	// That it is stuck is a figure; no press of it may be called so.
	if got := p.take(30 * time.Second); len(got) != 1 || got[0].Place != 0 || p.buttons[1].counts.Stuck != 1 {
		t.Errorf("got %+v and %+v, want only button 0 told as stuck", got, p.buttons[1].counts)
	}
}

func TestPanel_lostEdges(t *testing.T) {
	p := newPanel(3)
	play(p, down(time.Second, 0))
	p.lost(0, 3, false, time.Second+5*ms) // it may have been long or short: no press
	p.lost(1, 2, true, 2*time.Second)     // a finger is there
	got := p.take(3 * time.Second)
	if want := []input.Signal{press(1, 2*time.Second)}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if p.buttons[0].counts != (Counts{Lost: 3}) || p.buttons[1].counts != (Counts{Presses: 1, Lost: 2}) {
		t.Errorf("got %+v and %+v", p.buttons[0].counts, p.buttons[1].counts)
	}
}

func TestPanel_chipGone(t *testing.T) {
	p := newPanel(3)
	play(p, down(time.Second, 0))
	p.close(0, time.Second+10*ms)
	if got := p.take(20 * time.Second); got != nil || p.buttons[0].counts != (Counts{Losses: 1}) {
		t.Errorf("got %+v and %+v, want nothing told and one loss", got, p.buttons[0].counts)
	}
}

// However late and in whatever portions the edges are heard, the same is told, in
// the order of time; each press was down for 20 ms, and what was down and is no
// press is counted.
func TestPanel_lateness(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 5).Draw(t, "buttons")
		var steps []step
		isDown := make([]bool, n)
		at := time.Second
		downs := 0
		for range rapid.IntRange(0, 40).Draw(t, "edges") {
			at += rapid.SampledFrom([]time.Duration{0, ms, 19 * ms, 20 * ms, 21 * ms, 4 * time.Second, 11 * time.Second}).Draw(t, "after")
			i := rapid.IntRange(0, n-1).Draw(t, "button")
			isDown[i] = !isDown[i]
			if isDown[i] {
				downs++
			}
			steps = append(steps, step{at, i, isDown[i]})
		}
		end := at + time.Minute
		prompt, late := newPanel(n), newPanel(n)
		var want, got []input.Signal
		for _, s := range steps {
			for ; prompt.next() != 0 && prompt.next() < s.at; want = append(want, prompt.take(prompt.next())...) {
			}
			want = append(want, play(prompt, s)...)
			late.edge(s.button, s.down, s.at)
			if rapid.Bool().Draw(t, "heard") {
				got = append(got, late.take(s.at)...)
			}
		}
		want, got = append(want, prompt.take(end)...), append(got, late.take(end)...)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("late: %+v\nprompt: %+v", got, want)
		}
		presses, short := 0, int64(0)
		for i := range late.buttons {
			short += late.buttons[i].counts.TooShort
		}
		for _, s := range got {
			if s.Kind == input.Press {
				presses++
			}
		}
		if presses+int(short) != downs {
			t.Fatalf("%d presses and %d too short of %d", presses, short, downs)
		}
	})
}
