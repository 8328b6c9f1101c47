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

// goal is what a ratio shall reach. The zero goal is none.
type goal struct{ atLeast, atMost float64 }

func (g goal) String() string {
	switch {
	case g.atLeast > 0:
		return fmt.Sprintf("≥ %g", g.atLeast)
	case g.atMost > 0:
		return fmt.Sprintf("≤ %g", g.atMost)
	}
	return "-"
}

// verdict says in a word whether the ratio reaches the goal.
func (g goal) verdict(ratio float64) string {
	switch {
	case g == goal{}:
		return "-"
	case g.atLeast > 0 && ratio >= g.atLeast, g.atMost > 0 && ratio <= g.atMost:
		return "yes"
	}
	return "SHORT" // also where there is no ratio
}

// line is one row of the table.
type line struct {
	figure   string
	ratio    float64
	low      float64 // lowest and highest round
	high     float64
	goal     goal
	of       string
	absolute string
	missing  string // why it was not measured; empty: it was
}

// of makes a line of a ratio that was taken each round.
func of(figure string, ratio samples, g goal, limit, absolute string, args ...any) line {
	return line{figure: figure, ratio: ratio.median(), low: ratio.at(0), high: ratio.at(1), goal: g, of: limit, absolute: fmt.Sprintf(absolute, args...)}
}

// once makes a line of a ratio that was taken once.
func once(figure string, ratio float64, g goal, limit, absolute string, args ...any) line {
	return of(figure, samples{ratio}, g, limit, absolute, args...)
}

// lines returns every figure: first those that another machine would show too.
func (r *results) lines() []line {
	commit := r.commits.median()
	out := fullLines(r.full, "", "bare insert of the same rows", "bare insert's CPU", "the hub", goal{})
	out = append(out,
		of("single presses, acknowledged", r.singles.ratio, goal{}, "bare commits of one row each",
			"%.0f presses/s of %.0f commits/s; %.1f in a transaction", r.singles.rate.median(), 1e6/commit, r.singles.group.median()),
		of("   CPU of the hub a press", r.singles.burden, goal{}, "bare commit's CPU", "%.1f µs of %.1f µs", r.singles.cpu.median(), r.effort.median()))
	p := r.press
	out = append(out, of("press to durable on the kiosk", p.ratio, goal{}, "bare commit",
		"%.2f ms of %.2f ms", p.ours.median()/1000, p.bare.median()/1000))
	beside := r.beside.median()
	for _, q := range []struct {
		figure string
		q      float64
		goal   goal
	}{
		{"press to acknowledged, light load, median", 0.5, goal{atMost: 3}},
		{"   99 of 100", 0.99, goal{atMost: 10}},
	} {
		out = append(out, once(q.figure, r.calm.at(q.q)/beside, q.goal, "bare commit, median", "%.2f ms of %.2f ms; a bare commit %.2f ms",
			r.calm.at(q.q)/1000, beside/1000, r.beside.at(q.q)/1000))
	}
	b := r.backlog
	out = append(out, of("   99 of 100 while a kiosk sends its backlog", b.ratio, goal{atMost: backlogHarm}, "the same without a backlog",
		"%.2f ms of %.2f ms; of %d presses; %.1f bare commits", b.busy.median()/1000, b.quiet.median()/1000, b.presses, b.busy.median()/beside))
	out = append(out, r.postgres.lines()...)
	out = append(out, r.peer.lines()...)
	return append(out, r.machineLines()...)
}

// fullLines are those of full batches.
func fullLines(full []fullResult, where, limit, limitCPU, whose string, g goal) []line {
	var out []line
	for _, f := range full {
		out = append(out,
			of(fmt.Sprintf("full batches of %d%s, acknowledged", f.size, where), f.ratio, g, limit,
				"%.0f records/s of %.0f/s; %.0f in a transaction", f.rate.median(), f.bareRate.median(), f.group.median()),
			of("   CPU of "+whose+" a press", f.burden, goal{}, limitCPU, "%.1f µs of %.1f µs", f.cpu.median(), f.bareCPU.median()))
	}
	return out
}

