package session_test

import (
	"reflect"
	"testing"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/wire"
	"sourire/kiosk/input"
	"sourire/kiosk/session"
)

const epoch = feedback.Epoch(7)

func planOf(scale feedback.ScaleID) session.Plan {
	return session.Plan{
		ID:       feedback.NewPlanID([]byte(scale)),
		Asked:    feedback.Asked{Site: "store-1", Touchpoint: "exit", Survey: "visit", Scale: scale},
		Language: "en",
		Words:    map[string]wire.Words{"en": {Question: "How was it?", Thanks: "Thank you!"}},
	}
}

// kiosk steps a session and answers as a journal would.
type kiosk struct {
	t     *testing.T
	state session.State
	out   session.Output
	next  feedback.Seq
	told  []feedback.Fact
	slow  bool // leave facts unanswered
	wall  time.Time
}

func newKiosk(t *testing.T, p session.Plan) *kiosk {
	k := &kiosk{t: t, next: 1}
	k.step(0, session.NewPlan{Plan: p})
	return k
}

// step takes one event and, unless the journal is slow, its answers. It returns
// the facts of all of these.
func (k *kiosk) step(at time.Duration, c session.Cause) []feedback.Fact {
	k.t.Helper()
	var facts []feedback.Fact
	for {
		k.state, k.out = session.Step(k.state, session.Event{At: at, Wall: k.wall, Cause: c})
		facts = append(facts, k.out.Facts...)
		k.told = append(k.told, k.out.Facts...)
		if len(k.out.Facts) == 0 || k.slow {
			return facts
		}
		c = k.storing(k.out.Facts)
	}
}

// storing numbers facts.
func (k *kiosk) storing(facts []feedback.Fact) session.Stored {
	s := session.Stored{Epoch: epoch}
	for range facts {
		s.Seqs = append(s.Seqs, k.next)
		k.next++
	}
	return s
}

func (k *kiosk) wantFacts(got []feedback.Fact, want ...feedback.Fact) {
	k.t.Helper()
	if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
		k.t.Errorf("got facts %#v, want %#v", got, want)
	}
}

func (k *kiosk) wantScreen(want session.Screen) {
	k.t.Helper()
	if got := k.out.View.Screen; got != want {
		k.t.Errorf("got screen %v, want %v", got, want)
	}
}

func button(place int) session.Finger {
	return session.Finger{Signal: input.Signal{Kind: input.Press, Place: place, Held: 25 * time.Millisecond}}
}

func tap(place int) session.Finger {
	return session.Finger{Signal: input.Signal{Kind: input.Press, Place: place, Touch: true}}
}

func signal(kind input.Kind, place, other int) session.Finger {
	return session.Finger{Signal: input.Signal{Kind: kind, Place: place, Other: other}}
}

func says(kind input.Kind, text string) session.Finger {
	return session.Finger{Signal: input.Signal{Kind: kind, Text: text, Touch: true}}
}

const s = time.Second

func TestStep_ThanksOnlyWhenDurable(t *testing.T) {
	k := newKiosk(t, planOf("smiley3"))
	k.wantFacts(k.told, feedback.PlanApplied{Plan: planOf("smiley3").ID, Asked: planOf("smiley3").Asked})
	k.slow = true
	k.wantFacts(k.step(10*s, button(2)), feedback.Press{Rating: 2, Held: 25})
	k.wantScreen(session.Faces)
	k.step(11*s, session.Tick{})
	k.wantScreen(session.Faces)
	if k.out.Thank {
		t.Error("thanked before the press was durable")
	}
	k.step(12*s, session.Stored{Epoch: epoch, Seqs: []feedback.Seq{2}})
	k.wantScreen(session.Thanks)
	if !k.out.Thank || k.out.View.Change || k.out.Deadline != 14*s {
		t.Errorf("got %+v, want thanks for two seconds and no offer to change", k.out)
	}
	k.step(14*s, session.Tick{})
	k.wantScreen(session.Faces)
	if k.out.Deadline != 0 {
		t.Errorf("got a deadline at %v, want none", k.out.Deadline)
	}
}

