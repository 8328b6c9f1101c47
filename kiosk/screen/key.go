package screen

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
)

// key is a part of the screen that says what it does, and does it when a finger
// comes down.
type key struct {
	plate
	back       *canvas.Rectangle
	inside     []fyne.CanvasObject // texts and drawings, placed within the key
	idle, held color.Color
	gap        float32 // between its edge and what is seen of it: a finger hits it all
}

// newKey returns a key that calls down. Its colour while a finger is on it is held.
func newKey(idle, held color.Color, down func()) *key {
	k := &key{back: canvas.NewRectangle(idle), idle: idle, held: held}
	k.down = func() {
		k.back.FillColor = k.held
		k.back.Refresh()
		down()
	}
	k.up = k.lift
	k.ExtendBaseWidget(k)
	return k
}

// lift shows that no finger is on the key.
func (k *key) lift() {
	if k.back.FillColor == k.idle {
		return
	}
	k.back.FillColor = k.idle
	k.back.Refresh()
}

// CreateRenderer implements fyne.Widget.
func (k *key) CreateRenderer() fyne.WidgetRenderer { return &keyRenderer{k} }

type keyRenderer struct{ k *key }

func (r *keyRenderer) Layout(size fyne.Size) {
	box{0, 0, size.Width, size.Height}.inset(r.k.gap, r.k.gap).put(r.k.back)
}
func (r *keyRenderer) MinSize() fyne.Size { return fyne.Size{} }
func (r *keyRenderer) Refresh()           { canvas.Refresh(r.k) }
func (r *keyRenderer) Destroy()           {}
func (r *keyRenderer) Objects() []fyne.CanvasObject {
	return append([]fyne.CanvasObject{r.k.back}, r.k.inside...)
}

// button is what a key shows and does.
type button struct {
	text   string
	size   float32 // of the text; 0: as large as it fits
	bold   bool
	lines  int
	chosen bool // in the accent colour
	gap    float32
	down   func()
}

// button puts a key with a text at a place.
func (b *board) button(at box, o button) *key {
	c := b.colours
	idle, held, ink := c.key, c.edge, c.ink
	if o.chosen {
		idle, held, ink = c.accent, c.ink, c.onAccent
	}
	if b.view.Contrast && !o.chosen {
		held = color.NRGBA{0xbb, 0xbb, 0xbb, 0xff}
	}
	k := newKey(idle, held, o.down)
	k.up = b.lift
	k.gap, k.back.CornerRadius = o.gap, 8
	k.back.StrokeColor, k.back.StrokeWidth = c.edge, 1
	if b.view.Contrast {
		k.back.StrokeWidth = 3
	}
	in := box{0, 0, at.w, at.h}.inset(min(at.w, at.h)/10, 2)
	f := b.font(font{largest: o.size, bold: o.bold, colour: ink, align: fyne.TextAlignCenter, lines: max(1, o.lines)})
	k.inside = f.set(o.text, f.size([]string{o.text}, []box{in}), in)
	b.flip(at).put(k)
	return b.keep(k)
}

// keep adds a key to the screen.
func (b *board) keep(k *key) *key {
	b.keys = append(b.keys, k)
	b.add(k)
	return k
}
