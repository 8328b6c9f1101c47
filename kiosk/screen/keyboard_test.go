package screen_test

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/test"

	"sourire/kiosk/input"
	"sourire/kiosk/session"
)

// hit presses the middle of a part with a finger, and lifts it.
func (s *shown) hit(p part) {
	s.t.Helper()
	s.mouse(p.middle(), desktop.MouseButtonPrimary)
	if o := s.under(p.middle()); o != nil {
		o.(desktop.Mouseable).MouseUp(&desktop.MouseEvent{Button: desktop.MouseButtonPrimary})
	}
}

// icons returns the keys that show a drawing: the first is the one for capitals,
// if there is one, the last erases.
func (s *shown) icons() []part {
	var all []part
	for _, p := range s.targets() {
		objects := test.WidgetRenderer(p.object.(fyne.Widget)).Objects()
		if slices.ContainsFunc(objects, isA[*canvas.Image]) && !slices.ContainsFunc(objects, isA[*canvas.Circle]) {
			all = append(all, p)
		}
	}
	return all
}

func says(kind input.Kind, text string) input.Signal {
	return input.Signal{Kind: kind, Text: text, At: 7 * time.Second, Touch: true}
}

// Each key tells what stands there now; the first letter is a capital, the last
// goes away again, and the text is sent as it is seen.
func TestScreen_Types(t *testing.T) {
	s := show(t, sizes[0], views(t, "smiley3", "fr")["remarks"])
	for _, key := range []string{"L", "a", "espace", "espace"} {
		s.hit(s.key(key))
	}
	s.hit(s.icons()[0]) // capitals
	s.hit(s.key("É"))
	s.hit(s.key("x"))
	s.hit(s.icons()[1]) // erase
	s.hit(s.key("!"))
	s.hit(s.key("Envoyer"))
	s.hit(s.key("Passer"))
	var want []input.Signal
	for _, text := range []string{"L", "La", "La ", "La É", "La Éx", "La É", "La É!"} {
		want = append(want, says(input.Typing, text))
	}
	want = append(want, says(input.Comment, "La É!"), says(input.Skip, ""))
	if got := s.told(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Text that was erased, and that of the visitor before, is not there any more.
func TestScreen_NextTextIsEmpty(t *testing.T) {
	all := views(t, "smiley3", "en")
	s := show(t, sizes[0], all["remarks"])
	empty := s.window.Canvas().Capture()
	s.hit(s.key("A"))
	s.hit(s.icons()[1])
	s.hit(s.icons()[1]) // nothing left
	if !same(empty, s.window.Canvas().Capture()) {
		t.Error("a text that was erased leaves something")
	}
	s.hit(s.key("A"))
	s.Show(all["thanks"])
	s.Show(all["remarks"])
	if !same(empty, s.window.Canvas().Capture()) {
		t.Error("the next visitor sees the text of the one before")
	}
	s.hit(s.key("B"))
	told := s.told()
	if last := told[len(told)-1]; last != says(input.Typing, "B") {
		t.Errorf("got %+v, want B alone", last)
	}
}

// A text ends at its longest, stays in its field in every language, and nothing
// overflows.
func TestScreen_TypesTooMuch(t *testing.T) {
	for _, tt := range []struct {
		language, letter, space string
		size                    fyne.Size
	}{{"fr", "M", "espace", sizes[0]}, {"ar", "ض", "مسافة", sizes[2]}} {
		s := show(t, tt.size, views(t, "smiley3", tt.language)["remarks"])
		key := s.key(tt.letter)
		for i := range session.MaxComment + 5 {
			s.mouse(key.middle(), desktop.MouseButtonPrimary)
			if i == 3 {
				s.hit(s.key(tt.space))
			}
		}
		told := s.told()
		last := told[len(told)-1].Text
		if n := len([]rune(last)); n != session.MaxComment || !strings.HasPrefix(last, tt.letter) {
			t.Errorf("%s: got %d characters, want %d", tt.language, n, session.MaxComment)
		}
		s.fits(tt.size)
	}
}

// There is no way to write an address for mail.
func TestScreen_NoAt(t *testing.T) {
	for _, language := range languages {
		s := show(t, sizes[0], views(t, "smiley3", language)["remarks"])
		for _, p := range s.parts() {
			if text, ok := p.object.(*canvas.Text); ok && strings.Contains(text.Text, "@") {
				t.Errorf("%s has a key %q", language, text.Text)
			}
		}
	}
}

// Reasons, languages and the ways out are told when the finger comes down.
func TestScreen_Chooses(t *testing.T) {
	for _, size := range sizes {
		for _, language := range []string{"en", "ar"} {
			all := views(t, "smiley3", language)
			s := show(t, size, all["reasons"])
			var want []input.Signal
			for _, c := range all["reasons"].Choices {
				s.hit(s.key(c.Text))
				want = append(want, says(input.Reason, c.Code))
			}
			s.hit(s.key(map[string]string{"en": "Skip", "ar": "تخطٍّ"}[language]))
			want = append(want, says(input.Skip, ""))
			s.mouse(fyne.NewPos(3, 3), desktop.MouseButtonPrimary) // beside
			s.Show(all["choice"])
			for i, name := range []string{"Français", "English", "Deutsch", "Español", "Italiano", "Suomi", "العربية", "中文"} {
				s.hit(s.key(name))
				want = append(want, says(input.Language, languages[i]))
			}
			s.Show(all["asleep"])
			s.mouse(fyne.NewPos(size.Width/2, size.Height/2), desktop.MouseButtonPrimary)
			s.Show(all["thanks"])
			s.mouse(fyne.NewPos(size.Width/2, size.Height/2), desktop.MouseButtonPrimary)
			want = append(want, says(input.Away, ""), says(input.Away, ""))
			if got := s.told(); !reflect.DeepEqual(got, want) {
				t.Errorf("%v %s: got %+v, want %+v", size, language, got, want)
			}
		}
	}
}

// In Arabic everything begins at the right: the worst face, the first reason. The
// languages stay where they are.
func TestScreen_FromTheRight(t *testing.T) {
	latin := show(t, sizes[0], views(t, "smiley5", "en")["choice"])
	fromLeft, names := latin.faces(), latin.key("Deutsch")
	s := show(t, sizes[0], views(t, "smiley5", "ar")["choice"])
	for i, face := range s.faces() {
		if want := fromLeft[len(fromLeft)-1-i].at; math.Abs(float64(face.at.X-want.X)) > 0.01 || face.at.Y != want.Y {
			t.Errorf("face %d is at %v, want %v", i, face.at, want)
		}
	}
	if at := s.key("Deutsch").at; at != names.at {
		t.Errorf("a language went from %v to %v", names.at, at)
	}
	all := views(t, "smiley3", "ar")
	s.Show(all["reasons"])
	first, second := s.key(all["reasons"].Choices[0].Text), s.key(all["reasons"].Choices[1].Text)
	if first.at.X <= second.at.X {
		t.Errorf("the first reason is at %v, the second at %v", first.at, second.at)
	}
}

// A key that a finger slid away from is let go when the next screen comes.
func TestScreen_KeyIsLetGo(t *testing.T) {
	all := views(t, "smiley3", "en")
	s := show(t, sizes[0], all["remarks"])
	s.hit(s.key("A"))
	s.Show(all["faces"])
	s.Show(all["remarks"])
	before := s.window.Canvas().Capture()
	s.mouse(s.key("space").middle(), desktop.MouseButtonPrimary) // says nothing yet
	if same(before, s.window.Canvas().Capture()) {
		t.Error("a key that is down looks as before")
	}
	s.Show(all["faces"])
	s.Show(all["remarks"])
	if !same(before, s.window.Canvas().Capture()) {
		t.Error("the key stays down")
	}
}

// At least two lines of what was typed are seen, the last ones.
func TestScreen_ShowsTwoLines(t *testing.T) {
	for _, size := range sizes {
		for language, keys := range map[string]string{"fr": "abcdefgh", "ar": "شسيبلاتن", "zh": "abcdefgh"} {
			s := show(t, size, views(t, "smiley3", language)["remarks"])
			space := map[string]string{"fr": "espace", "ar": "مسافة", "zh": "空格"}[language]
			for word := range 8 {
				for i, r := range keys {
					key := string(r)
					if word+i == 0 {
						key = strings.ToUpper(key)
					}
					s.hit(s.key(key))
				}
				s.hit(s.key(space))
			}
			lines := 0
			for _, p := range s.texts() {
				if text := p.object.(*canvas.Text); strings.Contains(strings.ToLower(text.Text), keys) {
					lines++
				}
			}
			if lines < 2 {
				t.Errorf("%v %s: got %d lines, want two", size, language, lines)
			}
		}
	}
}

// texts returns every text on the screen.
func (s *shown) texts() []part {
	return slices.DeleteFunc(s.parts(), func(p part) bool { return !isA[*canvas.Text](p.object) })
}
