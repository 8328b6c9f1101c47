package main

import (
	"sourire/internal/setting"
	"sourire/kiosk/settings"
)

// configCmd prints the settings.
type configCmd struct{}

// Help stands below the summary.
func (configCmd) Help() string { return "Example: sourire-kiosk config > sourire-kiosk.toml" }

// Run prints a settings file that changes nothing.
func (configCmd) Run(c *console) error {
	return setting.Print(c.Out, settings.Defaults(), envPrefix)
}
