//go:build !gui

package main

import (
	"context"
	"errors"

	"sourire/internal/command"
	"sourire/kiosk/app"
)

// window refuses: this program was built without a window. With -tags gui,
// window.go has it: it puts the window in as Front and as one of the Sources of
// o, runs the kiosk with that beside the toolkit's main loop, and returns when
// both have ended. A window that closes ends the kiosk.
func window(context.Context, app.Options, func(context.Context, app.Options) error) error {
	return command.Usage(errors.New("this program was built without a window: leave --window out, or build it with -tags gui,x11,gles,no_emoji,migrated_fynedo"))
}
