package verify

import (
	"fmt"
	"strings"
	"time"

	"sourire/hub/rollup"
	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// sayKey names a roll-up.
func sayKey(k rollup.Key) string {
	when := "without a date"
	if k.Bucket != 0 {
		when = k.Bucket.At().Format("2006-01-02 15:04 UTC")
	}
	return fmt.Sprintf("roll-up %s, %s", sayAsked(k.Asked), when)
}

// sayDay names the roll-up of a day.
func sayDay(k rollup.DayKey) string {
	return fmt.Sprintf("day %s of %s", time.Unix(int64(k.Day)*24*60*60, 0).UTC().Format(time.DateOnly), sayAsked(k.Asked))
}

func sayAsked(a feedback.Asked) string {
	return fmt.Sprintf("%s/%s, survey %s on %s", a.Site, a.Touchpoint, a.Survey, a.Scale)
}

// sayCell tells everything that a cell counts.
func sayCell(c rollup.Cell) string {
	text := fmt.Sprintf("%d presses, %d ratings", c.Presses, c.Ratings())
	if c.Ratings() != 0 {
		text += " (worst first:" + strings.TrimRight(fmt.Sprintln(shown(c.Steps[:])...), "\n") + ")"
	}
	for a := visit.Counted + 1; a < visit.Asides; a++ {
		if c.Aside[a] != 0 {
			text += fmt.Sprintf(", %d %s", c.Aside[a], a)
		}
	}
	for _, n := range []struct {
		n    int64
		what string
	}{{c.AsidePresses, "presses set aside"}, {c.Mixed, "mixed"}, {c.Insistent, "insistent"}} {
		if n.n != 0 {
			text += fmt.Sprintf(", %d %s", n.n, n.what)
		}
	}
	return text
}

// shown returns the steps up to the last that counts something.
func shown(steps []int64) []any {
	out := []any{""}
	for i, n := range steps {
		if n != 0 {
			for len(out) <= i {
				out = append(out, int64(0))
			}
			out = append(out, n)
		}
	}
	return out
}

// sayVisit tells everything that a visit is.
func sayVisit(v visit.Visit) string {
	when := "without a date"
	if v.Dated() {
		when = time.UnixMilli(v.At).UTC().Format("2006-01-02 15:04:05.000 UTC")
		when += fmt.Sprintf(" ± %v", time.Duration(v.Within)*time.Millisecond)
	}
	text := fmt.Sprintf("rating %d by %d presses, %s, %s, at %s (boot %d, %d ms)",
		v.Rating, v.Presses, v.Aside, when, sayAsked(v.Asked), v.Stamp.Boot, v.Stamp.Since)
	if v.Mixed {
		text += ", mixed"
	}
	if v.Insistent {
		text += ", insistent"
	}
	return text
}
