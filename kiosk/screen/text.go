package screen

import (
	"image/color"
	"sort"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
)

// font says how words are set.
type font struct {
	fonts   fonts
	rtl     bool    // they begin at the right
	largest float32 // text size
	bold    bool
	colour  color.Color
	align   fyne.TextAlign // leading is where the language begins
	lines   int            // at most
	top     bool           // begin at the top of the box, not around its middle
}

// smallest is the text size below which nobody reads.
const smallest = 12

func (f font) style() fyne.TextStyle { return fyne.TextStyle{Bold: f.bold} }

// measure returns the size of a text on one line, and how far below its top the
// letters stand.
func (f font) measure(s string, size float32) (whole fyne.Size, baseline float32) {
	driver := fyne.CurrentApp().Driver()
	for _, p := range pieces(s, f.rtl) {
		of, base := driver.RenderedTextSize(p.text, size, f.style(), f.fonts.of(p.script, f.bold))
		below := max(whole.Height-baseline, of.Height-base)
		baseline = max(baseline, base)
		whole = fyne.NewSize(whole.Width+of.Width, baseline+below)
	}
	return whole, baseline
}

func (f font) width(s string, size float32) float32 {
	whole, _ := f.measure(s, size)
	return whole.Width
}

// word is what stays together on a line.
type word struct {
	text  string
	space bool // there is one before it
}

// words splits a text where a line may break: at spaces, and around each Chinese
// character. French marks stay with the word before them, whatever space the
// writer put there.
func words(text string) []word {
	var all []word
	for _, w := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '\n' || r == '\t' }) {
		if n := len(all); n > 0 && (strings.Trim(w, "?!:;»") == "" || all[n-1].text == "«") {
			all[n-1].text += "\u00a0" + w
			continue
		}
		for i, part := range hanzi(w) {
			all = append(all, word{part, i == 0})
		}
	}
	return all
}

// hanzi splits a word around its Chinese characters; marks stay with the one
// before them.
func hanzi(w string) []string {
	var all []string
	before := latin
	for _, r := range w {
		s := scriptOf(r)
		n := len(all)
		if n == 0 || s == chinese && !strings.ContainsRune("，。？！、：；）》”", r) || s != chinese && before == chinese && !chinese.with(r) {
			all = append(all, string(r))
		} else {
			all[n-1] += string(r)
		}
		before = s
	}
	return all
}

// joined returns words as a line.
func joined(words []word) string {
	var line strings.Builder
	for i, w := range words {
		if i > 0 && w.space {
			line.WriteByte(' ')
		}
		line.WriteString(w.text)
	}
	return line.String()
}

// wrap fills lines of a width; false when one word alone is wider.
func (f font) wrap(all []word, size, width float32) (lines []string, ok bool) {
	for len(all) > 0 {
		n := 1
		if f.width(all[0].text, size) > width {
			return nil, false
		}
		for n < len(all) && f.width(joined(all[:n+1]), size) <= width {
			n++
		}
		lines = append(lines, joined(all[:n]))
		all = all[n:]
	}
	return lines, true
}

// lineHeight is that of the highest of some words.
func (f font) lineHeight(all []word, size float32) float32 {
	whole, _ := f.measure("X"+joined(all), size)
	return whole.Height
}

// fits breaks words so that they fit a box at a size.
func (f font) fits(all []word, size float32, in box) (lines []string, ok bool) {
	lines, ok = f.wrap(all, size, in.w)
	if !ok || len(lines) > f.lines || float32(len(lines))*f.lineHeight(all, size) > in.h {
		return nil, false
	}
	return lines, true
}

// size returns the largest size at which each text fits its box. All texts of
// one kind are set in one size.
func (f font) size(texts []string, boxes []box) float32 {
	split := make([][]word, len(texts))
	for i, t := range texts {
		split[i] = words(t)
	}
	smaller := sort.Search(int(f.largest)-smallest, func(n int) bool {
		for i, words := range split {
			if _, ok := f.fits(words, f.largest-float32(n), boxes[i]); !ok {
				return false
			}
		}
		return true
	})
	return f.largest - float32(smaller)
}

// set returns a text in its box. Lines are about equally long. What does not fit
// at the smallest size is cut, and says so.
func (f font) set(text string, size float32, in box) []fyne.CanvasObject {
	all := words(text)
	if len(all) == 0 {
		return nil
	}
	lines, ok := f.fits(all, size, in)
	if !ok {
		lines = f.cut(all, size, in)
	}
	for narrower := in; ok; {
		narrower.w -= in.w / 32
		balanced, fit := f.fits(all, size, narrower)
		if !fit || len(balanced) > len(lines) {
			break
		}
		lines = balanced
	}
	height := f.lineHeight(all, size)
	y := in.y
	if !f.top {
		y += (in.h - height*float32(len(lines))) / 2
	}
	var objects []fyne.CanvasObject
	for i, line := range lines {
		objects = append(objects, f.line(line, size, box{in.x, y + float32(i)*height, in.w, height})...)
	}
	return objects
}

// line returns one line of text.
func (f font) line(line string, size float32, in box) []fyne.CanvasObject {
	whole, baseline := f.measure(line, size)
	x := in.x
	switch free := in.w - whole.Width; {
	case f.align == fyne.TextAlignCenter:
		x += free / 2
	case (f.align == fyne.TextAlignTrailing) != f.rtl:
		x += free
	}
	y := in.y + (in.h-whole.Height)/2
	var objects []fyne.CanvasObject
	for _, p := range pieces(line, f.rtl) {
		t := canvas.NewText(p.text, f.colour)
		t.TextSize, t.TextStyle, t.FontSource = size, f.style(), f.fonts.of(p.script, f.bold)
		of, base := fyne.CurrentApp().Driver().RenderedTextSize(p.text, size, f.style(), t.FontSource)
		objects = append(objects, box{x, y + baseline - base, of.Width, of.Height}.put(t))
		x += of.Width
	}
	return objects
}

// cut returns as much as there is room for.
func (f font) cut(all []word, size float32, in box) []string {
	room := min(f.lines, max(1, int(in.h/f.lineHeight(all, size))))
	var lines []string
	for len(all) > 0 && len(lines) < room {
		n := 1
		for n < len(all) && f.width(joined(all[:n+1]), size) <= in.w {
			n++
		}
		last := len(lines) == room-1 && n < len(all)
		lines = append(lines, f.shorten(joined(all[:n]), size, in.w, last))
		all = all[n:]
	}
	return lines
}

// shorten takes letters from the end of a line until it fits with an ellipsis,
// if it is too long or if something is missing after it.
func (f font) shorten(line string, size, width float32, missing bool) string {
	if !missing && f.width(line, size) <= width {
		return line
	}
	for r := []rune(line); len(r) > 0; r = r[:len(r)-1] {
		if s := strings.TrimRight(string(r), " ") + "…"; f.width(s, size) <= width {
			return s
		}
	}
	return ""
}
