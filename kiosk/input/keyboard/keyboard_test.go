package keyboard_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"sourire/kiosk/input"
	"sourire/kiosk/input/keyboard"
)

var _ input.Source = &keyboard.Keyboard{}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func run(ctx context.Context, t *testing.T, o keyboard.Options) ([]int, error) {
	t.Helper()
	k, err := keyboard.New(o)
	if err != nil {
		t.Fatal(err)
	}
	var places []int
	err = k.Run(ctx, func(s input.Signal) {
		if s.Kind != input.Press || s.Touch != o.Touch {
			t.Errorf("got %+v, want a press with touch %v", s, o.Touch)
		}
		places = append(places, s.Place)
	})
	return places, err
}

func TestKeyboard_Run(t *testing.T) {
	tests := []struct {
		name  string
		faces int
		text  string
		want  []int
		says  int // sentences
	}{
		{"digits", 3, "1\n 3 \n\n2", []int{0, 2, 1}, 0},
		{"several in a line", 3, "332 1\n", []int{2, 2, 1, 0}, 0},
		{"no faces", 3, "0\n4\nx\n2\n", []int{1}, 3},
		{"numbers", 11, "11 1\n12\n", []int{10, 0}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			got, err := run(t.Context(), t, keyboard.Options{In: strings.NewReader(tt.text), Faces: tt.faces, Out: &out, Touch: true})
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v and %v, want %v", got, err, tt.want)
			}
			if n := strings.Count(out.String(), "\n"); n != tt.says {
				t.Errorf("got %d sentences, want %d:\n%s", n, tt.says, out.String())
			}
		})
	}
}

func TestKeyboard_RunEndsWithItsContext(t *testing.T) {
	file, fileEnd, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	defer fileEnd.Close()
	pipe, pipeEnd := io.Pipe()
	defer pipeEnd.Close()
	for name, in := range map[string]io.Reader{"deadline": file, "close": pipe} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			go cancel()
			if _, err := run(ctx, t, keyboard.Options{In: in, Faces: 3}); err != nil {
				t.Errorf("got %v, want none", err)
			}
		})
	}
}

func TestKeyboard_RunFails(t *testing.T) {
	broken := errors.New("broken")
	r, w := io.Pipe()
	go w.CloseWithError(broken)
	if _, err := run(t.Context(), t, keyboard.Options{In: r, Faces: 3}); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

func TestNew_Refuses(t *testing.T) {
	for _, o := range []keyboard.Options{{}, {In: strings.NewReader("")}, {In: strings.NewReader(""), Faces: 12}, {Faces: 3}} {
		if _, err := keyboard.New(o); err == nil {
			t.Errorf("got %+v taken, want a refusal", o)
		}
	}
}
