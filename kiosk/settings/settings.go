package settings

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	"sourire/internal/feedback"
	"sourire/internal/link"
)

// Settings are a kiosk's settings, as a file, the environment and flags give
// them.
type Settings struct {
	Data  string `toml:"data" help:"Folder of the kiosk's data. It must be on a local disk."`
	Kiosk struct {
		ID         string `toml:"id" help:"Name of this kiosk, unlike every other's: a-z, 0-9 and -, at most 40." example:"store-12-exit"`
		Site       string `toml:"site" help:"Id of the site where it stands."`
		Touchpoint string `toml:"touchpoint" help:"Id of the place on the site, such as exit or till-3."`
		Survey     string `toml:"survey" help:"Id of the question that it asks."`
		Scale      string `toml:"scale" help:"Scale of the answers: smiley3, smiley4, smiley5, csat5, csat7, csat10, nps, ces7 or binary."`
		Language   string `toml:"language" help:"Language that visitors see first: fr, en, de, es, it, fi, ar, zh, or one for which the plan has words."`
		PlanFile   string `toml:"plan_file" help:"JSON file with a plan as a hub sends it, for a kiosk that has none: words, languages, questions after a rating, opening hours. What it leaves out is as set here."`
	} `toml:"kiosk" help:"Which kiosk this is and what it asks. A plan from the hub goes before all but the id and the language."`
	Buttons struct {
		Lines      []string      `toml:"lines" help:"GPIO line of each button, worst face first, by its name or as chip label:number; sourire-kiosk pins lists them. Empty: this kiosk has no buttons." example:"GPIO17"`
		ActiveHigh bool          `toml:"active_high" help:"The line is high while a button is down. Otherwise buttons close to ground."`
		NoPull     bool          `toml:"no_pull" help:"The board has resistors of its own; otherwise the chip pulls the lines."`
		Debounce   time.Duration `toml:"debounce" help:"How long a line must be quiet until the kernel tells an edge. 0 to 15ms."`
	} `toml:"buttons" help:"Buttons on GPIO lines. A press counts when a button was held for 20 ms."`
	Lamps struct {
		Lines     []string `toml:"lines" help:"GPIO line of each lamp, in the order of the buttons. All of them light as thanks, whatever was pressed."`
		Buzzer    string   `toml:"buzzer" help:"GPIO line of a buzzer, for a short sound as thanks. Empty: none."`
		ActiveLow bool     `toml:"active_low" help:"A lamp is on while its line is low."`
	} `toml:"lamps" help:"Lamps and a buzzer on GPIO lines, as thanks when a press is on disk."`
	Hub struct {
		Address string `toml:"address" help:"Broker of the hub, mqtt://host:port or mqtts://host:port; several nodes of one as mqtt://host:port,host:port."`
		Key     string `toml:"key" help:"Key that the hub wants to see. key_file keeps it out of this file."`
		KeyFile string `toml:"key_file" help:"File that holds the key."`
		CAFile  string `toml:"ca_file" help:"PEM file of the authority that signed the broker's certificate. Empty: those that the system trusts. mqtts only."`

		ClientCertFile string `toml:"client_cert_file" help:"PEM file of this kiosk's own certificate, whose common name is its id, for a hub that wants to see one. {id} in the path stands for the id. mqtts only."`
		ClientKeyFile  string `toml:"client_key_file" help:"PEM file with the key of that certificate; {id} as above."`
	} `toml:"hub" help:"Where the hub is."`
	Journal struct {
		Keep    time.Duration `toml:"keep" help:"How long records stay that the hub has confirmed. Others stay until it does."`
		MaxSize int64         `toml:"max_size" help:"Bytes that the journal may take on the disk."`
	} `toml:"journal" help:"What happened here, on disk until the hub has it."`
}

// The least that a journal is worth.
const (
	minKeep = time.Hour
	minSize = 1 << 20
)

// maxDebounce leaves of a press of 20 ms, less what the kernel's rounding takes,
// enough to be seen.
const maxDebounce = 15 * time.Millisecond

// Defaults returns the settings of a kiosk beside its hub. Only [kiosk] id has
// none: two kiosks of one name would take each other's place.
func Defaults() Settings {
	var s Settings
	s.Data = "sourire-kiosk-data"
	s.Kiosk.Site = "main"
	s.Kiosk.Touchpoint = "exit"
	s.Kiosk.Survey = "visit"
	s.Kiosk.Scale = string(feedback.Scales()[0].ID)
	s.Kiosk.Language = "fr"
	s.Hub.Address = "mqtt://127.0.0.1:1883"
	s.Buttons.Debounce = 5 * time.Millisecond
	s.Journal.Keep = 30 * 24 * time.Hour
	s.Journal.MaxSize = 1 << 30
	return s
}

