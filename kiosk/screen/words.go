package screen

import (
	"image/color"
	"sort"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
)

// box is a place on the screen.
type box struct{ x, y, w, h float32 }

// inset returns the box without a margin.
func (b box) inset(x, y float32) box { return box{b.x + x, b.y + y, b.w - 2*x, b.h - 2*y} }

func (b box) put(o fyne.CanvasObject) fyne.CanvasObject {
	o.Move(fyne.NewPos(b.x, b.y))
	o.Resize(fyne.NewSize(b.w, b.h))
	return o
}

// font says how words are set.
type font struct {
	largest float32 // text size
	bold    bool
	colour  color.Color
	align   fyne.TextAlign
	lines   int  // at most
	top     bool // begin at the top of the box, not around its middle
}

// smallest is the text size below which nobody reads.
const smallest = 12

func (f font) style() fyne.TextStyle { return fyne.TextStyle{Bold: f.bold} }

func (f font) measure(s string, size float32) fyne.Size {
	return fyne.MeasureText(s, size, f.style())
}

// words splits a text where a line may break. French marks stay with the word
// before them, whatever space the writer put there.
func words(text string) []string {
	var all []string
	for _, w := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '\n' || r == '\t' }) {
		if n := len(all); n > 0 && (strings.Trim(w, "?!:;»") == "" || all[n-1] == "«") {
			all[n-1] += "\u00a0" + w
			continue
		}
		all = append(all, w)
	}
	return all
}

// wrap fills lines of a width; false when one word alone is wider.
func (f font) wrap(words []string, size, width float32) (lines []string, ok bool) {
	for _, w := range words {
		if f.measure(w, size).Width > width {
			return nil, false
		}
		if n := len(lines); n > 0 {
			if longer := lines[n-1] + " " + w; f.measure(longer, size).Width <= width {
				lines[n-1] = longer
				continue
			}
		}
		lines = append(lines, w)
	}
	return lines, true
}

// fits breaks words so that they fit a box at a size.
func (f font) fits(words []string, size float32, in box) (lines []string, ok bool) {
	lines, ok = f.wrap(words, size, in.w)
	if !ok || len(lines) > f.lines || float32(len(lines))*f.measure("X", size).Height > in.h {
		return nil, false
	}
	return lines, true
}

// size returns the largest size at which each text fits its box. All texts of
// one kind are set in one size.
func (f font) size(texts []string, boxes []box) float32 {
	split := make([][]string, len(texts))
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

// set returns a text in its box. Lines are about equally long. What does not fit at the smallest size is cut, and says so.
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
	height := f.measure("X", size).Height
	y := in.y
	if !f.top {
		y += (in.h - height*float32(len(lines))) / 2
	}
	objects := make([]fyne.CanvasObject, 0, len(lines))
	for i, line := range lines {
		t := canvas.NewText(line, f.colour)
		t.TextSize, t.TextStyle, t.Alignment = size, f.style(), f.align
		objects = append(objects, box{in.x, y + float32(i)*height, in.w, height}.put(t))
	}
	return objects
}

// cut returns as much as there is room for.
func (f font) cut(words []string, size float32, in box) []string {
	room := min(f.lines, max(1, int(in.h/f.measure("X", size).Height)))
	var lines []string
	for len(words) > 0 && len(lines) < room {
		n := 1
		for n < len(words) && f.measure(strings.Join(words[:n+1], " "), size).Width <= in.w {
			n++
		}
		last := len(lines) == room-1 && n < len(words)
		lines = append(lines, f.shorten(strings.Join(words[:n], " "), size, in.w, last))
		words = words[n:]
	}
	return lines
}

// shorten takes letters from the end of a line until it fits with an ellipsis,
// if it is too long or if something is missing after it.
func (f font) shorten(line string, size, width float32, missing bool) string {
	if !missing && f.measure(line, size).Width <= width {
		return line
	}
	for r := []rune(line); len(r) > 0; r = r[:len(r)-1] {
		if s := strings.TrimRight(string(r), " ") + "…"; f.measure(s, size).Width <= width {
			return s
		}
	}
	return ""
}
