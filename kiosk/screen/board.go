package screen

import (
	"image/color"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"

	"sourire/internal/feedback"
	"sourire/internal/i18n"
	"sourire/kiosk/input"
	"sourire/kiosk/session"
)

// board is the whole screen. Everything in it happens in Fyne's thread.
type board struct {
	plate   // a tap beside the faces
	look    *look
	tell    func(input.Signal)
	view    session.View
	objects []fyne.CanvasObject // as composed for the view and the size

	// faces are kept while the scale stays, so that a screen that is pressed all
	// day makes nothing new.
	faces []*face
	scale feedback.ScaleID
}

func newBoard(l *look, tell func(input.Signal)) *board {
	b := &board{look: l, tell: tell}
	b.down, b.up = b.away, b.lift
	b.ExtendBaseWidget(b)
	return b
}

// show draws a view. One that is shown already leaves the screen alone: a face
// stays pressed until the disk has answered.
func (b *board) show(v session.View) {
	if reflect.DeepEqual(b.view, v) {
		return
	}
	b.view = v
	b.compose(b.Size())
	b.Refresh()
}

// away is a tap beside the faces. It says something only while thanks offer to
// change the answer.
func (b *board) away() {
	if b.view.Screen == session.Thanks && b.view.Change {
		b.tell(input.Signal{Kind: input.Away})
	}
}

// lift ends the picture of a press, wherever the finger has slid meanwhile.
func (b *board) lift() {
	for _, f := range b.faces {
		f.lift()
	}
}

// compose makes the objects of the view at a size, those in front last.
func (b *board) compose(size fyne.Size) {
	b.objects = nil
	f := frameOf(size)
	b.fill(f.whole, ground)
	if size.Width <= 0 || size.Height <= 0 {
		return
	}
	texts := b.look.texts.Match(b.view.Language)
	switch b.view.Screen {
	case session.Faces, session.Reasons, session.Remarks:
		b.question(f)
		b.answers(f, false)
	case session.Thanks:
		if b.view.Change {
			b.thanksAbove(f, texts)
			b.answers(f, true)
		} else {
			b.thanks(f)
		}
	case session.Locked:
		b.notice(f, "clean.svg", texts.Text("locked"), texts.Text("locked_more"))
	case session.Technician:
		b.notice(f, "wait.svg", texts.Text("technician"), texts.Text("technician_more"))
	default:
		b.notice(f, "wait.svg", texts.Text("closed"), texts.Text("closed_more"))
	}
	b.foot(f, texts)
}

func (b *board) fill(at box, c color.Color) {
	b.objects = append(b.objects, at.put(canvas.NewRectangle(c)))
}

// write sets a text as large as it fits.
func (b *board) write(text string, f font, at box) {
	size := f.size([]string{text}, []box{at})
	b.objects = append(b.objects, f.set(text, size, at)...)
}

func (b *board) question(f frame) {
	b.write(b.view.Words.Question, font{
		largest: 2.3 * f.unit, bold: true, colour: ink, align: fyne.TextAlignCenter, lines: 3,
	}, f.head.inset(1.5*f.unit, f.unit/4))
}

// thanksAbove puts thanks into the place of the question, and leaves the faces
// where they are.
func (b *board) thanksAbove(f frame, texts *i18n.Language) {
	b.fill(f.head, accent)
	in := f.head.inset(1.5*f.unit, f.unit/2)
	upper := box{in.x, in.y, in.w, in.h * 0.6}
	lower := box{in.x, in.y + upper.h, in.w, in.h - upper.h}
	b.write(b.view.Words.Thanks, font{
		largest: 3 * f.unit, bold: true, colour: white, align: fyne.TextAlignCenter, lines: 2,
	}, upper)
	b.write(texts.Text("change"), font{
		largest: 1.2 * f.unit, colour: white, align: fyne.TextAlignCenter, lines: 2,
	}, lower)
}

// thanks fills the screen.
func (b *board) thanks(f frame) {
	b.fill(f.whole, accent)
	b.poster(f, "check.svg", b.view.Words.Thanks, "", white)
}

// notice says why there is no question.
func (b *board) notice(f frame, mark, title, more string) { b.poster(f, mark, title, more, ink) }

