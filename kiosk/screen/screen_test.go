package screen_test

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/driver/mobile"
	"fyne.io/fyne/v2/test"

	"sourire/internal/feedback"
	"sourire/internal/wire"
	"sourire/kiosk/input"
	"sourire/kiosk/screen"
	"sourire/kiosk/session"
	"sourire/kiosk/settings"
)

// sizes are those of small and large panels, both ways round.
var sizes = []fyne.Size{{Width: 800, Height: 480}, {Width: 1280, Height: 800}, {Width: 480, Height: 800}, {Width: 800, Height: 1280}}

// picturesEnv names a folder that gets each picture which a test draws.
const picturesEnv = "SOURIRE_ARTEFACTS"

// languages are those that the kiosk's own texts have.
var languages = []string{"fr", "en", "de", "es", "it", "fi", "ar", "zh"}

// planOf returns a plan that asks everything, in all languages, one of them first.
func planOf(t *testing.T, scale feedback.ScaleID, language string) settings.Plan {
	t.Helper()
	s := settings.Defaults()
	s.Kiosk.ID, s.Kiosk.Scale = "k", string(scale)
	others := slices.DeleteFunc(slices.Clone(languages), func(l string) bool { return l == language })
	plan, err := s.Read(wire.Encode(wire.Plan{V: wire.Version, Languages: append([]string{language}, others...)}))
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// views returns each picture of the flow, by name, for a scale and a language.
func views(t *testing.T, scale feedback.ScaleID, language string) map[string]session.View {
	t.Helper()
	words := planOf(t, scale, language).Words[language]
	of, err := feedback.ParseScale(string(scale))
	if err != nil {
		t.Fatal(err)
	}
	v := session.View{Scale: of, Language: language, Words: words}
	all := make(map[string]session.View)
	for _, kind := range []session.Screen{
		session.Closed, session.Faces, session.Thanks, session.Locked, session.Technician, session.Asleep,
	} {
		v.Screen = kind
		all[kind.String()] = v
	}
	with := func(name, from string, change func(*session.View)) {
		v := all[from]
		change(&v)
		all[name] = v
	}
	with("change", "thanks", func(v *session.View) { v.Change = true })
	with("test", "faces", func(v *session.View) { v.Test = true })
	with("trouble", "faces", func(v *session.View) { v.Trouble = true })
	with("choice", "faces", func(v *session.View) { v.Languages, v.Link = languages, "https://example.org/a/7f3k" })
	with("choice-test", "choice", func(v *session.View) { v.Test = true })
	with("contrast", "choice", func(v *session.View) { v.Contrast = true })
	codes := []string{"waiting", "staff", "cleanliness", "choice", "price", "other"}
	with("reasons", "faces", func(v *session.View) {
		v.Screen, v.Ask = session.Reasons, words.Texts[session.WhyNegative]
		for _, code := range codes {
			v.Choices = append(v.Choices, session.Choice{Code: code, Text: words.Texts[code]})
		}
	})
	with("reasons-3", "reasons", func(v *session.View) { v.Choices, v.Ask = v.Choices[:3], words.Texts[session.WhyPositive] })
	with("reasons-2", "reasons", func(v *session.View) {
		v.Ask = words.Texts[session.WhyNeutral]
		v.Choices = []session.Choice{{Code: "information", Text: words.Texts["information"]}, {Code: "comfort", Text: words.Texts["comfort"]}}
	})
	with("reasons-contrast", "reasons", func(v *session.View) { v.Contrast = true })
	with("remarks", "faces", func(v *session.View) { v.Screen, v.Ask = session.Remarks, words.Comment })
	with("remarks-test", "remarks", func(v *session.View) { v.Test = true })
	return all
}

// shown is a screen in a window of the test driver.
type shown struct {
	*screen.Screen
	t      *testing.T
	window fyne.Window
}

func show(t *testing.T, size fyne.Size, v session.View) *shown {
	t.Helper()
	test.NewTempApp(t)
	s, err := screen.New(screen.Options{Now: func() time.Duration { return 7 * time.Second }})
	if err != nil {
		t.Fatal(err)
	}
	w := test.NewTempWindow(t, s.Object())
	w.SetPadded(false)
	w.Resize(size)
	s.Show(v)
	return &shown{Screen: s, t: t, window: w}
}

// told returns what the screen tells of the taps so far. There must be some.
func (s *shown) told() []input.Signal {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	var all []input.Signal
	err := s.Run(ctx, func(signal input.Signal) {
		all = append(all, signal)
		cancel()
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// part is an object on the screen, and where.
type part struct {
	object fyne.CanvasObject
	at     fyne.Position
}

func (p part) has(at fyne.Position) bool {
	size := p.object.Size()
	return at.X >= p.at.X && at.Y >= p.at.Y && at.X < p.at.X+size.Width && at.Y < p.at.Y+size.Height
}

func (p part) middle() fyne.Position {
	return p.at.AddXY(p.object.Size().Width/2, p.object.Size().Height/2)
}

// parts returns everything on the screen, those in front last.
func (s *shown) parts() []part {
	var all []part
	var walk func(fyne.CanvasObject, fyne.Position)
	walk = func(o fyne.CanvasObject, within fyne.Position) {
		at := within.Add(o.Position())
		all = append(all, part{o, at})
		if w, ok := o.(fyne.Widget); ok {
			for _, inner := range test.WidgetRenderer(w).Objects() {
				walk(inner, at)
			}
		}
	}
	walk(s.Object(), fyne.Position{})
	return all
}

// faces returns the faces, worst first.
func (s *shown) faces() []part {
	var all []part
	for _, p := range s.targets() {
		objects := test.WidgetRenderer(p.object.(fyne.Widget)).Objects()
		if slices.ContainsFunc(objects, isA[*canvas.Circle]) {
			all = append(all, p)
		}
	}
	return all
}

// targets returns what can be pressed but for the board.
func (s *shown) targets() []part {
	var all []part
	for _, p := range s.parts() {
		if _, ok := p.object.(desktop.Mouseable); ok && p.object != s.Object() {
			all = append(all, p)
		}
	}
	return all
}

// key returns the one with a text.
func (s *shown) key(text string) part {
	s.t.Helper()
	for _, p := range s.targets() {
		var lines []string
		for _, o := range test.WidgetRenderer(p.object.(fyne.Widget)).Objects() {
			if t, ok := o.(*canvas.Text); ok {
				lines = append(lines, t.Text)
			}
		}
		if strings.Join(lines, " ") == text {
			return p
		}
	}
	s.t.Fatalf("there is no key %q", text)
	return part{}
}

// under returns what a driver takes a finger at a place for.
func (s *shown) under(at fyne.Position) fyne.CanvasObject {
	var found fyne.CanvasObject
	for _, p := range s.parts() {
		if _, ok := p.object.(desktop.Mouseable); ok && p.has(at) {
			found = p.object
		}
	}
	return found
}

func (s *shown) mouse(at fyne.Position, button desktop.MouseButton) {
	s.under(at).(desktop.Mouseable).MouseDown(&desktop.MouseEvent{Button: button})
}

func press(place int) input.Signal {
	return input.Signal{Kind: input.Press, Place: place, At: 7 * time.Second, Touch: true}
}

// Each face tells its place when the finger comes down, with a mouse as with a
// touch, wherever in its cell the finger is.
func TestScreen_Press(t *testing.T) {
	for _, scale := range feedback.Scales() {
		for _, size := range sizes {
			t.Run(fmt.Sprintf("%s %v", scale.ID, size), func(t *testing.T) {
				s := show(t, size, views(t, scale.ID, "fr")["faces"])
				faces := s.faces()
				if len(faces) != scale.Steps {
					t.Fatalf("got %d faces, want %d", len(faces), scale.Steps)
				}
				for place, face := range faces {
					corner := face.object.Size().Subtract(fyne.NewSquareSize(1))
					for _, at := range []fyne.Position{face.middle(), face.at.AddXY(1, 1), face.at.Add(corner)} {
						s.mouse(at, desktop.MouseButtonPrimary)
						if got, want := s.told(), []input.Signal{press(place)}; !reflect.DeepEqual(got, want) {
							t.Errorf("got %+v for the mouse at %v, want %+v", got, at, want)
						}
					}
					s.under(face.middle()).(mobile.Touchable).TouchDown(&mobile.TouchEvent{})
					if got, want := s.told(), []input.Signal{press(place)}; !reflect.DeepEqual(got, want) {
						t.Errorf("got %+v for a touch, want %+v", got, want)
					}
				}
			})
		}
	}
}

// A finger that leaves, slides or comes with the other button says nothing.
func TestScreen_OnlyDownIsAPress(t *testing.T) {
	s := show(t, sizes[0], views(t, "smiley3", "fr")["faces"])
	faces := s.faces()
	for _, face := range faces {
		s.mouse(face.middle(), desktop.MouseButtonSecondary)
		face.object.(desktop.Mouseable).MouseUp(&desktop.MouseEvent{Button: desktop.MouseButtonPrimary})
		face.object.(mobile.Touchable).TouchUp(&mobile.TouchEvent{})
		face.object.(mobile.Touchable).TouchCancel(&mobile.TouchEvent{})
		for _, slow := range []bool{
			isA[fyne.Tappable](face.object), isA[fyne.DoubleTappable](face.object), isA[fyne.Draggable](face.object),
		} {
			if slow {
				t.Error("a face waits for the end of a tap")
			}
		}
	}
	s.mouse(fyne.NewPos(5, 5), desktop.MouseButtonPrimary) // beside
	s.mouse(faces[1].middle(), desktop.MouseButtonPrimary)
	if got, want := s.told(), []input.Signal{press(1)}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func isA[T any](o fyne.CanvasObject) bool {
	_, ok := o.(T)
	return ok
}

// Taps keep their order, whatever the receiver does meanwhile.
func TestScreen_Order(t *testing.T) {
	s := show(t, sizes[0], views(t, "smiley5", "en")["faces"])
	var want []input.Signal
	for i := range 50 {
		s.mouse(s.faces()[i%5].middle(), desktop.MouseButtonPrimary)
		want = append(want, press(i%5))
	}
	if got := s.told(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// While thanks offer to change the answer, the faces are where they were, so
// that a second tap at the same place is the same answer; a tap beside them says
// that the visitor is gone.
func TestScreen_Change(t *testing.T) {
	for _, size := range sizes {
		all := views(t, "smiley3", "en")
		s := show(t, size, all["faces"])
		before := s.faces()
		s.Show(all["change"])
		for i, face := range s.faces() {
			if face.at != before[i].at || face.object.Size() != before[i].object.Size() {
				t.Errorf("face %d went from %v to %v", i, before[i].at, face.at)
			}
		}
		s.mouse(before[2].middle(), desktop.MouseButtonPrimary)
		s.mouse(fyne.NewPos(size.Width/2, 5), desktop.MouseButtonPrimary)
		want := []input.Signal{press(2), {Kind: input.Away, At: 7 * time.Second, Touch: true}}
		if got := s.told(); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		s.Show(all["thanks"])
		if n := len(s.faces()); n != 0 {
			t.Errorf("got %d faces when the offer was over, want none", n)
		}
	}
}

// A pressed face shows it, until the finger leaves or the screen changes.
func TestScreen_PressIsSeen(t *testing.T) {
	all := views(t, "smiley3", "en")
	ends := map[string]func(*shown){
		"mouse up":    func(s *shown) { s.faces()[1].object.(desktop.Mouseable).MouseUp(&desktop.MouseEvent{}) },
		"touch up":    func(s *shown) { s.faces()[1].object.(mobile.Touchable).TouchUp(&mobile.TouchEvent{}) },
		"slid away":   func(s *shown) { s.faces()[1].object.(mobile.Touchable).TouchCancel(&mobile.TouchEvent{}) },
		"other view":  func(s *shown) { s.Show(all["thanks"]); s.Show(all["faces"]) },
		"slid beside": func(s *shown) { s.under(fyne.NewPos(5, 5)).(desktop.Mouseable).MouseUp(&desktop.MouseEvent{}) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			s := show(t, sizes[0], all["faces"])
			before := s.window.Canvas().Capture()
			s.mouse(s.faces()[1].middle(), desktop.MouseButtonPrimary)
			if same(before, s.window.Canvas().Capture()) {
				t.Error("a pressed face looks as before")
			}
			pressed := s.window.Canvas().Capture()
			s.Show(all["faces"]) // the press is not on disk yet
			if !same(pressed, s.window.Canvas().Capture()) {
				t.Error("the face is let go before the disk has answered")
			}
			end(s)
			if !same(before, s.window.Canvas().Capture()) {
				t.Error("the face stays pressed")
			}
		})
	}
}

// Thanks look the same whatever was pressed: nothing on the way keeps it.
func TestScreen_ThanksTellNothing(t *testing.T) {
	all := views(t, "smiley3", "en")
	for _, name := range []string{"change", "thanks"} {
		var first image.Image
		for place := range 3 {
			s := show(t, sizes[0], all["faces"])
			s.mouse(s.faces()[place].middle(), desktop.MouseButtonPrimary)
			s.Show(all[name])
			picture := s.window.Canvas().Capture()
			if first == nil {
				first = picture
			}
			if !same(first, picture) {
				t.Errorf("%s after face %d looks otherwise than after face 0", name, place)
			}
		}
	}
}

func same(a, b image.Image) bool { return reflect.DeepEqual(a, b) }

// Every view, scale and language fits every size: texts are in the screen and in
// their widths, uncut, cover no other, and targets can be hit.
func TestScreen_Fits(t *testing.T) {
	sizes, languages := sizes, languages
	if raced { // the rest is drawn without the detector
		sizes, languages = sizes[:1], []string{"fr", "ar"}
	}
	for _, size := range sizes {
		s := show(t, size, session.View{})
		for _, scale := range feedback.Scales() {
			for _, language := range languages {
				for name, view := range views(t, scale.ID, language) {
					if !slices.Contains([]string{"faces", "change", "choice-test"}, name) && scale.ID != "smiley3" {
						continue // it shows nothing of the scale
					}
					t.Run(fmt.Sprintf("%vx%v %s %s %s", size.Width, size.Height, name, scale.ID, language), func(t *testing.T) {
						s := &shown{Screen: s.Screen, t: t, window: s.window}
						s.Show(view)
						s.fits(size)
						s.picture()
					})
				}
			}
		}
	}
}

func (s *shown) fits(size fyne.Size) {
	s.t.Helper()
	parts := s.parts()
	var texts, faces []part
	for _, p := range parts {
		end := p.at.Add(p.object.Size())
		const rounding = 0.01
		if p.at.X < -rounding || p.at.Y < -rounding || end.X > size.Width+rounding || end.Y > size.Height+rounding {
			s.t.Errorf("%T at %v to %v is not on the screen", p.object, p.at, end)
		}
		switch o := p.object.(type) {
		case *canvas.Text:
			if o.MinSize().Width > o.Size().Width+rounding {
				s.t.Errorf("text %q is %v wide, there is room for %v", o.Text, o.MinSize().Width, o.Size().Width)
			}
			if o.TextSize < 13 {
				s.t.Errorf("text %q is too small to read: %v", o.Text, o.TextSize)
			}
			if len(o.Text) > 2 && o.Text[len(o.Text)-3:] == "…" {
				s.t.Errorf("text %q is cut", o.Text)
			}
			texts = append(texts, inked(p))
		case *canvas.Image:
			faces = append(faces, p)
		}
	}
	for i, a := range texts {
		for _, b := range append(texts[i+1:], faces...) {
			if overlap(a, b) {
				s.t.Errorf("text %q covers something at %v", a.object.(*canvas.Text).Text, b.at)
			}
		}
	}
	for _, f := range s.targets() {
		if f.object.Size().Width < 44 || f.object.Size().Height < 44 {
			s.t.Errorf("the target at %v is too small: %v", f.at, f.object.Size())
		}
	}
}

// inked returns the part of a text's box that its letters take.
func inked(p part) part {
	text := p.object.(*canvas.Text)
	free := text.Size().Width - text.MinSize().Width
	small := canvas.NewText(text.Text, text.Color)
	small.Resize(text.MinSize())
	switch text.Alignment {
	case fyne.TextAlignCenter:
		p.at.X += free / 2
	case fyne.TextAlignTrailing:
		p.at.X += free
	}
	return part{small, p.at}
}

func overlap(a, b part) bool {
	const touching = 0.5
	return a.at.X+a.object.Size().Width > b.at.X+touching && b.at.X+b.object.Size().Width > a.at.X+touching &&
		a.at.Y+a.object.Size().Height > b.at.Y+touching && b.at.Y+b.object.Size().Height > a.at.Y+touching
}

// picture writes what is shown, for a person to look at, if somebody wants it.
func (s *shown) picture() {
	dir := os.Getenv(picturesEnv)
	if dir == "" {
		return
	}
	path := filepath.Join(dir, s.t.Name()+".png")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		s.t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, s.window.Canvas().Capture()); err != nil {
		s.t.Error(err)
	}
}

// The eyes of a face are holes, and each face has its own colour.
func TestScreen_FacesHaveEyes(t *testing.T) {
	s := show(t, sizes[0], views(t, "smiley5", "en")["faces"])
	picture := s.window.Canvas().Capture()
	colours := make(map[color.Color]bool)
	for _, p := range s.parts() {
		if _, ok := p.object.(*canvas.Image); !ok {
			continue
		}
		unit := p.object.Size().Width / 64
		at := func(x, y float32) color.Color {
			return color.NRGBAModel.Convert(picture.At(int(p.at.X+x*unit), int(p.at.Y+y*unit)))
		}
		ground := color.NRGBAModel.Convert(picture.At(2, 2))
		if at(21.5, 24) != ground && at(21.5, 30) != ground {
			t.Errorf("the face at %v has no eye", p.at)
		}
		colours[at(32, 8)] = true
		if at(32, 8) == ground {
			t.Errorf("the face at %v has no forehead", p.at)
		}
	}
	if len(colours) != 5 {
		t.Errorf("got %d colours for five faces", len(colours))
	}
}

// A plan may bring any words: what is too long is cut, and nothing overflows.
func TestScreen_AnyWords(t *testing.T) {
	long := "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
	all := []wire.Words{
		{},
		{Question: long, Thanks: long, Comment: long, Faces: []string{long, long, long}},
		{Question: long + " " + long + " " + long + " " + long, Thanks: "?", Faces: []string{"", " ", "a b c d e f g h i j k l m n o p q r s t u v w x y z"}},
		{Question: "q", Thanks: "t", Faces: []string{"only one"}},
		{Question: "q", Thanks: "t", Faces: []string{"1", "2", "3", "4", "5"}},
	}
	for _, size := range sizes {
		s := show(t, size, session.View{})
		for _, words := range all {
			for name, view := range views(t, "smiley3", "en") {
				view.Words = words
				if view.Ask != "" {
					view.Ask = words.Question
				}
				for i := range view.Choices {
					view.Choices[i].Text = words.Question
				}
				s.Show(view)
				for _, p := range s.parts() {
					if end := p.at.Add(p.object.Size()); p.at.X < -1 || p.at.Y < -1 || end.X > size.Width+1 || end.Y > size.Height+1 {
						t.Errorf("%s: %T at %v to %v is not on the screen", name, p.object, p.at, end)
					}
				}
			}
		}
	}
}
