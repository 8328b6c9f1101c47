package screen

import (
	"image/color"
	"log/slog"
	"reflect"
	"runtime/debug"
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
	plate   // a tap beside everything else
	look    *look
	tell    func(input.Signal)
	log     *slog.Logger
	view    session.View
	colours palette
	texts   *i18n.Language
	rtl     bool
	objects []fyne.CanvasObject // as composed for the view and the size

	// faces are kept while the scale stays, so that a screen that is pressed all
	// day makes nothing new; keys and the QR code likewise.
	faces    []*face
	scale    feedback.ScaleID
	plain    bool // faces are black
	keyboard keyboard
	code     code
	keys     []*key // all that are on the screen

	typed   string // in the text field
	capital bool   // the next letter is one
}

func newBoard(l *look, tell func(input.Signal), log *slog.Logger) *board {
	b := &board{look: l, tell: tell, log: log, colours: usual, texts: l.texts.Match("")}
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
	if b.view.Screen != session.Remarks {
		b.typed, b.capital = "", true
	}
	if b.view.Screen != v.Screen { // a finger that slid away, or is still down
		b.lift()
	}
	b.view = v
	b.texts, b.rtl = b.look.texts.Match(v.Language), isRTL(v.Language)
	b.colours = usual
	if v.Contrast {
		b.colours = contrast
	}
	b.draw()
}

func (b *board) draw() {
	b.compose(b.Size())
	b.Refresh()
}

// away is a tap beside everything else. It says something only while thanks are
// shown, and on a screen that sleeps.
func (b *board) away() {
	if b.view.Screen == session.Thanks || b.view.Screen == session.Asleep {
		b.tell(input.Signal{Kind: input.Away})
	}
}

// lift ends the picture of a press, wherever the finger has slid meanwhile.
func (b *board) lift() {
	for _, f := range b.faces {
		f.lift()
	}
	for _, k := range b.keys {
		k.lift()
	}
}

// compose makes the objects of the view at a size, those in front last. A view
// that cannot be drawn leaves an empty screen: to end the program would end the
// buttons too, and what waits for the disk.
func (b *board) compose(size fyne.Size) {
	b.objects, b.keys = nil, nil
	f := frameOf(size, len(b.view.Languages))
	defer func() {
		if why := recover(); why != nil {
			b.log.Error("a view cannot be drawn and the screen stays empty: please report this; presses are taken as ever", "screen", b.view.Screen, "why", why, "stack", string(debug.Stack()))
			b.objects, b.keys, b.faces, b.keyboard = nil, nil, nil, keyboard{}
			b.fill(f.whole, b.colours.ground)
		}
	}()
	b.fill(f.whole, b.colours.ground)
	if size.Width <= 0 || size.Height <= 0 {
		return
	}
	if b.striped() {
		f.head.y, f.head.h = f.strip.h, f.head.h-f.strip.h
	}
	switch b.view.Screen {
	case session.Faces:
		b.question(f)
		b.answers(f, false)
		b.languages(f)
	case session.Thanks:
		if b.view.Change {
			b.thanksAbove(f)
			b.answers(f, true)
		} else {
			b.thanks(f)
		}
	case session.Reasons:
		b.reasons(f)
	case session.Remarks:
		b.remarks(f)
	case session.Locked:
		b.notice(f, "clean.svg", "locked")
	case session.Technician:
		b.notice(f, "wait.svg", "technician")
	case session.Asleep:
		b.asleep(f)
		return
	default:
		b.notice(f, "wait.svg", "closed")
	}
	b.foot(f)
}

// flip returns where a box lies in the language that is shown.
func (b *board) flip(at box) box {
	if b.rtl {
		return at.mirrored(b.Size().Width)
	}
	return at
}

func (b *board) add(o ...fyne.CanvasObject) { b.objects = append(b.objects, o...) }

func (b *board) fill(at box, c color.Color) { b.add(b.flip(at).put(canvas.NewRectangle(c))) }

// font completes a font for the language that is shown.
func (b *board) font(f font) font {
	f.fonts, f.rtl = b.look.fonts, b.rtl
	return f
}

// write sets a text as large as it fits.
func (b *board) write(text string, f font, at box) {
	f = b.font(f)
	at = b.flip(at)
	b.add(f.set(text, f.size([]string{text}, []box{at}), at)...)
}

// picture shows a drawing.
func (b *board) picture(name string, at box) {
	if b.view.Contrast && b.look.marks["plain-"+name] != nil {
		name = "plain-" + name
	}
	image := canvas.NewImageFromResource(b.look.marks[name])
	image.FillMode = canvas.ImageFillContain
	b.add(b.flip(at).put(image))
}

func (b *board) question(f frame) {
	head := f.head.inset(1.5*f.unit, f.unit/4)
	if b.view.Link != "" {
		head = b.phone(f, head)
	}
	b.write(b.view.Words.Question, font{
		largest: 2.3 * f.unit, bold: true, colour: b.colours.ink, align: fyne.TextAlignCenter, lines: 3,
	}, head)
}

