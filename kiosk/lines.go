package main

import (
	"fmt"
	"io"
	"strings"

	"sourire/kiosk/session"
)

// lines is a front for a terminal: it shows by lines what a screen would show.
// The kiosk calls it one call at a time.
type lines struct {
	out  io.Writer
	last string
}

// Show prints the view if it differs from the one before.
func (l *lines) Show(v session.View) {
	text := describe(v)
	if text == l.last {
		return
	}
	l.last = text
	fmt.Fprintln(l.out, text)
}

// Thank does nothing: the view says thanks.
func (l *lines) Thank() {}

// describe puts a view in words.
func describe(v session.View) string {
	switch {
	case v.Trouble:
		return "! the last press could not be stored, nobody was thanked"
	case v.Screen == session.Thanks:
		return "  " + v.Words.Thanks
	case v.Screen == session.Faces:
		var faces strings.Builder
		for i := range v.Scale.Steps {
			word := ""
			if i < len(v.Words.Faces) {
				word = " " + v.Words.Faces[i]
			}
			fmt.Fprintf(&faces, "  [%d]%s", i+1, word)
		}
		return v.Words.Question + faces.String()
	}
	return "  (" + v.Screen.String() + ")"
}
