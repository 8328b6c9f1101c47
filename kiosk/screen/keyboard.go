package screen

import (
	"strings"

	"fyne.io/fyne/v2/canvas"
)

// keyboard is keys that were made already: a letter more changes none of them.
type keyboard struct {
	of   keyboardOf
	keys []*key
}

// keyboardOf is what the keys of a keyboard depend on.
type keyboardOf struct {
	language          string
	area              box
	rows              int
	capital, contrast bool
}

// digits stand above the letters. There is no @: addresses are not asked for.
const digits = "1234567890"

// rows returns the letters of the language's keyboard, in more rows than it has
// where they would become too narrow.
func (b *board) rows(width float32) [][]rune {
	var rows [][]rune
	longest := 0
	for _, row := range append([]string{digits}, strings.Fields(b.texts.Text("keys"))...) {
		rows = append(rows, []rune(row))
		longest = max(longest, len([]rune(row)))
	}
	columns := int(width / least)
	if longest <= columns {
		return rows
	}
	var letters []rune
	for _, row := range rows[1:] {
		letters = append(letters, row...)
	}
	rows = rows[:1]
	for n := (len(letters) + columns - 1) / columns; n > 0; n-- {
		take := (len(letters) + n - 1) / n
		rows, letters = append(rows, letters[:take]), letters[take:]
	}
	return rows
}

// letters puts the keyboard; at is the place of its first row. Keys stand as on any
// keyboard of the language, whichever side it begins at.
func (b *board) letters(f frame, at box, rows [][]rune) {
	of := keyboardOf{b.texts.Tag(), at, len(rows), b.capital, b.view.Contrast}
	if b.keyboard.of == of {
		for _, k := range b.keyboard.keys {
			b.keep(k)
		}
		return
	}
	rtl, before := b.rtl, len(b.keys)
	b.rtl = false
	longest := 0
	for _, row := range rows {
		longest = max(longest, len(row))
	}
	width := at.w / float32(longest)
	hasCapitals := false
	for i, row := range rows {
		x := at.x + (at.w-width*float32(len(row)))/2
		for j, r := range row {
			letter := string(r)
			upper := strings.ToUpper(letter)
			hasCapitals = hasCapitals || upper != letter
			if b.capital {
				letter = upper
			}
			b.letter(f, box{x + float32(j)*width, at.y + float32(i)*at.h, width, at.h}, letter)
		}
	}
	b.lastRow(f, box{at.x, at.y + float32(len(rows))*at.h, at.w, at.h}, hasCapitals)
	b.rtl = rtl
	b.keyboard = keyboard{of: of, keys: append([]*key(nil), b.keys[before:]...)}
}

func (b *board) letter(f frame, at box, letter string) {
	b.button(at, button{text: letter, gap: 2, size: 1.3 * f.unit, down: func() { b.press(letter) }})
}

// lastRow has marks, the space bar and what is no letter.
func (b *board) lastRow(f frame, at box, hasCapitals bool) {
	width := max(at.w/12, least)
	x := at.x
	if hasCapitals {
		k := b.button(box{x, at.y, 1.4 * width, at.h}, button{gap: 2, chosen: b.capital, down: b.shift})
		b.icon(k, "shift.svg", b.capital)
		x += 1.4 * width
	}
	marks := []rune(b.texts.Text("marks"))
	erase := box{at.x + at.w - 1.4*width, at.y, 1.4 * width, at.h}
	right := erase.x
	for i := len(marks) - 1; i >= 2; i-- {
		right -= width
		b.letter(f, box{right, at.y, width, at.h}, string(marks[i]))
	}
	for _, m := range marks[:min(2, len(marks))] {
		b.letter(f, box{x, at.y, width, at.h}, string(m))
		x += width
	}
	b.button(box{x, at.y, right - x, at.h}, button{
		gap: 2, text: b.texts.Text("space"), size: f.unit, down: func() { b.press(" ") },
	})
	b.icon(b.button(erase, button{gap: 2, down: b.erase}), "erase.svg", false)
}

// icon puts a drawing into a key.
func (b *board) icon(k *key, name string, light bool) {
	drawing := b.look.marks[name]
	if light {
		drawing = b.look.marks["light-"+name]
	}
	image := canvas.NewImageFromResource(drawing)
	image.FillMode = canvas.ImageFillContain
	size := k.Size()
	side := min(size.Width, size.Height) * 0.5
	box{(size.Width - side) / 2, (size.Height - side) / 2, side, side}.put(image)
	k.inside = append(k.inside, image)
}
