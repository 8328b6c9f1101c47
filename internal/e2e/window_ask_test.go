package e2e

import (
	"context"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"sourire/hub/app"
	"sourire/hub/store/sqlstore"
	"sourire/internal/feedback"
)

// A visitor of a real window chooses Arabic, is unhappy, says why, types a word and
// sends it; the next one finds French again. What was said is in the hub's store.
func TestWindow_followUp(t *testing.T) {
	needWindow(t)
	program := buildWindow(t)
	s := hubSettings(t)
	hub := startHub(t, s)
	store, err := sqlstore.Open(context.Background(), filepath.Join(s.Data, app.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	size := image.Pt(1280, 800)
	d := startDisplay(t, size)
	t.Setenv("DISPLAY", d.name)
	folder := t.TempDir()
	plan := filepath.Join(folder, "plan.json")
	text := `{"v":1,"languages":["fr","ar"],"follow_ups":[{"ratings":[0],"reasons":["waiting","staff"],"comment":true}]}`
	if err := os.WriteFile(plan, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	kiosk := startProgram(t, program, "run", "--window", "--data", filepath.Join(folder, "kiosk"), "--kiosk.id", "window",
		"--kiosk.plan_file", plan, "--hub.address", hub.BrokerAddr(), "--hub.key", hub.Key())
	d.do("search --sync --onlyvisible --name Sourire windowmove %%1 0 0 windowsize --sync %%1 %d %d", size.X, size.Y)

	white := color.RGBA{0xff, 0xff, 0xff, 0xff}
	worst := func(place int) image.Point { return image.Pt(faceX(size, place), size.Y*42/100) }
	tap := func(x, y int) { d.do("mousemove %d %d click 1", x, y) }
	d.await("the worst face at the left", worst(0), worstFace)
	tap(size.X*60/100, size.Y-45) // Arabic
	d.await("the worst face at the right", worst(2), worstFace)
	d.keep("arabic-faces")
	tap(faceX(size, 2), size.Y*58/100)
	d.await("thanks", image.Pt(size.X-8, 8), thanksGround)
	d.await("the reasons", image.Pt(size.X/2, 260), white)
	d.keep("arabic-reasons")
	tap(size.X/2, 336) // the first
	d.await("the text field", image.Pt(size.X/2, 240), white)
	tap(66, 464) // the first letter
	tap(66, 558)
	d.keep("arabic-comment")
	tap(135, 63) // send, which is at the left
	d.await("thanks for the comment", image.Pt(size.X-8, 8), thanksGround)
	d.await("the worst face at the left again", worst(0), worstFace)

	var got []feedback.Fact
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); <-time.After(10 * time.Millisecond) {
		got = nil
		for _, f := range storedFacts(t, store) {
			switch f.Kind() {
			case feedback.KindPress, feedback.KindReason, feedback.KindComment, feedback.KindEnd:
				got = append(got, f)
			}
		}
		if len(got) >= 4 {
			break
		}
	}
	if len(got) != 4 {
		t.Fatalf("got %v in the hub, want a press, a reason, a comment and their end\n%s", got, kiosk.out)
	}
	reason, _ := got[1].(feedback.Reason)
	comment, _ := got[2].(feedback.Comment)
	press := reason.Press
	want := []feedback.Fact{
		feedback.Press{Rating: 0, Flow: 1},
		feedback.Reason{Press: press, Code: "waiting"},
		feedback.Comment{Press: press, Digest: comment.Digest},
		feedback.FollowUpEnded{Press: press, How: "done"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if err := kiosk.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := kiosk.cmd.Wait(); err != nil {
		t.Errorf("the kiosk ended with %v\n%s", err, kiosk.out)
	}
	proved(t, s)
}