// machineLines are the figures whose limit is a number and not a measurement.
func (r *results) machineLines() []line {
	const million = 1e6
	var rates samples
	for _, rate := range r.backlog.rate {
		rates = append(rates, rate/backlogGoal)
	}
	rate := r.backlog.rate.median()
	i := r.idle
	return []line{
		of("backlog of one kiosk, full batches", rates, goal{atLeast: 1}, fmt.Sprintf("%d records/s", backlogGoal),
			"%.0f records/s; a million in %.0f s", rate, million/rate),
		once(fmt.Sprintf("hub idle with %d kiosks connected, CPU", i.kiosks), i.share, goal{atMost: 0.01}, "a core",
			"%.2f %% of a core in %v", 100*i.share, i.window),
		once("   memory that is resident", i.memory/80e6, goal{atMost: 1}, "80 MB",
			"%.0f MB; %.0f MB after all of the above", i.memory/1e6, i.worked/1e6),
	}
}

func (r postgresResult) lines() []line {
	const where = " into PostgreSQL"
	if r.missing != "" {
		return []line{{figure: "everything" + where, missing: r.missing}}
	}
	commit := r.commits.median()
	return append(fullLines(r.full, where, "bare COPY and merge of the same rows", "bare COPY's CPU, with the server's", "hub and server", goal{atLeast: 0.5}),
		of("single presses"+where+", acknowledged", r.singles.ratio, goal{}, "bare commits of one row each",
			"%.0f presses/s of %.0f commits/s; %.1f in a transaction", r.singles.rate.median(), 1e6/commit, r.singles.group.median()),
		of("   CPU of hub and server a press", r.singles.burden, goal{}, "bare commit's CPU, with the server's", "%.1f µs of %.1f µs", r.singles.cpu.median(), r.effort.median()))
}

func (r peerResult) lines() []line {
	if r.missing != "" {
		return []line{{figure: peerFigure, missing: r.missing}}
	}
	var out []line
	for _, d := range r.duels {
		g := goal{atLeast: 5}
		if d.size >= 200 {
			g = goal{atLeast: 3}
		}
		than := "Mosquitto + Node.js + PostgreSQL, the same work"
		if d.mode == "rows" { // which is not the same work
			g, than = goal{}, "Mosquitto + Node.js + PostgreSQL, raw rows only"
		}
		for _, h := range []struct {
			hub       string
			rate, cpu samples
			load      loadResult
		}{{"hub", d.sqliteRate, d.sqliteCPU, d.sqlite}, {"hub on PostgreSQL", d.serverRate, d.serverCPU, d.postgres}} {
			out = append(out,
				of(fmt.Sprintf("%s, %d presses a message", h.hub, d.size), h.rate, g, than,
					"%.0f presses/s of %.0f/s; %.0f and %.0f in a transaction", h.load.rate.median(), d.peer.rate.median(), h.load.group.median(), d.peer.group.median()),
				of("   how many times less CPU a press", h.cpu, g, "all of their processes", "%.1f µs of %.1f µs", h.load.cpu.median(), d.peer.cpu.median()))
		}
	}
	return out
}

// table prints the figures.
func (r *results) table() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "figure\tratio\tlow\thigh\tto reach\treached\tof\tabsolute")
	for _, l := range r.lines() {
		if l.missing != "" {
			fmt.Fprintf(w, "%s\t-\t-\t-\t-\t-\tnot measured: %s\t\n", l.figure, l.missing)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%v\t%s\t%s\t%s\n", l.figure, digits(l.ratio), digits(l.low), digits(l.high), l.goal, l.goal.verdict(l.ratio), l.of, l.absolute)
	}
	_ = w.Flush() // into memory
	return b.String()
}

// digits writes a ratio with as many as it deserves.
func digits(x float64) string {
	if math.Abs(x) < 0.1 {
		return fmt.Sprintf("%.4f", x)
	}
	return fmt.Sprintf("%.2f", x)
}