// Check says what is wrong with the settings, in a sentence. It opens no file.
func (s Settings) Check() error {
	if s.Data == "" {
		return fmt.Errorf("setting data is empty: name the folder where the kiosk keeps its data")
	}
	if s.Kiosk.ID == "" {
		return fmt.Errorf("setting kiosk.id is empty: give this kiosk a name that no other has")
	}
	checks := []struct {
		key string
		err error
	}{
		{"kiosk.id", second(feedback.ParseKioskID(s.Kiosk.ID))},
		{"kiosk.site", second(feedback.ParseSiteID(s.Kiosk.Site))},
		{"kiosk.touchpoint", second(feedback.ParseTouchpointID(s.Kiosk.Touchpoint))},
		{"kiosk.survey", second(feedback.ParseSurveyID(s.Kiosk.Survey))},
		{"kiosk.scale", second(feedback.ParseScale(s.Kiosk.Scale))},
		{"hub.address", link.CheckAddress(s.Hub.Address)},
	}
	for _, c := range checks {
		if c.err != nil {
			return fmt.Errorf("setting %s: %w", c.key, c.err)
		}
	}
	return cmp.Or(s.checkLanguage(), s.checkButtons(), s.checkHub(), s.checkJournal())
}

func second[T any](_ T, err error) error { return err }

func (s Settings) checkLanguage() error {
	_, err := language.Parse(s.Kiosk.Language) // which knows the registered ones
	if err != nil || !isLanguage(s.Kiosk.Language) {
		return fmt.Errorf("setting kiosk.language %q is no language: write fr, en, de, es, it, fi, ar, zh, or one for which the plan has words", s.Kiosk.Language)
	}
	return nil
}

func (s Settings) checkButtons() error {
	b := s.Buttons
	all := append(append(slices.Clone(b.Lines), s.Lamps.Lines...), s.Lamps.Buzzer)
	for i, l := range all {
		if l != "" && slices.Index(all, l) != i {
			return fmt.Errorf("settings buttons.lines, lamps.lines and lamps.buzzer name line %q twice: each button and lamp has a line of its own", l)
		}
		if i < len(all)-1 && strings.TrimSpace(l) == "" {
			return fmt.Errorf("setting buttons.lines or lamps.lines has an empty name: leave it out or name the line")
		}
	}
	if len(b.Lines) == 0 {
		return nil
	}
	if scale, err := feedback.ParseScale(s.Kiosk.Scale); err == nil && len(b.Lines) != scale.Steps {
		return fmt.Errorf("setting buttons.lines names %d lines and scale %s has %d faces: name one line for each face, worst first", len(b.Lines), scale.ID, scale.Steps)
	}
	if b.Debounce < 0 || b.Debounce > maxDebounce {
		return fmt.Errorf("setting buttons.debounce is %v: give 0 to %v, or presses of 20 ms are not seen", b.Debounce, maxDebounce)
	}
	return nil
}

func (s Settings) checkHub() error {
	if s.Hub.Key != "" && s.Hub.KeyFile != "" {
		return fmt.Errorf("settings hub.key and hub.key_file are both given: keep one")
	}
	if (s.Hub.ClientCertFile == "") != (s.Hub.ClientKeyFile == "") {
		return fmt.Errorf("settings hub.client_cert_file and hub.client_key_file belong together: give both or none")
	}
	if s.Hub.ClientCertFile != "" && !strings.HasPrefix(s.Hub.Address, "mqtts://") {
		return fmt.Errorf("setting hub.client_cert_file is of no use with hub.address %q: write mqtts:// there, or drop the file", s.Hub.Address)
	}
	if s.Hub.CAFile != "" && !strings.HasPrefix(s.Hub.Address, "mqtts://") {
		return fmt.Errorf("setting hub.ca_file is of no use with hub.address %q: write mqtts:// there, or drop the file", s.Hub.Address)
	}
	return nil
}

func (s Settings) checkJournal() error {
	if s.Journal.Keep < minKeep {
		return fmt.Errorf("setting journal.keep is %v: a hub restored from a backup asks for old records, keep at least %v", s.Journal.Keep, minKeep)
	}
	if s.Journal.MaxSize < minSize {
		return fmt.Errorf("setting journal.max_size is %d bytes: give the journal at least %d", s.Journal.MaxSize, minSize)
	}
	return nil
}

// Key returns the key to show to the hub: the setting or the content of its
// file, "" for none.
func (s Settings) Key() (string, error) {
	if s.Hub.KeyFile == "" {
		return s.Hub.Key, nil
	}
	text, err := os.ReadFile(s.Hub.KeyFile)
	if err != nil {
		return "", fmt.Errorf("setting hub.key_file: the key cannot be read: %w", err)
	}
	key := strings.TrimSpace(string(text))
	if key == "" || strings.ContainsAny(key, "\r\n") || len(key) > maxKey {
		return "", fmt.Errorf("setting hub.key_file: %s does not hold one line with a key: copy the hub's file", s.Hub.KeyFile)
	}
	return key, nil
}

// maxKey is the longest password that MQTT can carry (3.1.1, clause 1.5.3).
const maxKey = 65535

// Path returns the path of a file in the data folder.
func (s Settings) Path(name string) string { return filepath.Join(s.Data, name) }

// isLanguage reports whether s looks like a BCP 47 tag, "fr" or "zh-Hans".
func isLanguage(s string) bool {
	parts := strings.Split(s, "-")
	return len(parts[0]) >= 2 && len(parts[0]) <= 3 && len(s) <= 35 && !slices.ContainsFunc(parts, func(p string) bool {
		return p == "" || len(p) > 8 || strings.Trim(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != ""
	})
}
