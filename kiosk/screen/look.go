package screen

import (
	"fmt"
	"image/color"
	"io/fs"
	"path"
	"regexp"
	"strconv"

	"fyne.io/fyne/v2"

	"sourire/assets"
	"sourire/internal/i18n"
)

// The colours are those of the hub's pages. Each text has a contrast of at least
// 4.5 : 1 on its ground.
var (
	ground = color.NRGBA{0xf7, 0xf5, 0xf1, 0xff}
	ink    = color.NRGBA{0x1d, 0x1b, 0x18, 0xff}
	soft   = color.NRGBA{0x5f, 0x5a, 0x52, 0xff}
	accent = color.NRGBA{0x1d, 0x5c, 0x8f, 0xff}
	alarm  = color.NRGBA{0xa3, 0x24, 0x1b, 0xff}
	white  = color.NRGBA{0xff, 0xff, 0xff, 0xff}
)

// firstLanguage is the one of fixed texts whose language there is not.
const firstLanguage = "en"

// look is what is drawn: pictures, their colours, and fixed texts.
type look struct {
	faces []fyne.Resource // worst first
	moods []color.NRGBA   // their colours
	marks map[string]fyne.Resource
	texts *i18n.Catalog
}

func loadLook() (*look, error) {
	l := &look{marks: make(map[string]fyne.Resource)}
	faces, err := load(assets.Faces())
	if err != nil {
		return nil, err
	}
	for _, f := range faces {
		mood, err := fillOf(f)
		if err != nil {
			return nil, err
		}
		l.faces, l.moods = append(l.faces, f), append(l.moods, mood)
	}
	marks, err := load(assets.Kiosk())
	if err != nil {
		return nil, err
	}
	for _, m := range marks {
		l.marks[m.Name()] = m
	}
	l.texts, err = i18n.Load(assets.Kiosk(), firstLanguage)
	return l, err
}

// load reads the drawings of a folder, sorted by name.
func load(fsys fs.FS) ([]fyne.Resource, error) {
	names, err := fs.Glob(fsys, "*.svg")
	if err != nil {
		return nil, err
	}
	all := make([]fyne.Resource, 0, len(names))
	for _, name := range names {
		content, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, err
		}
		all = append(all, fyne.NewStaticResource(path.Base(name), content))
	}
	return all, nil
}

var fill = regexp.MustCompile(`fill="#([0-9a-f]{6})"`)

// fillOf returns the colour of a drawing.
func fillOf(drawing fyne.Resource) (color.NRGBA, error) {
	found := fill.FindSubmatch(drawing.Content())
	if found == nil {
		return color.NRGBA{}, fmt.Errorf("drawing %s has no colour", drawing.Name())
	}
	n, err := strconv.ParseUint(string(found[1]), 16, 24)
	if err != nil {
		return color.NRGBA{}, fmt.Errorf("drawing %s: %w", drawing.Name(), err)
	}
	return color.NRGBA{uint8(n >> 16), uint8(n >> 8), uint8(n), 0xff}, nil
}

// face returns the drawing of a step, and false where there is none.
func (l *look) face(steps, step int) (fyne.Resource, bool) {
	mood, ok := assets.Mood(steps, step)
	if !ok || mood > len(l.faces) {
		return nil, false
	}
	return l.faces[mood-1], true
}

// colour returns the one of a step on a scale without faces: it goes from the
// worst face's to the best one's.
func (l *look) colour(steps, step int) color.NRGBA {
	at := float64(step) / float64(max(1, steps-1)) * float64(len(l.moods)-1)
	i := min(int(at), len(l.moods)-2)
	a, b, share := l.moods[i], l.moods[i+1], at-float64(i)
	mix := func(x, y uint8) uint8 { return uint8(float64(x) + share*(float64(y)-float64(x)) + 0.5) }
	return color.NRGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 0xff}
}
