package screen

import (
	"bytes"
	"io/fs"
	"strings"
	"testing"
	"unicode"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"
	opentype "github.com/go-text/typesetting/font"

	"sourire/assets"
)

// Every text of every language has a glyph for each of its characters, in the
// usual and in the bold font that it is set in, without any font of the system.
func TestFonts_HaveEveryGlyph(t *testing.T) {
	l, err := loadLook()
	if err != nil {
		t.Fatal(err)
	}
	faces := make(map[string]*opentype.Face)
	face := func(r fyne.Resource) *opentype.Face {
		if faces[r.Name()] == nil {
			f, err := opentype.ParseTTF(bytes.NewReader(r.Content()))
			if err != nil {
				t.Fatal(err)
			}
			faces[r.Name()] = f
		}
		return faces[r.Name()]
	}
	checked := 0
	for name, text := range allTexts(t) {
		language := strings.TrimSuffix(name, ".toml")
		for _, p := range pieces(text+strings.ToUpper(text)+digits, isRTL(language)) {
			for _, bold := range []bool{false, true} {
				from := l.fonts.of(p.script, bold)
				if from == nil {
					from = theme.DefaultTextFont()
					if bold {
						from = theme.DefaultTextBoldFont()
					}
				}
				for _, r := range p.text {
					checked++
					if _, ok := face(from).NominalGlyph(r); !ok && !unicode.IsControl(r) {
						t.Errorf("%s: %s has no glyph for %q", name, from.Name(), r)
					}
				}
			}
		}
	}
	if checked < 10_000 {
		t.Errorf("only %d characters were looked at", checked)
	}
}

// allTexts returns what stands in the files of each language.
func allTexts(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, files := range []fs.FS{assets.Kiosk(), assets.Survey()} {
		names, err := fs.Glob(files, "*.toml")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			content, err := fs.ReadFile(files, name)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(content)) {
				if key, text, ok := strings.Cut(line, " = "); ok && !strings.HasPrefix(key, "#") {
					all[name] += strings.TrimSpace(text) + " "
				}
			}
		}
	}
	if len(all) != 8 {
		t.Errorf("got %d languages, want eight", len(all))
	}
	return all
}
