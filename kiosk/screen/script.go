package screen

import (
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"golang.org/x/text/unicode/bidi"
)

// script is a group of characters that have a font of their own.
type script int8

const (
	latin script = iota // the toolkit's own font
	arabic
	chinese
	anyScript // stands with what is before it, if that has it
)

// scriptOf says whose a character is.
func scriptOf(r rune) script {
	switch {
	case r >= 0x600 && r <= 0x6ff:
		return arabic
	case r >= 0x2e80 && r <= 0x9fff, r >= 0xff00 && r <= 0xffef:
		return chinese
	case r <= ' ', strings.ContainsRune("!,-.:0123456789\u00a0«»", r):
		return anyScript
	}
	return latin
}

// with reports whether a script's font has a character of no script.
func (s script) with(r rune) bool {
	return scriptOf(r) == anyScript || s == chinese && (strings.ContainsRune("“”‘’…—·", r) || r <= '~')
}

// fonts are those that the toolkit lacks.
type fonts struct{ arabic, arabicBold, chinese fyne.Resource }

// of returns the font of a script, nil for the toolkit's.
func (f fonts) of(s script, bold bool) fyne.Resource {
	switch {
	case s == arabic && bold:
		return f.arabicBold
	case s == arabic:
		return f.arabic
	case s == chinese:
		return f.chinese
	}
	return nil
}

// piece is a part of a line in one direction and one font.
type piece struct {
	text   string
	script script
}

// The marks that tell in which direction a paragraph runs, whatever it begins with.
const (
	leftToRight = "\u200e"
	rightToLeft = "\u200f"
)

// pieces splits a line, and returns its pieces from the left to the right.
func pieces(line string, rtl bool) []piece {
	mark := leftToRight
	if rtl {
		mark = rightToLeft
	}
	var p bidi.Paragraph
	if _, err := p.SetString(mark + line); err != nil {
		return split(line, false)
	}
	order, err := p.Order()
	if err != nil {
		return split(line, false)
	}
	var all []piece
	for i := range order.NumRuns() {
		run := order.Run(i)
		text := strings.Trim(run.String(), leftToRight+rightToLeft)
		parts := split(text, run.Direction() == bidi.RightToLeft)
		// BUG(kiosk): numbers that follow Arabic words within a line of another
		// language stand after them from the left.
		if rtl {
			all = append(parts, all...)
		} else {
			all = append(all, parts...)
		}
	}
	return all
}

// split splits a text of one direction by scripts.
func split(text string, backwards bool) []piece {
	var all []piece
	for _, r := range text {
		s := scriptOf(r)
		n := len(all)
		switch {
		case n > 0 && (s == all[n-1].script || all[n-1].script.with(r)):
			all[n-1].text += string(r)
			continue
		case n > 0 && all[n-1].script == anyScript && s != anyScript:
			all[n-1].text += string(r)
			all[n-1].script = s
			continue
		}
		all = append(all, piece{string(r), s})
	}
	for i := range all {
		if all[i].script == anyScript {
			all[i].script = latin
			if backwards {
				all[i].script = arabic
			}
		}
		if backwards && all[i].script != arabic {
			all[i].text = bidi.ReverseString(all[i].text) // brackets: their mirror images
		}
	}
	if backwards {
		slices.Reverse(all)
	}
	return all
}

// isRTL reports whether a language is written from the right.
func isRTL(language string) bool {
	base, _, _ := strings.Cut(language, "-")
	return slices.Contains([]string{"ar", "fa", "he", "ur"}, base)
}
