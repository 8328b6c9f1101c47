//go:build gui

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"fyne.io/fyne/v2"
	fyneapp "fyne.io/fyne/v2/app"

	"sourire/internal/command"
	"sourire/internal/run"
	"sourire/kiosk/app"
	"sourire/kiosk/clock"
	"sourire/kiosk/screen"
	"sourire/kiosk/session"
)

// windowSize is what a window has where it can choose: a seven inch panel.
var windowSize = fyne.NewSize(800, 480)

// scratch is the toolkit's own folder in the data folder. Nothing in it is
// needed: it may be deleted while the program does not run.
const scratch = "window"

// window runs the kiosk with a window as its Front and as one of its Sources.
// The toolkit's main loop needs the main goroutine, so the kiosk has another.
// Whichever ends first ends the other: the kiosk by an error, the window by
// being closed. A signal ends both by itself, for the toolkit listens too.
func window(ctx context.Context, o app.Options, kiosk func(context.Context, app.Options) error) error {
	if os.Getenv("DISPLAY") == "" {
		return command.Usage(errors.New("no display is named: put an X server's into DISPLAY, or leave --window out"))
	}
	if err := setEnvironment(o.Settings.Path(scratch)); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	c, err := clock.New()
	if err != nil {
		return err
	}
	toolkit := fyneapp.NewWithID("sourire.kiosk")
	faces, err := screen.New(screen.Options{Now: func() time.Duration { return c.Now().Since }, Log: o.Log})
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
	started := make(chan struct{})
	toolkit.Lifecycle().SetOnStarted(func() { close(started) })

	o.Front, o.Sources = front{faces, ctx}, append(o.Sources, faces)
	g := run.NewGroup(context.WithoutCancel(ctx), run.Options{StopTimeout: stopTimeout, Log: o.Log})
	g.Start("window", func(context.Context) error {
		<-started // before that it cannot be ended
		<-ctx.Done()
		toolkit.Driver().Quit()
		return nil
	})
	g.Start("kiosk", func(context.Context) error {
		defer stop()
		return kiosk(ctx, o)
	})
	toolkit.Run()
	stop()
	return g.Stop()
}

// front shows nothing any more when the end has begun: by then the toolkit may
// be gone, and what is sent to it hangs or panics.
type front struct {
	*screen.Screen
	ctx context.Context
}

// Show draws a view.
func (f front) Show(v session.View) {
	defer func() {
		if why := recover(); why != nil && f.ctx.Err() == nil {
			panic(why)
		}
	}()
	if f.ctx.Err() == nil {
		f.Screen.Show(v)
	}
}

// open shows the window. Where it cannot be opened the toolkit panics.
func open(w fyne.Window) (err error) {
	defer func() {
		if why := recover(); why != nil {
			err = command.Usage(fmt.Errorf("the display %s cannot be opened (%v): put that of an X server which runs into DISPLAY, or leave --window out", os.Getenv("DISPLAY"), why))
		}
	}()
	w.Show()
	return nil
}

// setEnvironment tells the toolkit, where nobody has, how to behave. folder is
// one that it may write to.
func setEnvironment(folder string) error {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("data folder: the window cannot write there: %w", err)
	}
	for _, e := range []struct{ name, value string }{
		// Left alone it guesses from the size that a panel claims to have, and
		// every panel looks different.
		{"FYNE_SCALE", "1"},
		{"FYNE_DISABLE_DPI_DETECTION", "1"},
		// It asks the desktop for its colours, which are not used here; where
		// there is no desktop it would start a message bus and leave it behind.
		{"DBUS_SESSION_BUS_ADDRESS", "disabled:"},
		// It keeps fonts, shaders and settings of its own; a kiosk's root is
		// read-only, and its user may have no home.
		{"XDG_CACHE_HOME", folder},
		{"XDG_CONFIG_HOME", folder},
	} {
		if os.Getenv(e.name) != "" {
			continue
		}
		if err := os.Setenv(e.name, e.value); err != nil {
			return err
		}
	}
	return nil
}
