package screen

import (
	"bytes"
	"context"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"

	"sourire/internal/feedback"
	"sourire/kiosk/input"
	"sourire/kiosk/session"
)

// A toolkit that hangs holds up nobody: views are told to it once, not waited for,
// and the taps that it told before go on.
func TestScreen_ToolkitHangs(t *testing.T) {
	test.NewTempApp(t)
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	queued := 0
	s.later = func(func()) { queued++ } // and never does it
	s.tell(input.Signal{Kind: input.Press, Place: 2})
	for i := range 1000 {
		s.Show(session.View{Screen: session.Faces, Trouble: i%2 == 0})
	}
	if queued != 1 {
		t.Errorf("%d views wait for the toolkit, want one", queued)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var got []input.Signal
	err = s.Run(ctx, func(signal input.Signal) {
		got = append(got, signal)
		cancel()
	})
	if err != nil || len(got) != 1 || got[0].Place != 2 || !got[0].Touch {
		t.Errorf("got %+v and %v, want the tap", got, err)
	}
}

// A view that cannot be drawn ends nothing: the log says so, and the next view is
// drawn as if it had been the first.
func TestScreen_ViewThatCannotBeDrawn(t *testing.T) {
	test.NewTempApp(t)
	var log bytes.Buffer
	s, err := New(Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	w := test.NewTempWindow(t, s.Object())
	w.SetPadded(false)
	w.Resize(fyne.NewSize(800, 480))
	scale, err := feedback.ParseScale("smiley3")
	if err != nil {
		t.Fatal(err)
	}
	good := session.View{Screen: session.Faces, Language: "en", Scale: scale}
	s.Show(good)
	want := w.Canvas().Capture()
	bad := good
	bad.Scale = feedback.Scale{ID: "broken", Steps: -1}
	s.Show(bad)
	if !strings.Contains(log.String(), "cannot be drawn") {
		t.Errorf("got log %q, want it to name the view", &log)
	}
	s.Show(good)
	if !reflect.DeepEqual(want, w.Canvas().Capture()) {
		t.Error("the next view looks otherwise than before")
	}
}
