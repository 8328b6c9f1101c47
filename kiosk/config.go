package main

import (
	"sourire/internal/setting"
	"sourire/kiosk/settings"
)

// configCmd prints the settings.
type configCmd struct{}

// Run prints a settings file that changes nothing.
func (configCmd) Run(c *console) error {
	return setting.Print(c.Out, settings.Defaults(), envPrefix)
}