// thanksAbove puts thanks into the place of the question, and leaves the faces
// where they are.
func (b *board) thanksAbove(f frame) {
	b.fill(f.head, b.colours.accent)
	in := f.head.inset(1.5*f.unit, f.unit/2)
	upper := box{in.x, in.y, in.w, in.h * 0.6}
	lower := box{in.x, in.y + upper.h, in.w, in.h - upper.h}
	b.write(b.view.Words.Thanks, font{
		largest: 3 * f.unit, bold: true, colour: b.colours.onAccent, align: fyne.TextAlignCenter, lines: 2,
	}, upper)
	b.write(b.texts.Text("change"), font{
		largest: 1.2 * f.unit, colour: b.colours.onAccent, align: fyne.TextAlignCenter, lines: 2,
	}, lower)
}

// thanks fills the screen.
func (b *board) thanks(f frame) {
	b.fill(f.whole, b.colours.accent)
	white := b.colours.onAccent
	b.poster(f, poster{mark: "check.svg", title: b.view.Words.Thanks, ink: white})
}

// notice says why there is no question.
func (b *board) notice(f frame, mark, key string) {
	b.poster(f, poster{mark, b.texts.Text(key), b.texts.Text(key + "_more"), b.colours.ink, b.colours.soft})
}

// asleep is dark but for a few words.
func (b *board) asleep(f frame) {
	b.fill(f.whole, black)
	b.poster(f, poster{"dim-night.svg", b.texts.Text("asleep"), b.texts.Text("asleep_more"), dim, dim})
}

// poster is a mark with a title and perhaps a sentence.
type poster struct {
	mark, title, more string
	ink, soft         color.Color
}

func (b *board) poster(f frame, p poster) {
	w, h := f.whole.w, f.whole.h
	side := 6 * f.unit
	top := (h - side - 6.5*f.unit) / 2
	if p.more == "" {
		top = (h - side - 4*f.unit) / 2
	}
	at := box{(w - side) / 2, top, side, side}
	if p.mark == "check.svg" { // white already
		b.add(at.put(canvas.NewImageFromResource(b.look.marks[p.mark])))
	} else {
		b.picture(p.mark, at)
	}
	in := box{1.5 * f.unit, top + side + f.unit/2, w - 3*f.unit, 3.5 * f.unit}
	b.write(p.title, font{largest: 2.3 * f.unit, bold: true, colour: p.ink, align: fyne.TextAlignCenter, lines: 1}, in)
	if p.more != "" {
		in.y, in.h = in.y+in.h, 3.2*f.unit
		b.write(p.more, font{largest: f.unit, colour: p.soft, align: fyne.TextAlignCenter, lines: 2}, in)
	}
}

// striped reports whether something is said above what the visitor reads.
func (b *board) striped() bool {
	if !b.view.Trouble && !b.view.Test {
		return false
	}
	switch b.view.Screen {
	case session.Reasons, session.Remarks:
		return true
	}
	return b.view.Screen == session.Faces && len(b.view.Languages) > 0
}

// foot says what staff must know: at the bottom, or above the question while a
// test leaves the bottom to the languages or to keys.
func (b *board) foot(f frame) {
	at, c := f.foot, b.colours.soft
	var text string
	switch {
	case b.view.Trouble:
		text, c = b.texts.Text("trouble"), b.colours.alarm
	case b.view.Test:
		text = b.texts.Text("test")
	default:
		return
	}
	if b.striped() {
		at = f.strip
	}
	b.fill(at, c)
	b.write(text, font{largest: f.unit, bold: true, colour: b.colours.onAccent, align: fyne.TextAlignCenter, lines: 1}, at.inset(f.unit, 0))
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
	set := b.font(font{largest: 1.2 * f.unit, colour: b.colours.ink, lines: 3, top: !f.high})
	if f.high {
		set.largest *= 1.25
	}
	if pale {
		set.colour = b.colours.soft
	}
	size := set.size(captions, boxes)
	for i, c := range cells {
		set.align = c.align
		b.add(set.set(captions[i], size, b.flip(c.words))...)
	}
	for i, c := range cells {
		b.faces[i].rest(pale)
		target, drawing := b.flip(c.target), b.flip(c.face)
		target.put(b.faces[i])
		b.faces[i].place(box{drawing.x - target.x, drawing.y - target.y, drawing.w, drawing.h})
		b.add(b.faces[i])
	}
}

// makeFaces makes the faces of the view's scale, if they are others than before.
func (b *board) makeFaces() {
	s := b.view.Scale
	if b.scale == s.ID && len(b.faces) == s.Steps && b.plain == b.view.Contrast {
		return
	}
	b.plain = b.view.Contrast
	b.scale, b.faces = s.ID, make([]*face, s.Steps)
	for i := range b.faces {
		f := newNumber(strconv.Itoa(s.Lowest+i), b.look.colour(s.Steps, i, b.plain))
		if drawing, ok := b.look.face(s.Steps, i, b.plain); ok {
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
