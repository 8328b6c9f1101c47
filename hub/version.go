package main

import (
	"fmt"

	"sourire/internal/run"
)

// versionCmd prints the version.
type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(c *console) error {
	_, err := fmt.Fprintln(c.Out, "sourire-hub", run.Version())
	return err
}
