package main

import (
	"fmt"

	"sourire/kiosk/app"
	"sourire/kiosk/journal"
	"sourire/kiosk/settings"
)

// inhabited refuses a data folder in which no kiosk has begun a journal: a
// mistyped one, most likely, and a second kiosk of the same name would be made in
// silence. `run` alone begins a kiosk.
func inhabited(s settings.Settings) error {
	if journal.Begun(s.Path(app.JournalFile)) {
		return nil
	}
	return fmt.Errorf("there is no kiosk in the folder %s: name its data folder with --data, or start it once with run", s.Data)
}
