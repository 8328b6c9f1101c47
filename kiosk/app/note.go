package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"sourire/internal/durable"
)

// NoteFile is the name of the file in the data folder in which a running kiosk
// writes how its link is, for `status`. It is written when that changes, so about
// twice in an outage.
const NoteFile = "link.json"

// Note is how the link of a running kiosk is.
type Note struct {
	Address string    `json:"address"`       // of the hub's broker
	Reached bool      `json:"reached"`       // the hub has answered
	Why     string    `json:"why,omitempty"` // it is out of reach
	At      time.Time `json:"at"`            // since when, by the kiosk's clock
}

// noteLink writes down that the hub answers, or why it does not. Without room for
// the note the kiosk goes on, and what was noted before, which is no longer true,
// goes away.
func (k *Kiosk) noteLink(why error) {
	n := Note{Address: k.link.Address, Reached: why == nil, At: k.o.Clock.Now().Wall.UTC().Truncate(time.Second)}
	if why != nil {
		n.Why = why.Error()
	}
	text, err := json.Marshal(n)
	if err == nil {
		err = durable.WriteFile(k.folder.Path(NoteFile), append(text, '\n'), 0o600)
	}
	if err != nil {
		k.o.Log.Debug("how the link is was not written down", "err", err)
		k.dropNote()
	}
}

// dropNote removes what was noted before.
func (k *Kiosk) dropNote() {
	if err := os.Remove(k.folder.Path(NoteFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		k.o.Log.Debug("an old note of the link was not removed", "err", err)
	}
}

// ReadNote reads what the kiosk that runs on a folder has noted; nil when it has
// noted nothing yet.
func ReadNote(path string) (*Note, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	n := new(Note)
	if err := json.Unmarshal(text, n); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", path, err)
	}
	return n, nil
}
