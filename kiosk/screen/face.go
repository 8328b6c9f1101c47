package screen

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/driver/mobile"
	"fyne.io/fyne/v2/widget"
)

// plate is a part of the screen that tells when a finger comes down on it, and
// when one leaves.
type plate struct {
	widget.BaseWidget
	down, up func()
}

// Both kinds of drivers reach each plate.
var (
	_ desktop.Mouseable = (*plate)(nil)
	_ mobile.Touchable  = (*plate)(nil)
)

// MouseDown tells the press of a mouse's first button, which is a finger too.
func (p *plate) MouseDown(e *desktop.MouseEvent) {
	if e.Button == desktop.MouseButtonPrimary {
		p.down()
	}
}

// MouseUp ends the picture of a press; what was pressed stays pressed.
func (p *plate) MouseUp(*desktop.MouseEvent) { p.up() }

// TouchDown tells the press of a finger.
func (p *plate) TouchDown(*mobile.TouchEvent) { p.down() }

// TouchUp ends the picture of a press.
func (p *plate) TouchUp(*mobile.TouchEvent) { p.up() }

// TouchCancel ends the picture of a press: a finger that slides has pressed.
func (p *plate) TouchCancel(*mobile.TouchEvent) { p.up() }

// face is one answer: a cell of the screen with a drawing in it.
type face struct {
	plate
	ring   *canvas.Circle // seen while it is pressed
	image  *canvas.Image  // nil where there is a number
	disc   *canvas.Circle
	number *canvas.Text
	colour color.NRGBA // of the disc
	at     box         // of the drawing, within the cell
}

// newPicture returns a face with a drawing.
func newPicture(drawing fyne.Resource) *face {
	f := &face{ring: canvas.NewCircle(color.Transparent), image: canvas.NewImageFromResource(drawing)}
	f.image.FillMode = canvas.ImageFillContain
	return f.begin()
}

// newNumber returns a face that is a number on a disc.
func newNumber(number string, colour color.NRGBA) *face {
	f := &face{
		ring: canvas.NewCircle(color.Transparent), disc: canvas.NewCircle(colour),
		number: canvas.NewText(number, white), colour: colour,
	}
	f.number.Alignment, f.number.TextStyle.Bold = fyne.TextAlignCenter, true
	return f.begin()
}

func (f *face) begin() *face {
	f.ExtendBaseWidget(f)
	return f
}

// press shows that a finger is on the face.
func (f *face) press() {
	f.ring.StrokeColor, f.ring.StrokeWidth = usual.ink, f.at.w/24
	f.ring.Refresh()
}

// lift shows that no finger is on the face.
func (f *face) lift() {
	if f.ring.StrokeWidth == 0 {
		return
	}
	f.ring.StrokeWidth, f.ring.StrokeColor = 0, color.Transparent
	f.ring.Refresh()
}

// rest shows the face as nobody's; pale where something else is in front.
func (f *face) rest(pale bool) {
	f.lift()
	if f.image != nil {
		f.image.Translucency = 0
		if pale {
			f.image.Translucency = 0.5
		}
		f.image.Refresh()
		return
	}
	c := f.colour
	if pale {
		c.A = 0x80
	}
	f.disc.FillColor = c
	f.disc.Refresh()
}

// place puts the drawing into the cell.
func (f *face) place(at box) {
	f.at = at
	f.layout()
}

func (f *face) layout() {
	f.at.put(f.ring)
	within := f.at.inset(f.at.w/18, f.at.w/18)
	if f.image != nil {
		within.put(f.image)
		return
	}
	within.put(f.disc)
	f.number.TextSize = within.w * 0.45
	height := f.number.MinSize().Height
	box{within.x, within.y + (within.h-height)/2, within.w, height}.put(f.number)
}

// CreateRenderer implements fyne.Widget.
func (f *face) CreateRenderer() fyne.WidgetRenderer { return &faceRenderer{f} }

type faceRenderer struct{ f *face }

func (r *faceRenderer) Layout(fyne.Size)   { r.f.layout() }
func (r *faceRenderer) MinSize() fyne.Size { return fyne.Size{} }
func (r *faceRenderer) Refresh()           { canvas.Refresh(r.f) }
func (r *faceRenderer) Destroy()           {}
func (r *faceRenderer) Objects() []fyne.CanvasObject {
	if r.f.image != nil {
		return []fyne.CanvasObject{r.f.image, r.f.ring}
	}
	return []fyne.CanvasObject{r.f.disc, r.f.number, r.f.ring}
}
