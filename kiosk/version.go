package main

import (
	"fmt"

	"sourire/internal/run"
)

// versionCmd prints the version.
type versionCmd struct{}

// Run prints one line.
func (versionCmd) Run(c *console) error {
	_, err := fmt.Fprintln(c.Out, "sourire-kiosk", run.Version())
	return err
}
