package session_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/schedule"
	"sourire/internal/wire"
	"sourire/kiosk/input"
	"sourire/kiosk/session"
)

// asking is a plan that asks everything, in two languages.
func asking() session.Plan {
	p := planOf("smiley3")
	p.Languages = []string{"en", "ar"}
	p.Words = map[string]wire.Words{
		"en": {Question: "How was it?", Thanks: "Thank you!", Comment: "More?", Texts: map[string]string{
			"waiting": "Waiting", "lunch": "Lunch", "why-negative": "What was it?", "why-positive": "What was good?", "noon": "At noon?",
		}},
		"ar": {Question: "كيف؟", Thanks: "شكرًا", Comment: "المزيد؟", Texts: map[string]string{"waiting": "الانتظار", "why-negative": "ماذا؟"}},
	}
	p.FollowUps = []wire.FollowUp{
		{When: &schedule.Span{From: "11:30", Until: "14:00"}, Ask: "noon", Reasons: []string{"lunch"}},
		{Ratings: []int{0}, Reasons: []string{"waiting"}, Comment: true},
		{Ratings: []int{2}, Comment: true},
	}
	return p
}

// at steps with a known time of day.
func (k *kiosk) at(at time.Duration, wall string, c session.Cause) {
	k.t.Helper()
	now, err := time.Parse("2006-01-02 15:04", wall)
	if err != nil {
		k.t.Fatal(err)
	}
	k.wall = now
	k.step(at, c)
	k.wall = time.Time{}
}

// What is asked depends on the rating and on the time of day.
func TestStep_Branches(t *testing.T) {
	zone := time.FixedZone("two hours east", 2*60*60)
	tests := []struct {
		name, wall string
		place      int
		screen     session.Screen
		ask        string
		choices    []session.Choice
	}{
		{"bad", "2026-11-25 14:00", 0, session.Reasons, "What was it?", []session.Choice{{Code: "waiting", Text: "Waiting"}}},
		{"neutral", "2026-11-25 14:00", 1, session.Faces, "", nil},
		{"good", "2026-11-25 14:00", 2, session.Remarks, "More?", nil},
		{"bad at noon", "2026-11-25 10:00", 0, session.Reasons, "At noon?", []session.Choice{{Code: "lunch", Text: "Lunch"}}},
		{"neutral at noon", "2026-11-25 10:00", 1, session.Reasons, "At noon?", []session.Choice{{Code: "lunch", Text: "Lunch"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := asking()
			p.Zone = zone
			k := newKiosk(t, p)
			k.at(10*s, tt.wall, tap(tt.place))
			k.at(14*s, tt.wall, session.Tick{})
			k.wantScreen(tt.screen)
			if v := k.out.View; v.Ask != tt.ask || !reflect.DeepEqual(v.Choices, tt.choices) {
				t.Errorf("got %q with %v, want %q with %v", v.Ask, v.Choices, tt.ask, tt.choices)
			}
		})
	}
	t.Run("the time is not known", func(t *testing.T) {
		k := newKiosk(t, asking())
		k.step(10*s, tap(1))
		k.step(14*s, session.Tick{})
		k.wantScreen(session.Faces)
	})
}

// The follow-up is thanked for when the disk has it, and stays until then.
func TestStep_FollowUpIsThanked(t *testing.T) {
	p := asking()
	k := newKiosk(t, p)
	k.step(10*s, tap(2))
	k.step(14*s, session.Tick{})
	k.slow = true
	k.step(20*s, says(input.Comment, "ok"))
	k.wantScreen(session.Remarks)
	k.wantFacts(k.step(21*s, says(input.Comment, "once more")))
	k.wantFacts(k.step(21*s, says(input.Skip, "")))
	k.step(21*s, session.Stored{Epoch: epoch, Seqs: []feedback.Seq{3, 4}})
	k.wantScreen(session.Thanks)
	if k.out.Thank || k.out.View.Change {
		t.Errorf("got %+v, want thanks without lamp or offer", k.out)
	}
	k.wantFacts(k.step(23*s, session.Tick{}))
	k.wantScreen(session.Faces)

	k.slow = false
	k.step(30*s, tap(2))
	k.step(34*s, session.Tick{})
	k.slow = true
	k.step(35*s, says(input.Comment, "lost"))
	k.step(36*s, session.Failed{})
	k.wantScreen(session.Faces)
	if !k.out.View.Trouble {
		t.Error("a comment that is not on the disk is no trouble")
	}
}

// What stands in the text field when its visitor has gone is dropped or kept as
// the plan says; typing gives time.
func TestStep_Draft(t *testing.T) {
	remark := session.Remark{Press: 2, Text: "the do"}
	timeout := feedback.FollowUpEnded{Press: 2, How: "timeout"}
	skipped := feedback.FollowUpEnded{Press: 2, How: "skipped"}
	tests := []struct {
		name string
		keep bool
		end  func(*kiosk)
		want []feedback.Fact
	}{
		{"dropped", false, func(k *kiosk) { k.step(110*s, session.Tick{}) }, []feedback.Fact{timeout}},
		{"kept", true, func(k *kiosk) { k.step(110*s, session.Tick{}) }, []feedback.Fact{remark, timeout}},
		{"not over yet", true, func(k *kiosk) { k.step(109*s, session.Tick{}); k.wantScreen(session.Remarks) }, nil},
		{"dropped by its visitor", true, func(k *kiosk) { k.step(60*s, says(input.Skip, "")) }, []feedback.Fact{skipped}},
		{"kept for cleaning", true, func(k *kiosk) { k.step(60*s, session.Clean{On: true}) }, []feedback.Fact{feedback.Cleaning{On: true}, remark, timeout}},
		{"deleted again", true, func(k *kiosk) {
			k.step(51*s, says(input.Typing, " "))
			k.step(111*s, session.Tick{})
		}, []feedback.Fact{timeout}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := asking()
			p.KeepDraft = tt.keep
			k := newKiosk(t, p)
			k.step(10*s, tap(2))
			k.step(14*s, session.Tick{})
			k.told = nil
			k.step(50*s, says(input.Typing, "the do"))
			tt.end(k)
			k.wantFacts(k.told, tt.want...)
			k.told = nil
			k.step(200*s, tap(2))
			k.step(204*s, session.Tick{})
			k.step(264*s, session.Tick{})
			if r, ok := k.told[len(k.told)-2].(session.Remark); ok && len(tt.want) > 0 {
				t.Errorf("the next visitor's comment is %+v", r)
			}
		})
	}
}

