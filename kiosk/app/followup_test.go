package app_test

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"sourire/internal/feedback"
	"sourire/kiosk/app"
	"sourire/kiosk/clock"
	"sourire/kiosk/input"
	"sourire/kiosk/journal"
	"sourire/kiosk/session"
)

// noting remembers what the journal has taken.
type noting struct {
	app.Appender
	mu    sync.Mutex
	taken []journal.Entry
	text  string // of the last comment
}

func (n *noting) AppendAt(ctx context.Context, at journal.At, facts ...feedback.Fact) ([]journal.Entry, error) {
	entries, err := n.Appender.AppendAt(ctx, at, facts...)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.taken = append(n.taken, entries...)
	for _, f := range facts {
		if r, ok := f.(journal.Remark); ok && err == nil {
			n.text = r.Text
		}
	}
	return entries, err
}

func (n *noting) kinds() []feedback.Kind {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []feedback.Kind
	for _, e := range n.taken {
		all = append(all, e.Record.Fact.Kind())
	}
	return all
}

// A whole visit: a press, a reason, a comment, thanks, and the faces again, each
// step in the journal before the next is shown.
func TestKiosk_followUp(t *testing.T) {
	o := options(t)
	o.Offline = true
	o.Settings.Kiosk.PlanFile = filepath.Join(t.TempDir(), "plan.json")
	plan := `{"v":1,"languages":["fr","ar"],"follow_ups":[{"ratings":[0],"reasons":["waiting","staff"],"comment":true}]}`
	if err := os.WriteFile(o.Settings.Kiosk.PlanFile, []byte(plan), 0o600); err != nil {
		t.Fatal(err)
	}
	front, said, taken := new(seen), make(fingers), new(noting)
	o.Front, o.Sources = front, []input.Source{said}
	o.WrapAppender = func(a app.Appender) app.Appender { taken.Appender = a; return taken }
	now, err := clock.New()
	if err != nil {
		t.Fatal(err)
	}
	stop := start(t, open(t, o))
	at := now.Now().Since
	say := func(after time.Duration, s input.Signal, shows session.Screen) session.View {
		t.Helper()
		s.At, s.Touch = at+after, true
		said <- s
		await(t, "the screen shows "+shows.String(), func() bool { return front.last().Screen == shows })
		return front.last()
	}
	say(0, input.Signal{Kind: input.Language, Text: "ar"}, session.Faces)
	say(0, input.Signal{Kind: input.Press, Place: 0}, session.Thanks)
	// Any signal makes the flow see how late it is.
	v := say(5*time.Second, input.Signal{Kind: input.Language, Text: "ar"}, session.Reasons)
	if v.Ask != "ما الذي لم يعجبك؟" || len(v.Choices) != 2 || v.Choices[0].Text != "الانتظار" {
		t.Errorf("got %q with %v, want the question in Arabic", v.Ask, v.Choices)
	}
	say(6*time.Second, input.Signal{Kind: input.Reason, Text: "waiting"}, session.Remarks)
	say(7*time.Second, input.Signal{Kind: input.Comment, Text: " Trop long. "}, session.Thanks)
	v = say(10*time.Second, input.Signal{Kind: input.Skip}, session.Faces)
	if v.Language != "fr" {
		t.Errorf("got %s for the next visitor, want French", v.Language)
	}
	stop()
	want := []feedback.Kind{feedback.KindPlan, feedback.KindPress, feedback.KindReason, feedback.KindComment, feedback.KindEnd}
	if got := taken.kinds(); !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	press, end := taken.taken[1], taken.taken[4].Record.Fact
	if want := (feedback.FollowUpEnded{Press: press.Seq, How: "done"}); end != want {
		t.Errorf("got %+v, want %+v", end, want)
	}
	if taken.text != "Trop long." {
		t.Errorf("got comment %q", taken.text)
	}
}
