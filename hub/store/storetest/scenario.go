package storetest

import (
	"fmt"

	"pgregory.net/rapid"

	"sourire/internal/feedback"
)

// scenario is what happened at some kiosks and how it reached the hub. It holds
// no names: each play gives it kiosks and a site of its own, so that many plays
// share a database.
type scenario struct {
	Epochs []chapter
	Steps  []step
	// Old is what the hub is until its upgrade: one that cannot read every
	// Old-th record or so; 0: it is new from the first.
	Old int
}

// chapter is one epoch of one kiosk.
type chapter struct {
	Kiosk int
	First bool // the kiosk's first epoch; others follow the chapter before
	Lines []line
}

// line is a record: a fact with its stamp, or bytes.
type line struct {
	Boot  feedback.Boot
	Since int64
	Fact  feedback.Fact
	Raw   string
}

// step is one call of the ingester, and what befalls the hub after it.
type step struct {
	Moves []move
	Then  int // 0: nothing
	Zone  int // in which the site is from then on, if that is what befalls
}

// What befalls the hub.
const (
	cacheLost = 1 + iota
	reopened  // the store is closed and opened
	upgraded  // the program is; it reads the journals again
	rezoned   // the site moves to another zone
	packed    // everything that can be is, in small stretches
	rebuilt   // everything is derived anew, while what comes next is taken in
)

// move is one batch: of which epoch, of which kind, and two numbers from which
// its first record and its length are made.
type move struct {
	Epoch, Kind, From, Len int
}

// The kinds of moves.
const (
	moveNext = iota
	moveRepeat
	moveOverlap
	moveHole
	moveQuestion
)

// scenarios draws 1 to 400 records in 1 to 4 epochs, and some steps. What the
// steps leave out is sent in the end.
func scenarios() *rapid.Generator[scenario] {
	return rapid.Custom(func(t *rapid.T) scenario {
		var s scenario
		left := 400
		for kiosk, n := 0, rapid.IntRange(1, 4).Draw(t, "epochs"); len(s.Epochs) < n; {
			first := len(s.Epochs) == 0 || rapid.Bool().Draw(t, "another kiosk")
			if first {
				kiosk++
			}
			c := chapter{Kiosk: kiosk, First: first}
			w := &writer{t: t, boot: 1}
			for range rapid.IntRange(0, min(left-4, 150)).Draw(t, "records") {
				w.line()
			}
			c.Lines = w.lines
			left -= len(c.Lines)
			s.Epochs = append(s.Epochs, c)
		}
		s.Old = rapid.SampledFrom([]int{0, 0, 2, 5, 20}).Draw(t, "old")
		for range rapid.IntRange(0, 16).Draw(t, "steps") {
			st := step{Then: rapid.SampledFrom([]int{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, cacheLost, cacheLost, cacheLost, cacheLost, reopened, upgraded, rezoned, packed, packed, rebuilt}).Draw(t, "then"), Zone: rapid.IntRange(0, len(zones())-1).Draw(t, "zone")}
			for range rapid.IntRange(1, 4).Draw(t, "moves") {
				st.Moves = append(st.Moves, move{
					Epoch: rapid.IntRange(0, len(s.Epochs)-1).Draw(t, "epoch"),
					Kind:  rapid.SampledFrom([]int{moveNext, moveNext, moveNext, moveRepeat, moveOverlap, moveHole, moveQuestion}).Draw(t, "kind"),
					From:  rapid.IntRange(0, 400).Draw(t, "from"), Len: rapid.IntRange(1, 40).Draw(t, "length"),
				})
			}
			s.Steps = append(s.Steps, st)
		}
		return s
	})
}

// zones are those between which sites move.
func zones() []string {
	return []string{"UTC", "Europe/Paris", "Asia/Kathmandu", "America/Sao_Paulo", "Pacific/Chatham"}
}

// writer draws the lines of an epoch, after its first record and a plan.
type writer struct {
	t     *rapid.T
	boot  feedback.Boot
	since int64
	flow  int64
	lines []line
}

func (w *writer) fact(f feedback.Fact) {
	w.lines = append(w.lines, line{Boot: w.boot, Since: w.since, Fact: f})
}

