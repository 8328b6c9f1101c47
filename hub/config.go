package main

import (
	"sourire/hub/app"
	"sourire/internal/setting"
)

// configCmd prints the settings.
type configCmd struct{}

// Help stands below the summary.
func (configCmd) Help() string { return "Example: sourire-hub config > sourire-hub.toml" }

// Run prints a settings file that changes nothing.
func (configCmd) Run(c *console) error { return setting.Print(c.Out, app.Defaults(), envPrefix) }