func TestStep_Failed(t *testing.T) {
	k := newKiosk(t, planOf("smiley3"))
	k.slow = true
	k.step(10*s, button(0))
	k.step(11*s, session.Failed{})
	k.wantScreen(session.Faces)
	if k.out.Thank || !k.out.View.Trouble || k.out.Deadline != 0 {
		t.Errorf("got %+v, want no thanks, trouble, and nothing to try again", k.out)
	}
	k.slow = false
	k.wantFacts(k.step(12*s, button(1)), feedback.Press{Rating: 1, Held: 25})
	if k.out.View.Trouble || k.out.View.Screen != session.Thanks {
		t.Errorf("got %+v, want thanks and no trouble", k.out)
	}
}

func TestStep_OwedFactsAreTriedAgain(t *testing.T) {
	p := planOf("smiley3")
	applied := feedback.PlanApplied{Plan: p.ID, Asked: p.Asked}
	k := &kiosk{t: t, next: 1, slow: true}
	k.wantFacts(k.step(1*s, session.NewPlan{Plan: p}), applied)
	k.step(2*s, session.Failed{})
	if k.out.Deadline != 7*s {
		t.Errorf("got deadline %v, want 7s", k.out.Deadline)
	}
	k.wantFacts(k.step(3*s, session.Tick{}))
	// A press takes them along, in front.
	k.wantFacts(k.step(4*s, button(1)), applied, feedback.Press{Rating: 1, Held: 25})
	k.step(5*s, session.Failed{})
	k.wantFacts(k.step(10*s, session.Tick{}), applied)
	k.step(11*s, session.Stored{Epoch: epoch, Seqs: []feedback.Seq{1}})
	k.wantFacts(k.step(12*s, button(1)), feedback.Press{Rating: 1, Held: 25})
	k.step(12*s, session.Stored{Epoch: epoch, Seqs: []feedback.Seq{2}})
	k.wantScreen(session.Thanks)
}

func TestStep_PlanAlreadyApplied(t *testing.T) {
	k := &kiosk{t: t, next: 1}
	k.wantFacts(k.step(s, session.NewPlan{Plan: planOf("nps"), Applied: true}))
	k.wantScreen(session.Faces)
	k.wantFacts(k.step(2*s, button(10)), feedback.Press{Rating: 10, Held: 25})
	k.wantFacts(k.step(3*s, session.NewPlan{Plan: planOf("nps")}))
}

func TestStep_NothingToAnswer(t *testing.T) {
	k := &kiosk{t: t, next: 1}
	k.wantFacts(k.step(s, button(0)))
	k.wantScreen(session.Closed)
	if !k.out.Ignored {
		t.Error("got a press before any plan taken, want it ignored")
	}
	k.step(2*s, session.NewPlan{Plan: planOf("binary")})
	for _, place := range []int{-1, 2, feedback.MaxSteps} {
		k.wantFacts(k.step(3*s, button(place)))
		if !k.out.Ignored {
			t.Errorf("got place %d of a scale with two steps taken, want it ignored", place)
		}
	}
	k.step(4*s, session.NewPlan{Plan: planOf("smiley9")})
	if !k.out.Ignored || k.out.View.Scale.ID != "binary" {
		t.Errorf("got %+v, want a plan with an unknown scale ignored", k.out)
	}
}

func TestStep_Turns(t *testing.T) {
	tests := []struct {
		name string
		do   func(*kiosk)
		want []int64 // flows of the presses
	}{
		{"change within 4 s", func(k *kiosk) {
			k.step(10*s, tap(0))
			k.step(13*s, tap(2))
		}, []int64{1, 1}},
		{"the window is not renewed", func(k *kiosk) {
			k.step(10*s, tap(0))
			k.step(13*s, tap(1))
			k.step(14*s, tap(2))
		}, []int64{1, 1, 2}},
		{"after the window", func(k *kiosk) {
			k.step(10*s, tap(0))
			k.step(14*s, tap(0))
		}, []int64{1, 2}},
		{"a tap beside the faces", func(k *kiosk) {
			k.step(10*s, tap(0))
			k.step(11*s, signal(input.Away, 0, 0))
			k.wantScreen(session.Faces)
			k.step(12*s, tap(0))
		}, []int64{1, 2}},
		{"a tap in time that is told late", func(k *kiosk) {
			k.step(10*s, tap(0))
			k.step(15*s, session.Tick{})
			k.step(13*s, tap(1))
		}, []int64{1, 1}},
		{"a slow disk merges nobody", func(k *kiosk) {
			k.slow = true
			k.step(10*s, tap(0))
			k.step(13*s, tap(1))
			k.step(15*s, tap(2))
		}, []int64{1, 1, 2}},
		{"another plan", func(k *kiosk) {
			k.step(10*s, tap(0))
			k.step(11*s, session.NewPlan{Plan: planOf("smiley4")})
			k.wantScreen(session.Thanks)
			k.step(12*s, tap(0))
		}, []int64{1, 2}},
		{"buttons have none", func(k *kiosk) {
			k.step(10*s, button(0))
			k.step(11*s, button(0))
			k.step(11*s, tap(0))
		}, []int64{0, 0, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newKiosk(t, planOf("smiley3"))
			tt.do(k)
			var flows []int64
			for _, f := range k.told {
				if p, ok := f.(feedback.Press); ok {
					flows = append(flows, p.Flow)
				}
			}
			if !reflect.DeepEqual(flows, tt.want) {
				t.Errorf("got turns %v, want %v", flows, tt.want)
			}
		})
	}
}

