package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"sourire/kiosk/app"
	"sourire/kiosk/settings"
)

// inhabited refuses a data folder in which no kiosk has begun a journal: a
// mistyped one, most likely, and a second kiosk of the same name would be made in
// silence. `run` alone begins a kiosk.
func inhabited(s settings.Settings) error {
	path := s.Path(app.JournalFile)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil // what else is wrong with it, its user says
	}
	if _, err := os.Lstat(path + ".fresh"); err == nil {
		return nil // a rescue was cut by a power cut, the next start ends it
	}
	return fmt.Errorf("there is no kiosk in the folder %s: name its data folder with --data, or start it once with run", s.Data)
}
