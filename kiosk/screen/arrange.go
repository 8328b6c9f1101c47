package screen

import "fyne.io/fyne/v2"

// frame is how a screen of some size is divided.
type frame struct {
	whole  box
	head   box     // the question, or thanks
	answer box     // the faces
	foot   box     // what staff must know, or the languages to choose from
	rows   int     // of languages
	strip  box     // what staff must know where the foot is taken
	unit   float32 // a text size that is read in passing
	high   bool    // higher than wide: the scale stands
}

// least is the side of the smallest target that a finger hits.
const least = 44

func frameOf(size fyne.Size, languages int) frame {
	w, h := size.Width, size.Height
	f := frame{whole: box{0, 0, w, h}, unit: min(w, h) / 22, high: h > w}
	share := float32(0.32)
	if f.high {
		share = 0.25
	}
	foot := 1.7 * f.unit
	if languages > 0 {
		perRow := max(1, int(w/(4.4*f.unit)))
		f.rows = (languages + perRow - 1) / perRow
		foot = float32(f.rows)*max(2.2*f.unit, least+f.unit/4) + f.unit/4
	}
	f.head = box{0, 0, w, h * share}
	f.foot = box{0, h - foot, w, foot}
	f.strip = box{0, 0, w, 1.3 * f.unit}
	f.answer = box{f.unit, f.head.h + f.unit/2, w - 2*f.unit, h - f.head.h - foot - f.unit/2}
	return f
}

// cell is the place of one face.
type cell struct {
	target box // a finger here means this face
	face   box // the drawing, a square
	words  box
	align  fyne.TextAlign
}

// cells places n faces, the worst first, in a row or, on a high screen, in a
// column with the best on top. wide says that only the first and the last have
// words, which may then spread.
func (f frame) cells(n int, wide bool) []cell {
	all := make([]cell, n)
	for i := range all {
		if f.high {
			all[i] = f.cellInColumn(i, n)
		} else {
			all[i] = f.cellInRow(i, n, wide)
		}
	}
	return all
}

func (f frame) cellInRow(i, n int, wide bool) cell {
	a, count := f.answer, float32(n)
	words := a.h * 0.23
	side := min(a.w/count-f.unit/6, a.h-words-f.unit/4)
	width := min(a.w/count, side*1.5)
	x := a.x + (a.w-width*count)/2 + float32(i)*width
	y := a.y + (a.h-side-words-f.unit/4)/2
	c := cell{
		target: box{x, a.y, width, a.h},
		face:   box{x + (width-side)/2, y, side, side},
		words:  box{x + f.unit/6, y + side + f.unit/4, width - f.unit/3, words},
		align:  fyne.TextAlignCenter,
	}
	switch {
	case !wide:
	case i == 0:
		c.words.w, c.align = width*2.5, fyne.TextAlignLeading
	case i == n-1:
		c.words.x, c.words.w = x+width-width*2.5-f.unit/6, width*2.5
		c.align = fyne.TextAlignTrailing
	}
	return c
}

func (f frame) cellInColumn(i, n int) cell {
	a, count := f.answer, float32(n)
	height := min(a.h/count, a.w*0.45)
	side := min(height-f.unit/6, a.w*0.4)
	y := a.y + (a.h-height*count)/2 + float32(n-1-i)*height
	x := a.x + a.w*0.06
	words := x + side + f.unit
	return cell{
		target: box{a.x, y, a.w, height},
		face:   box{x, y + (height-side)/2, side, side},
		words:  box{words, y, a.x + a.w - words, height},
		align:  fyne.TextAlignLeading,
	}
}