func TestStep_ChangeIsOfferedForFourSeconds(t *testing.T) {
	k := newKiosk(t, planOf("smiley3"))
	k.step(10*s, tap(0))
	if !k.out.View.Change || k.out.Deadline != 14*s {
		t.Errorf("got %+v, want an offer until 14s", k.out)
	}
	k.step(13*s, tap(2))
	if !k.out.View.Change || !k.out.Thank || k.out.Deadline != 14*s {
		t.Errorf("got %+v, want thanks and an offer until 14s", k.out)
	}
	k.step(14*s, session.Tick{})
	k.wantScreen(session.Thanks)
	if k.out.View.Change || k.out.Deadline != 15*s {
		t.Errorf("got %+v, want thanks without an offer until 15s", k.out)
	}
	k.step(15*s, session.Tick{})
	k.wantScreen(session.Faces)
}

func TestStep_Cleaning(t *testing.T) {
	k := newKiosk(t, planOf("smiley3"))
	k.wantFacts(k.step(10*s, session.Clean{On: true}), feedback.Cleaning{On: true})
	k.wantScreen(session.Locked)
	k.wantFacts(k.step(20*s, button(0)), feedback.Press{Rating: 0, Held: 25})
	k.wantScreen(session.Locked)
	if k.out.Thank || k.out.Deadline != 70*s {
		t.Errorf("got %+v, want no thanks and an end at 70s", k.out)
	}
	k.wantFacts(k.step(30*s, session.Clean{On: true})) // on already: a minute from now
	k.wantFacts(k.step(70*s, session.Tick{}))
	// A press after the end comes before the tick does.
	k.wantFacts(k.step(91*s, button(1)), feedback.Cleaning{On: false}, feedback.Press{Rating: 1, Held: 25})
	k.wantScreen(session.Thanks)
	k.step(100*s, session.Clean{On: true})
	k.wantFacts(k.step(101*s, session.Clean{On: false}), feedback.Cleaning{On: false})
	k.wantScreen(session.Faces)
}

func TestStep_Test(t *testing.T) {
	k := newKiosk(t, planOf("smiley3"))
	k.wantFacts(k.step(10*s, session.Test{On: true}), feedback.Test{On: true})
	k.wantFacts(k.step(11*s, session.Test{On: true}))
	k.step(12*s, button(0))
	if !k.out.View.Test || k.out.View.Screen != session.Thanks {
		t.Errorf("got %+v, want thanks that say it is a test", k.out.View)
	}
	k.wantFacts(k.step(13*s, session.Test{On: false}), feedback.Test{On: false})
}

func TestStep_Stuck(t *testing.T) {
	k := newKiosk(t, planOf("smiley3")) // record 1
	k.wantFacts(k.step(1*s, signal(input.Stuck, 2, 0)))
	k.step(10*s, button(2)) // 2
	k.step(11*s, button(0)) // 3
	k.wantFacts(k.step(20*s, signal(input.Stuck, 2, 0)), feedback.Stuck{Press: 2})
	if k.out.Thank {
		t.Error("thanked for a stuck button")
	}
	k.slow = true
	k.step(30*s, button(1))
	k.wantFacts(k.step(40*s, signal(input.Stuck, 1, 0))) // not durable yet
	k.wantFacts(k.step(41*s, session.Stored{Epoch: epoch, Seqs: []feedback.Seq{9}}), feedback.Stuck{Press: 9})
	if k.out.Epoch != epoch {
		t.Errorf("got epoch %v for a fact that names a press, want %v", k.out.Epoch, epoch)
	}
}

