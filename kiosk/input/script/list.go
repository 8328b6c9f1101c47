package script

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"sourire/internal/feedback"
	"sourire/kiosk/input"
)

// Line is one signal of a List.
type Line struct {
	After  time.Duration // since Run began
	Signal input.Signal
}

// List is a source that tells what stands in it, in order. Waiting lists of
// many kiosks may share one: Run changes nothing.
type List []Line

// Run implements input.Source. A line whose time is over is told at once.
func (l List) Run(ctx context.Context, emit func(input.Signal)) error {
	began := time.Now()
	for _, line := range l {
		if !sleep(ctx, line.After-time.Since(began)) {
			return nil
		}
		emit(line.Signal)
	}
	return nil
}

// ParseList reads lines such as
//
//	at 1.5s face 2
//	at 2s   tap 3        # on a touchscreen
//	at 2.5s away         # beside its faces
//	at 14s  stuck 2
//	at 20s  gesture 1 3
//
// in the order of their times; 1 is the worst face. Empty lines and what
// follows a # mean nothing.
func ParseList(from io.Reader) (List, error) {
	var l List
	scanner := bufio.NewScanner(from)
	for n := 1; scanner.Scan(); n++ {
		text, _, _ := strings.Cut(scanner.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		line, err := parseLine(words)
		if err == nil && len(l) > 0 && line.After < l[len(l)-1].After {
			err = fmt.Errorf("%v is before the line above", line.After)
		}
		if err != nil {
			return nil, fmt.Errorf("script: line %d: %w", n, err)
		}
		l = append(l, line)
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("script: %w", err)
	}
	return l, nil
}

func parseLine(words []string) (Line, error) {
	bad := fmt.Errorf("%q: want \"at 1.5s face 2\"", strings.Join(words, " "))
	if len(words) < 3 || words[0] != "at" {
		return Line{}, bad
	}
	after, err := time.ParseDuration(words[1])
	if err != nil || after < 0 {
		return Line{}, fmt.Errorf("time %q: want a duration such as 1.5s", words[1])
	}
	s := input.Signal{}
	faces := 1
	switch words[2] {
	case "face":
		s.Kind = input.Press
	case "tap":
		s.Kind, s.Touch = input.Press, true
	case "away":
		s.Kind, s.Touch, faces = input.Away, true, 0
	case "stuck":
		s.Kind, s.Held = input.Stuck, 10*time.Second
	case "gesture":
		s.Kind, s.Held, faces = input.Gesture, 5*time.Second, 2
	case "cleaning":
		s.Kind, s.Held, faces = input.Cleaning, 5*time.Second, 2
	default:
		return Line{}, fmt.Errorf("%q: want face, tap, away, stuck, gesture or cleaning", words[2])
	}
	if len(words) != 3+faces {
		return Line{}, bad
	}
	places := []*int{&s.Place, &s.Other}
	for i, word := range words[3:] {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 || n > feedback.MaxSteps {
			return Line{}, fmt.Errorf("face %q: want a number from 1 (worst) to %d", word, feedback.MaxSteps)
		}
		*places[i] = n - 1
	}
	return Line{After: after, Signal: s}, nil
}
