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