func (w *writer) line() {
	w.since += rapid.OneOf(
		rapid.Int64Range(0, 900), rapid.Int64Range(0, 900), rapid.Int64Range(1990, 2010), rapid.Int64Range(0, 60*minute),
	).Draw(w.t, "gap")
	of := feedback.Seq(rapid.IntRange(1, len(w.lines)+3).Draw(w.t, "of"))
	on := rapid.Bool().Draw(w.t, "on")
	switch rapid.IntRange(0, 29).Draw(w.t, "kind") {
	default:
		w.fact(feedback.Press{Rating: rapid.IntRange(0, 2).Draw(w.t, "rating"), Held: 80})
	case 14, 15:
		w.flow++
		w.fact(feedback.Press{Rating: rapid.IntRange(0, 2).Draw(w.t, "rating"), Flow: w.flow})
	case 16:
		scale := rapid.SampledFrom([]feedback.ScaleID{"smiley3", "smiley5", "nps"}).Draw(w.t, "scale")
		w.fact(feedback.PlanApplied{Plan: feedback.NewPlanID([]byte(scale)), Asked: feedback.Asked{Touchpoint: "till", Survey: "visit", Scale: scale}})
	case 17:
		w.fact(feedback.Test{On: on})
	case 18:
		w.fact(feedback.Cleaning{On: on})
	case 19:
		w.fact(feedback.BootBegan{Version: "v1"})
	case 20, 21:
		w.boot++
		w.since = rapid.Int64Range(0, 5000).Draw(w.t, "since")
		w.fact(feedback.BootBegan{Version: "v1", Down: -1})
	case 22:
		w.fact(feedback.Stuck{Press: of})
	case 23:
		w.fact(feedback.Gesture{Press: of})
	case 24, 25, 26:
		w.fact(feedback.ClockFix{
			Boot:        max(1, w.boot-feedback.Boot(rapid.IntRange(0, 1).Draw(w.t, "back"))),
			Offset:      bootedAt + int64(w.boot)*24*60*minute + rapid.Int64Range(0, 60*minute).Draw(w.t, "offset"),
			Uncertainty: rapid.SampledFrom([]int64{0, 10, 400, 3_000, 60 * minute, 13 * 60 * minute}).Draw(w.t, "uncertainty"),
		})
	case 27:
		w.raw(rapid.SampledFrom([]string{`null`, `["press"]`, `["press",1,0,"x",80]`, `{"a":[1, 2]}`, `["fix",0]`}).Draw(w.t, "bad"))
	case 28:
		w.raw(fmt.Sprintf(`[ "from-later", %d,%d , {}]`, w.boot, w.since))
	case 29:
		w.fact(feedback.Press{Rating: 11, Held: 80}) // on no scale
	}
}

func (w *writer) raw(body string) { w.lines = append(w.lines, line{Raw: body}) }

// devices makes the journals of a scenario, with names that no other play has.
func (s scenario) devices(play int) []*device {
	var out []*device
	site := feedback.SiteID(fmt.Sprintf("s%d", play))
	for i, c := range s.Epochs {
		id := feedback.KioskID(fmt.Sprintf("p%d-k%d", play, c.Kiosk))
		began := feedback.EpochBegan{Why: "new"}
		if !c.First {
			p := out[i-1]
			began = feedback.EpochBegan{Parent: p.epoch, ParentLast: p.last(), ParentHash: p.hashes[p.last()], Why: "next"}
		}
		d := newDevice(id, feedback.Epoch(i+1), began)
		// newDevice's plan and clock fix would spoil the play: begin anew.
		d.records, d.hashes = d.records[:1], d.hashes[:2]
		d.add(feedback.PlanApplied{Plan: feedback.NewPlanID(nil), Asked: askedAt(site)})
		for _, l := range c.Lines {
			if l.Raw != "" {
				d.raw([]byte(l.Raw))
				continue
			}
			if p, ok := l.Fact.(feedback.PlanApplied); ok {
				p.Asked.Site = site
				l.Fact = p
			}
			d.boot, d.since = l.Boot, l.Since
			d.add(l.Fact)
		}
		out = append(out, d)
	}
	return out
}
