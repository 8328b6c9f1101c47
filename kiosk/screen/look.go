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

// palette is the colours of a screen.
type palette struct {
	ground, ink, soft color.NRGBA // behind everything; texts
	accent, onAccent  color.NRGBA // what is chosen or thanks, and texts on it
	alarm             color.NRGBA // behind onAccent
	key, edge         color.NRGBA // what can be pressed, and its border
}

// The usual colours are those of the hub's pages. Each text has a contrast of at
// least 4.5 : 1 on its ground; those of the contrast theme have 21 : 1.
var (
	usual = palette{
		ground: color.NRGBA{0xf7, 0xf5, 0xf1, 0xff}, ink: color.NRGBA{0x1d, 0x1b, 0x18, 0xff}, soft: color.NRGBA{0x5f, 0x5a, 0x52, 0xff},
		accent: color.NRGBA{0x1d, 0x5c, 0x8f, 0xff}, onAccent: white, alarm: color.NRGBA{0xa3, 0x24, 0x1b, 0xff},
		key: white, edge: color.NRGBA{0xc9, 0xc3, 0xb8, 0xff},
	}
	contrast = palette{
		ground: white, ink: black, soft: black, accent: black, onAccent: white, alarm: black, key: white, edge: black,
	}
	white = color.NRGBA{0xff, 0xff, 0xff, 0xff}
	black = color.NRGBA{0, 0, 0, 0xff}
	// dim is read on a sleeping screen, and lights no room.
	dim = color.NRGBA{0x7a, 0x7a, 0x7a, 0xff}
)

// firstLanguage is the one of fixed texts whose language there is not.
const firstLanguage = "en"

// look is what is drawn: pictures, their colours, and fixed texts.
type look struct {
	faces []fyne.Resource // worst first
	moods []color.NRGBA   // their colours
	plain []fyne.Resource // the faces in black
	marks map[string]fyne.Resource
	texts *i18n.Catalog
	fonts fonts
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
		l.plain = append(l.plain, recoloured(f, "plain-", black))
	}
	marks, err := load(assets.Kiosk())
	if err != nil {
		return nil, err
	}
	for _, m := range marks {
		l.marks[m.Name()] = m
		l.marks["plain-"+m.Name()] = recoloured(m, "plain-", black)
		l.marks["dim-"+m.Name()] = recoloured(m, "dim-", dim)
		l.marks["light-"+m.Name()] = recoloured(m, "light-", white)
	}
	if err := l.loadFonts(); err != nil {
		return nil, err
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

func (l *look) loadFonts() error {
	for name, to := range map[string]*fyne.Resource{
		"arabic-regular.ttf": &l.fonts.arabic, "arabic-bold.ttf": &l.fonts.arabicBold, "chinese-regular.otf": &l.fonts.chinese,
	} {
		content, err := fs.ReadFile(assets.Fonts(), name)
		if err != nil {
			return err
		}
		*to = fyne.NewStaticResource(name, content)
	}
	return nil
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

// recoloured returns a drawing in another colour.
func recoloured(drawing fyne.Resource, prefix string, c color.NRGBA) fyne.Resource {
	other := fmt.Appendf(nil, `fill="#%02x%02x%02x"`, c.R, c.G, c.B)
	return fyne.NewStaticResource(prefix+drawing.Name(), fill.ReplaceAll(drawing.Content(), other))
}

// face returns the drawing of a step, and false where there is none.
func (l *look) face(steps, step int, contrast bool) (fyne.Resource, bool) {
	mood, ok := assets.Mood(steps, step)
	if !ok || mood > len(l.faces) {
		return nil, false
	}
	if contrast {
		return l.plain[mood-1], true
	}
	return l.faces[mood-1], true
}

// colour returns the one of a step on a scale without faces: it goes from the
// worst face's to the best one's.
func (l *look) colour(steps, step int, contrast bool) color.NRGBA {
	if contrast {
		return black
	}
	at := float64(step) / float64(max(1, steps-1)) * float64(len(l.moods)-1)
	i := min(int(at), len(l.moods)-2)
	a, b, share := l.moods[i], l.moods[i+1], at-float64(i)
	mix := func(x, y uint8) uint8 { return uint8(float64(x) + share*(float64(y)-float64(x)) + 0.5) }
	return color.NRGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 0xff}
}
