package screen

import "fyne.io/fyne/v2"

// box is a place on the screen.
type box struct{ x, y, w, h float32 }

// inset returns the box without a margin.
func (b box) inset(x, y float32) box { return box{b.x + x, b.y + y, b.w - 2*x, b.h - 2*y} }

// mirrored returns the box as a language sees it that begins at the right.
func (b box) mirrored(width float32) box {
	b.x = width - b.x - b.w
	return b
}

func (b box) put(o fyne.CanvasObject) fyne.CanvasObject {
	o.Move(fyne.NewPos(b.x, b.y))
	o.Resize(fyne.NewSize(b.w, b.h))
	return o
}
