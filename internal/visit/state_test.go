package visit_test

import (
	"fmt"
	"strings"
	"testing"

	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// Nothing of a state is lost by storing it.
func TestState_MarshalJSON(t *testing.T) {
	at := func(since int64, f feedback.Fact) feedback.Record {
		return feedback.Record{Stamp: feedback.Stamp{Boot: 1, Since: since}, Fact: f}
	}
	asked := feedback.Asked{Site: "s", Touchpoint: "exit", Survey: "q", Scale: "smiley3"}
	other := feedback.Asked{Site: "s", Touchpoint: "door", Survey: "q", Scale: "nps"}
	journal := []feedback.Record{
		at(0, feedback.BootBegan{Version: "v1", Down: -1}),
		at(0, feedback.PlanApplied{Plan: feedback.NewPlanID(nil), Asked: asked}),
		at(1000, feedback.Press{Rating: 2, Held: 80}),
		at(1200, feedback.Press{Rating: 0, Held: 80}),
		at(2000, feedback.ClockFix{Boot: 1, Offset: 1_790_000_000_000, Uncertainty: 10, Source: "hub"}),
		at(5000, feedback.Press{Rating: 1, Held: 80}),
		at(6000, feedback.Press{Rating: 1, Held: 80, Flow: 4}),
		at(6500, feedback.Press{Rating: 2, Held: 80, Flow: 4}),
		at(7000, feedback.PlanApplied{Plan: feedback.NewPlanID(nil), Asked: other}),
		at(8000, feedback.Press{Rating: 10, Held: 80}),
		at(8100, feedback.Press{Rating: 10, Held: 80}),
		at(8200, feedback.Press{Rating: 10, Held: 80}),
		at(9000, feedback.Test{On: true}),
		at(9100, feedback.Press{Rating: 10, Held: 80}),
		at(9200, feedback.Cleaning{On: true}),
	}
	var s visit.State
	var e visit.Effects
	for i := range journal {
		b, err := s.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var back visit.State
		if err := back.UnmarshalJSON(b); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if got, want := everything(back), everything(s); got != want {
			t.Errorf("after %d records got\n%s, want\n%s, of\n%s", i, got, want, b)
		}
		if err := s.Step(feedback.Seq(i+1), journal[i], &e); err != nil {
			t.Fatal(err)
		}
	}
}

// everything prints a state with what its pointers point to.
func everything(s visit.State) string {
	asked := "nothing"
	if s.Asked != nil {
		asked = fmt.Sprintf("%+v", *s.Asked)
	}
	s.Asked = nil
	return asked + fmt.Sprintf("%+v", s)
}

func TestState_UnmarshalJSON_refuses(t *testing.T) {
	for _, text := range []string{
		`[]`, `{"asked":1}`, `{"boots":[[1,2]]}`, `{"asks":[["s","t","q","smiley3"]],"tail":[[1,1,0,0,1,1,0,0,0,0]]}`,
		`{"tail":[[1,1,0,0,1,1,0,0,0,0]],"taps":[[]]}`, `{"asks":[["s","t","q","smiley3"]],"tail":[[1,1,0,0,1,1,0,0,0,0]],"taps":[[1]]}`,
	} {
		var s visit.State
		if err := s.UnmarshalJSON([]byte(text)); err == nil || strings.TrimSpace(err.Error()) == "" {
			t.Errorf("got %v for %s, want an error", err, text)
		}
	}
}
