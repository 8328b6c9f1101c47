//go:build gui

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"fyne.io/fyne/v2"
	fyneapp "fyne.io/fyne/v2/app"

	"sourire/kiosk/app"
	"sourire/kiosk/clock"
	"sourire/kiosk/screen"
)

// windowSize is what a window has where it can choose: a seven inch panel.
var windowSize = fyne.NewSize(800, 480)

// window runs the kiosk with a window as its Front and as one of its Sources.
// The toolkit's main loop needs the main goroutine, so the kiosk has another,
// for which this function waits. A window that is closed ends the kiosk, and
// the main loop ends after the kiosk, so that nothing is shown to a toolkit that
// is gone.
func window(ctx context.Context, o app.Options, kiosk func(context.Context, app.Options) error) error {
	if os.Getenv("DISPLAY") == "" {
		return usageError{errors.New("no display is named: put an X server's into DISPLAY, or leave --window out")}
	}
	if err := setScale(); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	c, err := clock.New()
	if err != nil {
		return err
	}
	toolkit := fyneapp.NewWithID("sourire.kiosk")
	faces, err := screen.New(screen.Options{Now: func() time.Duration { return c.Now().Since }})
	if err != nil {
		return err
	}
	w := toolkit.NewWindow("Sourire " + o.Settings.Kiosk.ID)
	w.SetPadded(false)
	w.SetContent(faces.Object())
	w.Resize(windowSize)
	w.SetCloseIntercept(stop)
	if err := open(w); err != nil {
		return err
	}

	o.Front, o.Sources = faces, append(o.Sources, faces)
	ended := make(chan error, 1)
	go func() {
		err := kiosk(ctx, o)
		fyne.Do(toolkit.Quit)
		ended <- err
	}()
	toolkit.Run()
	stop()
	return <-ended
}

// open shows the window. Where it cannot be opened the toolkit panics.
func open(w fyne.Window) (err error) {
	defer func() {
		if why := recover(); why != nil {
			err = usageError{fmt.Errorf("the display %s cannot be opened (%v): put that of an X server which runs into DISPLAY, or leave --window out", os.Getenv("DISPLAY"), why)}
		}
	}()
	w.Show()
	return nil
}

// setScale makes every panel show the same, unless somebody wants otherwise:
// left alone the toolkit guesses from the size that a panel claims to have.
func setScale() error {
	unset := func(name, value string) error {
		if os.Getenv(name) != "" {
			return nil
		}
		return os.Setenv(name, value)
	}
	return cmp.Or(unset("FYNE_SCALE", "1"), unset("FYNE_DISABLE_DPI_DETECTION", "1"))
}
