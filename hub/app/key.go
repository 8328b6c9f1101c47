package app

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"sourire/internal/durable"
)

// KeyFile is the name of the file in the data folder that holds the kiosks' key.
const KeyFile = "kiosk-key"

// kioskKey returns the key of the settings, or the one in the data folder,
// drawn at the first start; "" where kiosks show certificates. A file that no kiosk
// could load as its key is refused, for it was put there by mistake.
func (a *App) kioskKey() (string, error) {
	if a.o.Settings.Broker.ClientCAFile != "" {
		return "", nil
	}
	if k := a.o.Settings.Kiosks.Key; k != "" {
		return k, nil
	}
	path := a.folder.Path(KeyFile)
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("the kiosks' key: %w", err)
	}
	if key := strings.TrimSpace(string(text)); key != "" {
		if !isKey(key) {
			return "", fmt.Errorf("%s does not hold the kiosks' key, which is one line of text: put a copy of hub.key_file of a kiosk there, or remove it and copy the new one to all kiosks", path)
		}
		return key, nil
	}
	secret := make([]byte, 16)
	_, _ = rand.Read(secret) // never fails
	key := hex.EncodeToString(secret)
	if err := durable.WriteFile(path, []byte(key+"\n"), 0o600); err != nil {
		return "", err
	}
	// A folder that has served had a key, in this file or in the settings.
	if _, err := os.Lstat(a.folder.Path(lastTermName)); text != nil || err == nil {
		a.o.Log.Warn("the file of the kiosks' key was empty or gone and a new key was drawn: kiosks that show the old one are refused until they get a copy, or the file its old content back", "file", path)
	}
	return key, nil
}

// maxKey is the longest password that MQTT can carry (3.1.1, clause 1.5.3).
const maxKey = 65535

// isKey reports whether a kiosk can load the text as its key from a file.
func isKey(s string) bool {
	return s == strings.TrimSpace(s) && len(s) <= maxKey && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
