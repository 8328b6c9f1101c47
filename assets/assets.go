// Package assets holds what the programs show and do not compute: faces,
// fonts, languages, and the files of web pages.
//
// It stands beside the line; hub/web, internal/i18n and the screens of kiosks
// read it.
// Everything is embedded in the program, so nothing can be missing at run time.
// It must not know who shows it.
//
// A face is one filled path with holes, for Fyne does not scale strokes, and is
// told from the others by its mouth and brows, not only by its colour. Holes run
// against the outline, for Fyne knows no fill rule but the winding number.
package assets

import (
	"embed"
	"io/fs"
)

// Each folder has a variable of its own, so that a program holds only those that
// it asks for: a kiosk without a screen needs no fonts.
var (
	//go:embed faces/*.svg
	faces embed.FS
	//go:embed fonts/*.ttf fonts/*.otf
	fonts embed.FS
	//go:embed kiosk
	kiosk embed.FS
	//go:embed locales/*.toml
	locales embed.FS
	//go:embed survey/*.toml
	survey embed.FS
	//go:embed web
	web embed.FS
)

// Faces returns the faces, face-1.svg (very unhappy) to face-5.svg (very
// happy).
func Faces() fs.FS { return sub(faces, "faces") }

// Fonts returns the fonts that the kiosk's toolkit lacks; fonts/README.md says
// what they hold.
func Fonts() fs.FS { return sub(fonts, "fonts") }

// Kiosk returns what the screen of a kiosk shows beside the survey: marks, such
// as check.svg, and its own texts, one TOML file for each language. There may be
// more of these than Locales has, for the kiosk speaks more languages.
func Kiosk() fs.FS { return sub(kiosk, "kiosk") }

// Locales returns the texts, one TOML file for each language, named by its
// BCP 47 tag.
func Locales() fs.FS { return sub(locales, "locales") }

// Survey returns the words of surveys that bring none, one TOML file for each
// language.
func Survey() fs.FS { return sub(survey, "survey") }

// Web returns the style sheet and the script of web pages.
func Web() fs.FS { return sub(web, "web") }

func sub(files embed.FS, dir string) fs.FS {
	f, err := fs.Sub(files, dir)
	if err != nil {
		panic("assets: " + err.Error()) // each pattern above names its folder
	}
	return f
}

// moods are the faces of a scale by its number of steps, worst first.
var moods = map[int][]int{2: {2, 4}, 3: {2, 3, 4}, 4: {1, 2, 4, 5}, 5: {1, 2, 3, 4, 5}}

// Mood returns the number of the face, 1 to 5, of a step (0 the worst) of a
// scale with that many steps, and false when so many steps have no faces.
func Mood(steps, step int) (int, bool) {
	m := moods[steps]
	if step < 0 || step >= len(m) {
		return 0, false
	}
	return m[step], true
}
