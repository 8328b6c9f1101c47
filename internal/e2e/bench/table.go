package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
)

// samples are measurements of one thing.
type samples []float64

// at returns the value below which the share q of the samples lies: the nearest
// rank. It is NaN when there is none.
func (s samples) at(q float64) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[min(len(s)-1, max(0, int(math.Ceil(q*float64(len(s))))-1))]
}

func (s samples) median() float64 { return s.at(0.5) }

// last returns the newest sample, of which there is at least one.
func last(s samples) float64 { return s[len(s)-1] }

// line is one row of the table.
type line struct {
	figure   string
	ratio    float64
	low      float64 // lowest and highest round
	high     float64
	of       string
	absolute string
}

// of makes a line of a ratio that was taken each round.
func of(figure string, ratio samples, limit, absolute string, args ...any) line {
	return line{figure, ratio.median(), ratio.at(0), ratio.at(1), limit, fmt.Sprintf(absolute, args...)}
}

// lines returns every figure.
func (r *results) lines() []line {
	var out []line
	for _, f := range r.full {
		out = append(out,
			of(fmt.Sprintf("full batches of %d, acknowledged", f.size), f.ratio, "bare insert of the same rows",
				"%.0f records/s of %.0f/s; %.0f in a transaction", f.rate.median(), f.bareRate.median(), f.group.median()),
			of("   CPU of the hub a press", f.burden, "bare insert's CPU",
				"%.1f µs of %.1f µs", f.cpu.median(), f.bareCPU.median()))
	}
	s, commit := r.singles, r.commits.median()
	out = append(out,
		of("single presses, acknowledged", s.ratio, "bare commits of one row each",
			"%.0f presses/s of %.0f commits/s; %.1f in a transaction", s.rate.median(), 1e6/commit, s.group.median()),
		of("   CPU of the hub a press", s.burden, "bare commit's CPU", "%.1f µs of %.1f µs", s.cpu.median(), r.effort.median()))
	beside := r.beside.median()
	quantile := func(figure string, q float64) line {
		x := r.calm.at(q) / beside
		return line{figure, x, x, x, "bare commit, median", fmt.Sprintf("%.2f ms of %.2f ms; a bare commit %.2f ms",
			r.calm.at(q)/1000, beside/1000, r.beside.at(q)/1000)}
	}
	p := r.press
	out = append(out, of("press to durable on the kiosk", p.ratio, "bare commit",
		"%.2f ms of %.2f ms", p.ours.median()/1000, p.bare.median()/1000))
	return append(out, quantile("press to acknowledged, light load, median", 0.5), quantile("   99 of 100", 0.99))
}

// table prints the figures.
func (r *results) table() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "figure\tratio\tlow\thigh\tof\tabsolute")
	for _, l := range r.lines() {
		fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%.2f\t%s\t%s\n", l.figure, l.ratio, l.low, l.high, l.of, l.absolute)
	}
	_ = w.Flush() // into memory
	return b.String()
}
