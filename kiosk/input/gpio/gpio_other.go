//go:build !linux

package gpio

import (
	"context"
	"errors"

	"sourire/kiosk/input"
)

// Run says that this system has no GPIO lines.
func (b *Buttons) Run(context.Context, func(input.Signal)) error {
	return errors.New("gpio: buttons need Linux")
}

// Chips says that this system has no GPIO chips.
func Chips() ([]Chip, error) { return nil, errors.New("gpio: GPIO chips are listed on Linux only") }

// request is a line that is held, of which there is none here.
type request struct{}

func (*request) close() {}

// Set says that this system has no GPIO lines.
func (o *Output) Set(bool) error { return errors.New("gpio: lamps need Linux") }