// poster is a mark with a title and perhaps a sentence.
func (b *board) poster(f frame, mark, title, more string, c color.Color) {
	w, h := f.whole.w, f.whole.h
	side := 6 * f.unit
	top := (h - side - 6.5*f.unit) / 2
	image := canvas.NewImageFromResource(b.look.marks[mark])
	image.FillMode = canvas.ImageFillContain
	b.objects = append(b.objects, box{(w - side) / 2, top, side, side}.put(image))
	in := box{1.5 * f.unit, top + side + f.unit/2, w - 3*f.unit, 3.5 * f.unit}
	b.write(title, font{largest: 2.3 * f.unit, bold: true, colour: c, align: fyne.TextAlignCenter, lines: 1}, in)
	if more != "" {
		in.y, in.h = in.y+in.h, 3*f.unit
		b.write(more, font{largest: f.unit, colour: soft, align: fyne.TextAlignCenter, lines: 2}, in)
	}
}

// foot says what staff must know.
func (b *board) foot(f frame, texts *i18n.Language) {
	var text string
	c := soft
	switch {
	case b.view.Trouble:
		text, c = texts.Text("trouble"), alarm
	case b.view.Test:
		text = texts.Text("test")
	default:
		return
	}
	b.fill(f.foot, c)
	b.write(text, font{largest: f.unit, bold: true, colour: white, align: fyne.TextAlignCenter, lines: 2}, f.foot.inset(f.unit, 0))
}

// answers puts the faces and their words.
func (b *board) answers(f frame, pale bool) {
	b.makeFaces()
	steps := len(b.faces)
	captions := b.captions()
	wide := steps > 2 && !slices.ContainsFunc(captions[1:steps-1], func(s string) bool { return s != "" })
	cells := f.cells(steps, wide)
	boxes := make([]box, steps)
	for i, c := range cells {
		boxes[i] = c.words
	}
	set := font{largest: 1.2 * f.unit, colour: ink, lines: 3, top: !f.high}
	if f.high {
		set.largest *= 1.25
	}
	if pale {
		set.colour = soft
	}
	size := set.size(captions, boxes)
	for i, c := range cells {
		set.align = c.align
		b.objects = append(b.objects, set.set(captions[i], size, c.words)...)
	}
	for i, c := range cells {
		b.faces[i].rest(pale)
		c.target.put(b.faces[i])
		b.faces[i].place(box{c.face.x - c.target.x, c.face.y - c.target.y, c.face.w, c.face.h})
		b.objects = append(b.objects, b.faces[i])
	}
}

// makeFaces makes the faces of the view's scale, if they are others than before.
func (b *board) makeFaces() {
	s := b.view.Scale
	if b.scale == s.ID && len(b.faces) == s.Steps {
		return
	}
	b.scale, b.faces = s.ID, make([]*face, s.Steps)
	for i := range b.faces {
		f := newNumber(strconv.Itoa(s.Lowest+i), b.look.colour(s.Steps, i))
		if drawing, ok := b.look.face(s.Steps, i); ok {
			f = newPicture(drawing)
		}
		f.up = b.lift
		f.down = func() {
			f.press()
			b.tell(input.Signal{Kind: input.Press, Place: i})
		}
		b.faces[i] = f
	}
}

// captions returns a word for each face, worst first, without the number that
// the face shows already; "" where there is none.
func (b *board) captions() []string {
	all := make([]string, len(b.faces))
	for i, f := range b.faces {
		if i >= len(b.view.Words.Faces) {
			break
		}
		all[i] = b.view.Words.Faces[i]
		if f.number != nil {
			if rest, found := strings.CutPrefix(all[i], f.number.Text); found {
				all[i] = strings.TrimLeft(rest, ",: ")
			}
		}
	}
	return all
}

// CreateRenderer implements fyne.Widget.
func (b *board) CreateRenderer() fyne.WidgetRenderer { return &boardRenderer{b} }

type boardRenderer struct{ b *board }

func (r *boardRenderer) Layout(size fyne.Size)        { r.b.compose(size) }
func (r *boardRenderer) MinSize() fyne.Size           { return fyne.NewSize(320, 240) }
func (r *boardRenderer) Objects() []fyne.CanvasObject { return r.b.objects }
func (r *boardRenderer) Refresh()                     { canvas.Refresh(r.b) }
func (r *boardRenderer) Destroy()                     {}
