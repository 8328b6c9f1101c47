// Package setting reads a program's settings: from a TOML file, from the
// environment and from flags, all three derived from one struct.
//
// It stands at the beginning of both programs, before the straight line. The
// struct, filled with the defaults, is the only definition: its tags name the
// key and explain it to the person who installs the program.
//
//	type Settings struct {
//		Hub struct {
//			Address string        `toml:"address" help:"Host and port of the hub."`
//			Timeout time.Duration `toml:"timeout" help:"How long to wait for an answer."`
//		} `toml:"hub" help:"Where the hub is."`
//		Sites []Site `toml:"site" help:"One table for each site."`
//	}
//
// A key of the file is `[hub] address`; with the prefix SOURIRE_KIOSK the same
// key is SOURIRE_KIOSK_HUB_ADDRESS in the environment (where an empty variable
// counts as absent) and --hub.address as a flag. A flag beats the environment,
// that beats the file, that beats the default. Tables in lists come from the file alone.
// Whatever is known to none of the three is refused: in the environment, every
// variable that is not empty and begins with the prefix and _.
//
// Fields are strings, booleans, numbers, durations, types that read themselves
// from text (encoding.TextUnmarshaler), lists of these, structs (one section
// deep) and lists of structs. Anything else is a defect of the program and
// panics at the first Load, Print or NewFlags.
//
// Settings are read once; the package keeps nothing. It must not know any key,
// nor the library that parses the command line.
package setting

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// Source says where settings come from; the zero value gives the defaults.
type Source struct {
	File      string            // path of the TOML file; "" for none
	Optional  bool              // a missing file is like an empty one
	EnvPrefix string            // "SOURIRE_KIOSK"
	Environ   []string          // as os.Environ gives it
	Flags     map[string]string // by key, "hub.address"; Flags.Given gives it
}

// Load returns defaults as changed by the source. The error names every bad
// setting, each in a line of its own: where it stands, its key, what it is and
// what is expected; or, for an unknown key, the known one that looks like it.
func Load[T any](defaults T, from Source) (T, error) {
	loaded := defaults
	s := schemaOf(reflect.ValueOf(&loaded).Elem())
	var faults []error
	tree, err := readFile(from)
	if err != nil {
		return defaults, err
	}
	faults = append(faults, s.fromFile(from.File, tree)...)
	faults = append(faults, s.fromEnviron(from.EnvPrefix, from.Environ)...)
	faults = append(faults, s.fromFlags(from.Flags)...)
	if err := errors.Join(faults...); err != nil {
		return defaults, err
	}
	return loaded, nil
}

func readFile(from Source) (map[string]any, error) {
	if from.File == "" {
		return nil, nil
	}
	text, err := os.ReadFile(from.File)
	if from.Optional && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, unreadable(from.File, err)
	}
	var tree map[string]any
	if err := toml.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("%s is not a TOML file: %w", from.File, err)
	}
	return tree, nil
}

// unreadable says what to do about a settings file that is none.
func unreadable(file string, err error) error {
	info, statErr := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("settings file %s is not there: correct its name, or put there what config prints: %w", file, err)
	case statErr == nil && info.IsDir():
		return fmt.Errorf("settings file %s is a folder: name the file in it: %w", file, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("settings file %s: let this user read it: %w", file, err)
	}
	return fmt.Errorf("settings file %s cannot be read: %w", file, err)
}

// fromFile puts the values of a parsed file into the struct and returns what
// is wrong with them.
func (s *schema) fromFile(file string, tree map[string]any) []error {
	var faults []error
	for _, name := range sortedKeys(tree) {
		value := tree[name]
		if l := find(s.leaves, name); l != nil {
			faults = append(faults, l.set(file, value))
			continue
		}
		if t := find(s.tables, name); t != nil {
			faults = append(faults, t.fromFile(file, value)...)
			continue
		}
		inner, isSection := value.(map[string]any)
		switch {
		case !slices.Contains(s.sectionNames(), name):
			faults = append(faults, s.unknown(file, name))
		case !isSection:
			faults = append(faults, fmt.Errorf("%s: %s is a section, write it as [%s]", file, name, name))
		default:
			faults = append(faults, s.sectionFromFile(file, name, inner)...)
		}
	}
	return slices.DeleteFunc(faults, func(err error) bool { return err == nil })
}

