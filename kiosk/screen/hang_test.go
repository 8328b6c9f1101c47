package screen

import (
	"context"
	"testing"
	"time"

	"fyne.io/fyne/v2/test"

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
