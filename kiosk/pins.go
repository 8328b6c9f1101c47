package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"sourire/kiosk/input/gpio"
)

// pinsCmd lists GPIO lines.
type pinsCmd struct{}

// Help stands below the summary.
func (pinsCmd) Help() string {
	return "Write the names of the first column into buttons.lines, worst face first. Example: sourire-kiosk pins"
}

// Run prints the chips and their lines, in words for somebody with a screwdriver.
func (pinsCmd) Run(c *console) error {
	chips, err := gpio.Chips()
	if len(chips) == 0 && err == nil {
		return fmt.Errorf("this machine has no GPIO lines: it is no board with pins, or its kernel has no driver for them")
	}
	for _, chip := range chips {
		fmt.Fprintf(c.Out, "%s (%s), %d lines\n", chip.Label, chip.Path, len(chip.Lines))
		w := tabwriter.NewWriter(c.Out, 0, 8, 2, ' ', 0)
		for _, l := range chip.Lines {
			fmt.Fprintf(w, "  %s\tline %d\t%s\n", chip.Line(l), l.Offset, describeLine(l))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return err
}

// describeLine says whether a button can be wired there.
func describeLine(l gpio.Info) string {
	var words []string
	switch {
	case l.UsedBy == "":
		words = append(words, "free")
	default:
		words = append(words, fmt.Sprintf("used by %q", l.UsedBy))
	}
	if l.Output {
		words = append(words, "an output now")
	}
	if l.PullUp {
		words = append(words, "pulled up")
	}
	if l.PullDown {
		words = append(words, "pulled down")
	}
	return strings.Join(words, ", ")
}