func (s *schema) sectionFromFile(file, section string, tree map[string]any) []error {
	var faults []error
	for _, name := range sortedKeys(tree) {
		key := section + "." + name
		if l := find(s.leaves, key); l != nil {
			faults = append(faults, l.set(file, tree[name]))
			continue
		}
		faults = append(faults, s.unknown(file, key))
	}
	return faults
}

// fromFile replaces the list by the tables of the file; each begins as a zero
// value, not as a default.
func (t *table) fromFile(file string, value any) []error {
	trees, ok := value.([]map[string]any)
	if !ok {
		return []error{fmt.Errorf("%s: %s is a list of tables, write each as [[%s]]", file, t.name, t.name)}
	}
	var faults []error
	list := reflect.MakeSlice(t.value.Type(), len(trees), len(trees))
	for i, tree := range trees {
		s := schemaOfTable(list.Index(i))
		for _, fault := range s.fromFile(file, tree) {
			faults = append(faults, fmt.Errorf("in [[%s]] number %d: %w", t.name, i+1, fault))
		}
	}
	t.value.Set(list)
	return faults
}

func (s *schema) fromEnviron(prefix string, environ []string) []error {
	given := map[string]string{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		given[name] = value
	}
	var faults []error
	for _, l := range s.leaves {
		name := envName(prefix, l.name)
		if text := given[name]; text != "" {
			faults = append(faults, l.setText("environment variable "+name, text))
		}
		delete(given, name)
	}
	for _, name := range sortedKeys(given) {
		rest, ours := strings.CutPrefix(name, prefix+"_")
		if ours && prefix != "" && given[name] != "" && !clusters.MatchString(rest) {
			faults = append(faults, s.unknownVariable(prefix, rest))
		}
	}
	return faults
}

// clusters are the variables by which Kubernetes tells every program where the
// services of a name are: a service sourire-hub becomes SOURIRE_HUB_SERVICE_HOST,
// SOURIRE_HUB_PORT_1883_TCP_ADDR and the like.
var clusters = regexp.MustCompile(`^(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)?)$`)

// unknownVariable says that a variable means nothing; rest is its name without
// the prefix.
func (s *schema) unknownVariable(prefix, rest string) error {
	dotted := func(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", ".") }
	for _, t := range s.tables {
		if table := dotted(t.name); dotted(rest) == table || dotted(rest) == table+"s" || strings.HasPrefix(dotted(rest), table+".") {
			return fmt.Errorf("environment variable %s_%s: unknown, %s is a list of tables and stands in the settings file only, each as [[%s]]",
				prefix, rest, t.name, t.name)
		}
	}
	var known, names []string
	for _, l := range s.leaves {
		known = append(known, dotted(l.name))
		names = append(names, envName(prefix, l.name))
	}
	if near := nearest(dotted(rest), known); near != "" {
		return fmt.Errorf("environment variable %s_%s: unknown, did you mean %s?", prefix, rest, names[slices.Index(known, near)])
	}
	return fmt.Errorf("environment variable %s_%s: unknown, known are %s", prefix, rest, strings.Join(names, ", "))
}

func (s *schema) fromFlags(given map[string]string) []error {
	var faults []error
	for _, key := range sortedKeys(given) {
		if l := find(s.leaves, key); l != nil {
			faults = append(faults, l.setText("flag --"+key, given[key]))
			continue
		}
		faults = append(faults, s.unknown("flag --"+key, key))
	}
	return faults
}

// envName returns the environment variable of a key.
func envName(prefix, key string) string {
	return prefix + "_" + strings.NewReplacer(".", "_", "-", "_").Replace(strings.ToUpper(key))
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