func TestStep_LongComment(t *testing.T) {
	k := newKiosk(t, asking())
	k.step(10*s, tap(2))
	k.step(14*s, session.Tick{})
	facts := k.step(20*s, says(input.Comment, strings.Repeat("é", session.MaxComment+7)))
	if r, ok := facts[0].(session.Remark); !ok || r.Text != strings.Repeat("é", session.MaxComment) {
		t.Errorf("got %+v, want %d characters", facts[0], session.MaxComment)
	}
}

// Answers to what is not asked say nothing.
func TestStep_AnswersToNothing(t *testing.T) {
	k := newKiosk(t, asking())
	all := []session.Finger{
		says(input.Reason, "waiting"), says(input.Comment, "hm"), says(input.Typing, "hm"), says(input.Skip, ""), says(input.Language, "de"),
	}
	for _, f := range all {
		k.wantFacts(k.step(5*s, f))
		k.wantScreen(session.Faces)
	}
	k.step(10*s, tap(0))
	k.step(14*s, session.Tick{})
	k.wantFacts(k.step(15*s, says(input.Reason, "lunch")))
	k.wantFacts(k.step(15*s, says(input.Comment, "hm")))
	k.wantScreen(session.Reasons)
}

// A language stays to the end of its visitor's visit, and goes back by itself.
func TestStep_Language(t *testing.T) {
	k := newKiosk(t, asking())
	want := func(language string) {
		t.Helper()
		v := k.out.View
		if v.Language != language || v.Words.Question != asking().Words[language].Question {
			t.Errorf("got %s with %q, want %s", v.Language, v.Words.Question, language)
		}
	}
	k.step(5*s, session.Tick{})
	want("en")
	k.step(10*s, says(input.Language, "ar"))
	want("ar")
	if k.out.Deadline != 30*s {
		t.Errorf("got deadline %v, want 30s", k.out.Deadline)
	}
	k.step(30*s, session.Tick{})
	want("en")

	k.step(40*s, says(input.Language, "ar"))
	k.step(45*s, tap(0))
	want("ar")
	k.step(49*s, session.Tick{})
	k.wantScreen(session.Reasons)
	want("ar")
	if k.out.View.Ask != "ماذا؟" {
		t.Errorf("got question %q", k.out.View.Ask)
	}
	k.step(50*s, says(input.Language, "en"))
	want("en")
	k.step(51*s, says(input.Language, "ar"))
	k.step(52*s, says(input.Reason, "waiting"))
	want("ar")
	k.step(53*s, says(input.Comment, "x"))
	k.wantScreen(session.Thanks)
	want("ar")
	k.step(55*s, session.Tick{})
	k.wantScreen(session.Faces)
	want("en")

	k.step(60*s, says(input.Language, "ar"))
	k.step(61*s, tap(1))
	k.step(62*s, signal(input.Away, 0, 0))
	want("en")
}

func TestStep_Sleeps(t *testing.T) {
	hours, err := schedule.New(schedule.Hours{Week: map[string][]schedule.Span{"wed": {{From: "09:00", Until: "18:00"}}}}, time.UTC, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := asking()
	p.Hours, p.FollowUps = &hours, nil
	k := newKiosk(t, p)
	k.wantScreen(session.Faces) // what time is it?
	if k.out.Deadline != time.Minute {
		t.Errorf("got deadline %v, want to look again in a minute", k.out.Deadline)
	}
	k.at(60*s, "2026-11-25 17:59", session.Tick{})
	k.wantScreen(session.Faces)
	if k.out.Deadline != 120*s {
		t.Errorf("got deadline %v, want the end of the day at 120s", k.out.Deadline)
	}
	k.at(120*s, "2026-11-25 18:00", session.Tick{})
	k.wantScreen(session.Asleep)
	k.at(130*s, "2026-11-25 18:00", signal(input.Away, 0, 0))
	k.wantScreen(session.Faces)
	k.at(140*s, "2026-11-25 18:00", tap(2))
	k.wantScreen(session.Thanks)
	k.at(144*s, "2026-11-25 18:00", session.Tick{})
	k.wantScreen(session.Faces)
	k.at(160*s, "2026-11-25 18:00", session.Tick{})
	k.wantScreen(session.Asleep)
	k.at(170*s, "2026-11-25 18:00", button(2)) // recorded and thanked as ever
	k.wantScreen(session.Thanks)
	k.at(172*s, "2026-11-25 18:01", session.Tick{})
	k.wantScreen(session.Asleep)
	k.at(180*s, "2026-11-25 18:02", signal(input.Gesture, 0, 2)) // technicians come when nobody else does
	k.wantScreen(session.Technician)
	k.at(190*s, "2026-11-25 18:02", session.Tick{})
	k.wantScreen(session.Asleep)
	k.at(200*s, "2026-11-26 08:59", session.Tick{}) // a Thursday
	k.wantScreen(session.Asleep)
	k.at(300*s, "2026-12-02 09:00", session.Tick{})
	k.wantScreen(session.Faces)
}