func TestStep_Gesture(t *testing.T) {
	k := newKiosk(t, planOf("smiley3"))
	k.step(10*s, button(0))
	k.step(10*s, button(2))
	k.wantFacts(k.step(15*s, signal(input.Gesture, 0, 2)), feedback.Gesture{Press: 2}, feedback.Gesture{Press: 3})
	k.wantScreen(session.Technician)
	k.step(25*s, session.Tick{})
	k.wantScreen(session.Faces)
}

func TestStep_CleaningGesture(t *testing.T) {
	k := newKiosk(t, planOf("smiley3"))
	k.step(10*s, button(0)) // 2
	k.step(10*s, button(1)) // 3
	k.wantFacts(k.step(15*s, signal(input.Cleaning, 0, 1)), feedback.Cleaning{On: true}, feedback.Gesture{Press: 2}, feedback.Gesture{Press: 3})
	k.wantScreen(session.Locked)
	k.step(20*s, button(0)) // 7
	k.step(20*s, button(1)) // 8
	if k.out.Thank {
		t.Error("thanked while somebody cleans")
	}
	k.wantFacts(k.step(25*s, signal(input.Cleaning, 0, 1)), feedback.Cleaning{On: false}, feedback.Gesture{Press: 7}, feedback.Gesture{Press: 8})
	k.wantScreen(session.Faces)
}

func TestStep_AnotherEpoch(t *testing.T) {
	k := newKiosk(t, planOf("smiley3"))
	k.step(10*s, button(0))
	k.slow = true
	k.step(11*s, button(2))
	k.step(11*s, session.Stored{Epoch: epoch + 1, Seqs: []feedback.Seq{5}})
	k.wantFacts(k.step(20*s, signal(input.Stuck, 0, 0)))
	k.wantFacts(k.step(21*s, signal(input.Stuck, 2, 0)), feedback.Stuck{Press: 5})
	if k.out.Epoch != epoch+1 {
		t.Errorf("got epoch %v, want the new one", k.out.Epoch)
	}
}

func TestStep_Questions(t *testing.T) {
	p := planOf("smiley3")
	p.FollowUps = []wire.FollowUp{{Ratings: []int{0}, Reasons: []string{"waiting", "dirty"}, Comment: true}}
	tests := []struct {
		name string
		do   func(*kiosk)
		want []feedback.Fact // after the press, which is record 2
	}{
		{"answered", func(k *kiosk) {
			k.wantScreen(session.Reasons)
			k.step(15*s, says(input.Reason, "dirty"))
			k.wantScreen(session.Remarks)
			k.step(16*s, says(input.Comment, "the door"))
		}, []feedback.Fact{
			feedback.Reason{Press: 2, Code: "dirty"},
			session.Remark{Press: 2, Text: "the door"},
			feedback.FollowUpEnded{Press: 2, How: "done"},
		}},
		{"skipped", func(k *kiosk) {
			k.step(15*s, says(input.Skip, ""))
		}, []feedback.Fact{feedback.FollowUpEnded{Press: 2, How: "skipped"}}},
		{"no comment", func(k *kiosk) {
			k.step(15*s, says(input.Reason, "dirty"))
			k.step(16*s, says(input.Comment, " \n"))
		}, []feedback.Fact{feedback.Reason{Press: 2, Code: "dirty"}, feedback.FollowUpEnded{Press: 2, How: "skipped"}}},
		{"left alone", func(k *kiosk) {
			k.step(29*s, session.Tick{})
		}, []feedback.Fact{feedback.FollowUpEnded{Press: 2, How: "timeout"}}},
		{"cleaning", func(k *kiosk) {
			k.step(15*s, session.Clean{On: true})
		}, []feedback.Fact{feedback.Cleaning{On: true}, feedback.FollowUpEnded{Press: 2, How: "timeout"}}},
		{"the next visitor", func(k *kiosk) {
			k.step(15*s, tap(2))
			k.wantScreen(session.Thanks)
		}, []feedback.Fact{feedback.FollowUpEnded{Press: 2, How: "skipped"}, feedback.Press{Rating: 2, Flow: 2}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newKiosk(t, p)
			k.step(10*s, tap(0))
			k.step(14*s, session.Tick{})
			k.told = nil
			tt.do(k)
			k.wantFacts(k.told, tt.want...)
		})
	}
	t.Run("buttons get none", func(t *testing.T) {
		k := newKiosk(t, p)
		k.step(10*s, button(0))
		k.step(14*s, session.Tick{})
		k.wantScreen(session.Faces)
	})
}
