package session_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sourire/internal/feedback"
	"sourire/internal/schedule"
	"sourire/internal/visit"
	"sourire/internal/wire"
	"sourire/kiosk/input"
	"sourire/kiosk/session"
)

// world is a session with a journal that answers when it likes, and what must
// be true of the two.
type world struct {
	*rapid.T
	state   session.State
	out     session.Output
	now     time.Duration
	plan    feedback.Asked        // last told to the session
	open    [][]feedback.Fact     // appended, not answered
	next    feedback.Seq          // of the journal
	presses map[feedback.Seq]bool // durable
	prompt  bool                  // the journal answers before anything else happens
	folded  visit.State           // of what is durable
	effects visit.Effects
	ended   map[feedback.Seq]bool // presses whose questions ended
	hours   schedule.Schedule
	known   bool // what time it is
	locked  bool // cleaning or test were on at the last press
}

func newWorld(t *rapid.T) *world {
	day := []schedule.Span{{From: "00:05", Until: "24:00"}}
	hours, err := schedule.New(schedule.Hours{Week: map[string][]schedule.Span{
		"sun": day, "mon": day, "tue": day, "wed": day, "thu": day, "fri": day, "sat": day,
	}}, time.UTC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return &world{
		T: t, next: 1, prompt: rapid.Bool().Draw(t, "prompt"), hours: hours, known: rapid.Bool().Draw(t, "known"),
		presses: map[feedback.Seq]bool{}, ended: map[feedback.Seq]bool{},
	}
}

// step takes an event and checks what must hold after any.
func (w *world) step(at time.Duration, c session.Cause) session.Output {
	before, was := fmt.Sprintf("%+v", w.state), w.state
	shown := w.state.View()
	next, out := session.Step(w.state, session.Event{At: at, Wall: w.wall(), Cause: c})
	if after := fmt.Sprintf("%+v", was); after != before {
		w.Fatalf("Step changed the state that it was given:\n%s\n%s", before, after)
	}
	again, _ := session.Step(was, session.Event{At: at, Wall: w.wall(), Cause: c})
	if !reflect.DeepEqual(again, next) {
		w.Fatalf("Step of %+v twice gives two states", c)
	}
	w.state, w.out = next, out
	presses := 0
	for _, f := range out.Facts {
		if p, ok := f.(feedback.Press); ok {
			presses++
			scale, _ := feedback.ParseScale(string(w.plan.Scale))
			if !scale.Has(p.Rating) {
				w.Fatalf("rating %d is not on scale %s", p.Rating, w.plan.Scale)
			}
		}
	}
	want := 0
	if f, ok := c.(session.Finger); ok && f.Signal.Kind == input.Press && !out.Ignored {
		want = 1
	}
	if presses != want {
		w.Fatalf("got %d press facts after %+v, want %d", presses, c, want)
	}
	w.follow(out.Facts, shown)
	if v := out.View; v.Words.Question == "" || v.Screen == session.Reasons && len(v.Choices) == 0 {
		w.Fatalf("got nothing to read in %+v", v)
	}
	_, stored := c.(session.Stored)
	if (out.Thank || out.View.Screen == session.Thanks && shown.Screen != session.Thanks) && !stored {
		w.Fatalf("thanked after %+v", c)
	}
	if out.Deadline != 0 && out.Deadline <= w.now {
		w.Fatalf("got deadline %v at %v: that is over", out.Deadline, w.now)
	}
	if len(out.Facts) > 0 {
		w.open = append(w.open, out.Facts)
	}
	return out
}

// wall is the time of a day that begins ten minutes before midnight.
func (w *world) wall() time.Time {
	if !w.known {
		return time.Time{}
	}
	return time.Date(2026, 11, 25, 23, 50, 0, 0, time.UTC).Add(w.now)
}

// follow holds what is said after a press to its rules: questions that were shown
// end once, and nothing is said about a press after that.
func (w *world) follow(facts []feedback.Fact, shown session.View) {
	for _, f := range facts {
		var about feedback.Seq
		switch f := f.(type) {
		case feedback.Reason:
			about = f.Press
		case session.Remark:
			about = f.Press
			if f.Text == "" || strings.TrimSpace(f.Text) != f.Text {
				w.Fatalf("comment %q is kept", f.Text)
			}
		case feedback.FollowUpEnded:
			about = f.Press
		default:
			continue
		}
		if w.ended[about] {
			w.Fatalf("got %#v after the questions about it had ended", f)
		}
		// A tick that comes very late ends thanks and questions at once.
		if s := shown.Screen; s != session.Reasons && s != session.Remarks && s != session.Thanks {
			w.Fatalf("got %#v from the screen %v", f, s)
		}
		w.ended[about] = f.Kind() == feedback.KindEnd
	}
}

// do takes an event now; a prompt journal answers at once.
func (w *world) do(c session.Cause) session.Output {
	out := w.step(w.now, c)
	for w.prompt && len(w.open) > 0 {
		w.answer(rapid.IntRange(0, 9).Draw(w.T, "fails") > 0)
	}
	return out
}

// answer answers the oldest output with facts.
func (w *world) answer(stored bool) {
	if len(w.open) == 0 {
		return
	}
	facts := w.open[0]
	w.open = w.open[1:]
	if !stored {
		w.step(w.now, session.Failed{})
		return
	}
	s := session.Stored{Epoch: epoch}
	pressed := false
	for _, f := range facts {
		s.Seqs = append(s.Seqs, w.next)
		w.fold(f)
		if f.Kind() == feedback.KindPress {
			pressed = true
			w.presses[w.next] = true
		}
		w.next++
	}
	locked := w.state.View().Screen == session.Locked
	out := w.step(w.now, s)
	switch {
	case out.Thank && !pressed:
		w.Fatal("thanked for no press")
	case pressed && !out.Thank && !locked:
		w.Fatal("a durable press was not thanked for")
	case locked && out.Thank && out.View.Screen == session.Locked:
		w.Fatal("thanked while the faces were being cleaned")
	}
}

// fold reads what is durable as the hub does.
func (w *world) fold(f feedback.Fact) {
	for _, p := range named(f) {
		if !w.presses[p] {
			w.Fatalf("%#v names a record that is no durable press", f)
		}
	}
	if !w.prompt {
		return // a press may then overtake the plan that it answers
	}
	r := feedback.Record{Stamp: feedback.Stamp{Boot: 1, Since: w.now.Milliseconds()}, Fact: f}
	if err := w.folded.Step(w.next, r, &w.effects); err != nil {
		w.Fatalf("the hub would quarantine %#v: %v", f, err)
	}
	if f.Kind() == feedback.KindPress && *w.folded.Asked != w.plan {
		w.Fatalf("a press under %+v would be counted under %+v", w.plan, *w.folded.Asked)
	}
	if f.Kind() == feedback.KindPress && w.locked != (w.folded.Test || w.folded.Cleaning) {
		w.Fatalf("a press with test or cleaning %v would be read as with %v", w.locked, !w.locked)
	}
}

func named(f feedback.Fact) []feedback.Seq {
	switch f := f.(type) {
	case feedback.Stuck:
		return []feedback.Seq{f.Press}
	case feedback.Gesture:
		return []feedback.Seq{f.Press}
	case feedback.Reason:
		return []feedback.Seq{f.Press}
	case session.Remark:
		return []feedback.Seq{f.Press}
	case feedback.FollowUpEnded:
		return []feedback.Seq{f.Press}
	}
	return nil
}

func (w *world) applyPlan(scale feedback.ScaleID) {
	p := planOf(scale)
	p.FollowUps = []wire.FollowUp{
		{Ratings: []int{0}, Reasons: []string{"waiting"}},
		{Ratings: []int{1}, Reasons: []string{"dirty", "waiting"}, Comment: true},
		{Comment: true},
	}
	p.KeepDraft = rapid.Bool().Draw(w.T, "keep draft")
	p.Languages = []string{"en", "fr"}
	p.Words["fr"] = p.Words["en"]
	if rapid.Bool().Draw(w.T, "hours") {
		p.Hours = &w.hours
	}
	w.plan = p.Asked
	w.do(session.NewPlan{Plan: p})
}

func (w *world) place(label string) int {
	scale, _ := feedback.ParseScale(string(w.plan.Scale))
	return rapid.IntRange(0, scale.Steps-1).Draw(w.T, label)
}

func (w *world) signal(s input.Signal) session.Output {
	s.At = w.now
	return w.do(session.Finger{Signal: s})
}

func TestStep_Properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		scales := feedback.Scales()
		draw := func() feedback.ScaleID { return scales[rapid.IntRange(0, len(scales)-1).Draw(t, "scale")].ID }
		w.applyPlan(draw())
		made, test, clean := 0, false, time.Duration(-1)
		t.Repeat(map[string]func(*rapid.T){
			"press": func(t *rapid.T) {
				w.locked = test || clean >= 0
				out := w.signal(input.Signal{Kind: input.Press, Place: w.place("face"), Touch: rapid.Bool().Draw(t, "touch")})
				made++
				if out.Ignored {
					t.Fatal("a press on a face was ignored")
				}
			},
			"stuck": func(t *rapid.T) { w.signal(input.Signal{Kind: input.Stuck, Place: w.place("face")}) },
			"gesture": func(t *rapid.T) {
				w.signal(input.Signal{Kind: input.Gesture, Place: w.place("face"), Other: w.place("other")})
			},
			"cleaning gesture": func(t *rapid.T) {
				if clean < 0 {
					clean = w.now + session.CleaningTimeout
				} else {
					clean = -1
				}
				w.signal(input.Signal{Kind: input.Cleaning, Place: w.place("face"), Other: w.place("other")})
			},
			"away": func(t *rapid.T) { w.signal(input.Signal{Kind: input.Away, Touch: true}) },
			"answer": func(t *rapid.T) {
				kinds := []input.Kind{input.Reason, input.Typing, input.Comment, input.Skip, input.Language}
				texts := []string{"dirty", "waiting", "", "en", "fr"}
				w.signal(input.Signal{
					Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), Text: rapid.SampledFrom(texts).Draw(t, "text"), Touch: true,
				})
			},
			"clock": func(t *rapid.T) { w.known = !w.known },
			"plan":  func(t *rapid.T) { w.applyPlan(draw()) },
			"test": func(t *rapid.T) {
				test = !test
				w.do(session.Test{On: test})
			},
			"clean": func(t *rapid.T) {
				if clean < 0 {
					clean = w.now + session.CleaningTimeout
					w.do(session.Clean{On: true})
				}
			},
			"time": func(t *rapid.T) {
				w.now += time.Duration(rapid.IntRange(1, 20_000).Draw(t, "ms")) * time.Millisecond
				if clean >= 0 && w.now >= clean {
					clean = -1
				}
				if rapid.Bool().Draw(t, "tick") {
					w.do(session.Tick{})
				}
			},
			"stored": func(t *rapid.T) { w.answer(true) },
			"failed": func(t *rapid.T) { w.answer(false) },
		})
		w.settle(t)
		if len(w.presses) > made {
			t.Fatalf("%d presses became %d facts", made, len(w.presses))
		}
	})
}

