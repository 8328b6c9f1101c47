// Package keyboard lets fingers speak through lines of text: the digits of a
// terminal, or whatever a script pipes in.
//
// It stands at the beginning of the line, as one source of kiosk/input. "1" is
// the worst face. Where there are at most nine faces each digit is a press, so
// that "332" are three; where there are more, numbers are separated by spaces.
// What is no face gets a sentence back and nothing else.
//
// Nothing is kept. The package has no goroutine but that of Run. It must not
// know scales, screens or terminals in raw mode: lines are enough.
package keyboard

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"sourire/internal/feedback"
	"sourire/kiosk/input"
)

// Options make a Keyboard. In and Faces are needed.
type Options struct {
	// In gives lines. Run ends promptly when its context is done if In has a
	// SetReadDeadline that works, as the files of Open have, or else a Close,
	// which is called then; any other reader holds Run until it returns.
	In    io.Reader
	Faces int       // how many there are, at most feedback.MaxSteps
	Out   io.Writer // gets the sentences; nil means nobody does
	Touch bool      // tell taps on a screen, not presses of buttons
}

// Keyboard is a source that reads lines.
type Keyboard struct{ o Options }

// New returns a keyboard.
func New(o Options) (*Keyboard, error) {
	if o.In == nil || o.Faces < 1 || o.Faces > feedback.MaxSteps {
		return nil, fmt.Errorf("keyboard: %d faces: want something to read and 1 to %d faces", o.Faces, feedback.MaxSteps)
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	return &Keyboard{o: o}, nil
}

// Open opens the program's own input once more, so that a read of it can be
// interrupted: reads of os.Stdin itself cannot.
func Open() (*os.File, error) { return os.Open("/dev/stdin") }

// Run implements input.Source: it tells a press for each face that is named,
// until the lines end or ctx is done.
func (k *Keyboard) Run(ctx context.Context, emit func(input.Signal)) error {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		k.interrupt()
	})
	defer func() {
		if !stop() {
			<-interrupted
		}
	}()
	lines := bufio.NewScanner(k.o.In)
	for ctx.Err() == nil && lines.Scan() {
		k.line(lines.Text(), emit)
	}
	if err := lines.Err(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("keyboard: read: %w", err)
	}
	return nil
}

// interrupt ends a read that waits.
func (k *Keyboard) interrupt() {
	if d, ok := k.o.In.(interface{ SetReadDeadline(time.Time) error }); ok && d.SetReadDeadline(time.Unix(1, 0)) == nil {
		return
	}
	if c, ok := k.o.In.(io.Closer); ok {
		// The read says what became of it.
		_ = c.Close()
	}
}

func (k *Keyboard) line(text string, emit func(input.Signal)) {
	for _, word := range strings.Fields(text) {
		for _, number := range k.split(word) {
			place, err := k.place(number)
			if err != nil {
				fmt.Fprintln(k.o.Out, err)
				continue
			}
			emit(input.Signal{Kind: input.Press, Place: place, Touch: k.o.Touch})
		}
	}
}

// split takes a word into the numbers of faces.
func (k *Keyboard) split(word string) []string {
	if k.o.Faces > 9 {
		return []string{word}
	}
	return strings.Split(word, "")
}

func (k *Keyboard) place(number string) (int, error) {
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > k.o.Faces {
		return 0, fmt.Errorf("%.20q is no face: type a number from 1 (worst) to %d (best)", number, k.o.Faces)
	}
	return n - 1, nil
}