// calm reports whether nothing goes on: at most the hours are looked at.
func (w *world) calm() bool {
	screen := w.state.View().Screen
	if screen != session.Faces && screen != session.Asleep {
		return false
	}
	next, out := session.Step(w.state, session.Event{At: w.now, Wall: w.wall(), Cause: session.Tick{}})
	return len(out.Facts) == 0 && next.View().Language == "en" && next.View().Screen == screen && (out.Deadline == 0 || out.Deadline-w.now > session.AwakeTimeout)
}

// settle lets everything end by itself.
func (w *world) settle(t *rapid.T) {
	for range 100 {
		for len(w.open) > 0 {
			w.answer(true)
		}
		if w.out.Deadline == 0 || w.calm() {
			break
		}
		w.now = w.out.Deadline
		w.step(w.now, session.Tick{})
	}
	if v := w.state.View(); !w.calm() || v.Language != "en" {
		t.Fatalf("got screen %v with a deadline at %v, want the faces and none", v.Screen, w.out.Deadline)
	}
}

// TestStep_ThanksTellNothing runs the same visits twice with other faces: what
// is shown and when must not differ.
func TestStep_ThanksTellNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		touch := rapid.Bool().Draw(t, "touch")
		visits := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) [3]int {
			return [3]int{rapid.IntRange(1, 6000).Draw(t, "after"), rapid.IntRange(0, 4).Draw(t, "face"), rapid.IntRange(0, 4).Draw(t, "other")}
		}), 1, 12).Draw(t, "visits")
		var seen [2][]string
		for which := range seen {
			var state session.State
			at := time.Duration(0)
			seq := feedback.Seq(0)
			var step func(c session.Cause)
			step = func(c session.Cause) {
				var out session.Output
				state, out = session.Step(state, session.Event{At: at, Cause: c})
				seen[which] = append(seen[which], fmt.Sprintf("%v %+v %v %v", at, out.View, out.Thank, out.Deadline))
				if len(out.Facts) > 0 {
					s := session.Stored{Epoch: epoch}
					for range out.Facts {
						seq++
						s.Seqs = append(s.Seqs, seq)
					}
					step(s)
				}
			}
			step(session.NewPlan{Plan: planOf("smiley5")})
			for _, v := range visits {
				at += time.Duration(v[0]) * time.Millisecond
				step(session.Tick{})
				step(session.Finger{Signal: input.Signal{Kind: input.Press, Place: v[1+which], Touch: touch}})
			}
		}
		if !reflect.DeepEqual(seen[0], seen[1]) {
			t.Fatalf("other faces, other pictures:\n%v\n%v", seen[0], seen[1])
		}
	})
}
