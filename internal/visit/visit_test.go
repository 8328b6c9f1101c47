package visit_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// journal is a made-up journal: its records have the numbers 1, 2, 3 …
type journal struct {
	records []feedback.Record
	presses []feedback.Seq // the numbers of its presses
	boot    feedback.Boot
}

func asked(place string, scale feedback.ScaleID) feedback.Asked {
	return feedback.Asked{Site: "lyon", Touchpoint: feedback.TouchpointID(place), Survey: "visit", Scale: scale}
}

func (j *journal) add(since int64, f feedback.Fact) {
	if _, ok := f.(feedback.Press); ok {
		j.presses = append(j.presses, feedback.Seq(len(j.records)+1))
	}
	j.records = append(j.records, feedback.Record{Stamp: feedback.Stamp{Boot: j.boot, Since: since}, Fact: f})
}

// read makes a journal of words, "<milliseconds>:<what>". What is a rating, a
// rating and the turn of a touchscreen ("2/17"), or
//
//	plan          another touchpoint is asked
//	nps           another scale
//	test+ test-   commissioning
//	clean+ clean- cleaning
//	start         the program starts again
//	kernel        the machine starts again: the next boot
//	stuck@2       the second press was a stuck button
//	gesture@2     the second press was a technician's gesture
//	fix=9000±50   the offset of this boot; fix1=… of boot 1
//	note          a record that says nothing about visits
func read(t *testing.T, words string) *journal {
	t.Helper()
	j := &journal{boot: 1}
	j.add(0, feedback.PlanApplied{Asked: asked("exit", "smiley3")})
	for word := range strings.FieldsSeq(words) {
		at, what, _ := strings.Cut(word, ":")
		since, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if what == "kernel" {
			j.boot++
		}
		j.add(since, j.fact(t, what))
	}
	return j
}

func (j *journal) fact(t *testing.T, what string) feedback.Fact {
	t.Helper()
	facts := map[string]feedback.Fact{
		"plan":   feedback.PlanApplied{Asked: asked("till", "smiley3")},
		"nps":    feedback.PlanApplied{Asked: asked("exit", "nps")},
		"test+":  feedback.Test{On: true},
		"test-":  feedback.Test{},
		"clean+": feedback.Cleaning{On: true},
		"clean-": feedback.Cleaning{},
		"start":  feedback.BootBegan{Version: "v1"},
		"kernel": feedback.Wall{},
		"note":   feedback.Wall{UnixMilli: 1, Trusted: true},
	}
	if f, ok := facts[what]; ok {
		return f
	}
	number := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			t.Fatalf("%q: %v", what, err)
		}
		return n
	}
	if name, nth, ok := strings.Cut(what, "@"); ok {
		press := j.presses[number(nth)-1]
		if name == "stuck" {
			return feedback.Stuck{Press: press}
		}
		return feedback.Gesture{Press: press}
	}
	if name, values, ok := strings.Cut(what, "="); ok {
		offset, within, _ := strings.Cut(values, "±")
		f := feedback.ClockFix{Boot: j.boot, Offset: number(offset), Uncertainty: number(within)}
		if name != "fix" {
			f.Boot = feedback.Boot(number(strings.TrimPrefix(name, "fix")))
		}
		return f
	}
	rating, flow, touch := strings.Cut(what, "/")
	p := feedback.Press{Rating: int(number(rating)), Held: 80}
	if touch {
		p.Flow = number(flow)
	}
	return p
}

// fold runs a journal through a state in one piece.
func fold(t *testing.T, j *journal) []visit.Visit {
	t.Helper()
	var s visit.State
	var e visit.Effects
	for i, r := range j.records {
		if err := s.Step(feedback.Seq(i+1), r, &e); err != nil {
			t.Fatalf("record %d: %v", i+1, err)
		}
	}
	var out []visit.Visit
	for _, c := range e.Changes() {
		if c.Before != nil {
			t.Errorf("visit %d was there before the first record", c.After.Seq)
		}
		out = append(out, *c.After)
	}
	return out
}

// say writes visits as rating×presses and what is special about them.
func say(visits []visit.Visit) string {
	words := make([]string, len(visits))
	for i, v := range visits {
		words[i] = fmt.Sprintf("%d×%d", v.Rating, v.Presses)
		if v.Mixed {
			words[i] += " mixed"
		}
		if v.Insistent {
			words[i] += " insistent"
		}
		if v.Aside != visit.Counted {
			words[i] += " " + v.Aside.String()
		}
	}
	return strings.Join(words, ", ")
}

// Rule 1, clause by clause. The clock is known, so that nothing is undated.
func TestState_Step_rule(t *testing.T) {
	calm := "0:2 1000:1 2000:0 3000:2 4000:1 " // median spacing exactly 1 s
	// Slow, then quick: the stretch is one of play only with its quick end.
	tenSeconds := "2000:1 4000:0 6000:2 8000:1 8400:0 8800:2 9200:1 9600:2 "
	tests := []struct{ name, journal, want string }{
		{"one press", "100:2", "2×1"},
		{"a second press 1999 ms after the first", "100:2 2099:1", "2×2 mixed"},
		{"a second press 2000 ms after the first", "100:2 2100:1", "2×2 mixed"},
		{"a second press 2001 ms after the first", "100:2 2101:1", "2×1, 1×1"},
		{"two presses at one instant", "100:2 100:2", "2×2"},
		{"the window is not renewed by a press of another face", "0:2 1500:1 3000:1", "2×2 mixed, 1×1"},
		{"the window of the second visit is its own", "0:2 2001:1 4001:0 4002:0", "2×1, 1×2 mixed, 0×1"},
		{"the rating is the first face", "0:0 500:2 900:2", "0×3 mixed"},
		{"three presses on one face within the window", "0:0 500:0 900:0", "0×3 insistent"},
		{"two presses on one face", "0:0 500:0", "0×2"},
		{"a chain on one face goes on beyond the window", "0:0 2000:0 4000:0 6000:0", "0×4 insistent"},
		{"a chain breaks after 2001 ms", "0:0 2000:0 4001:0", "0×2, 0×1"},
		{"a chain breaks after 2001 ms and begins anew", "0:0 1000:0 3001:0 5001:0 7001:0", "0×2, 0×3 insistent"},
		{"another face ends a chain", "0:0 1500:0 3000:0 4000:1 4500:1", "0×3 insistent, 1×2"},
		{"another face within the window makes it mixed and ends the chain", "0:0 1000:0 1500:1 2500:0 3000:0", "0×3 mixed, 0×2"},
		{"a long chain", chain(0, 1900, 100, 0), "0×100 insistent"},
		{"a long chain and another face at its end", chain(0, 1900, 100, 0) + "188101:2 188102:2", "0×100 insistent, 2×2"},
		{"time that goes backwards", "5000:2 4000:2", "2×1, 2×1"},

		{"touchscreen: one turn, the last face", "0:0/1 1500:1/1 3900:2/1", "2×3 mixed"},
		{"touchscreen: a turn is not insistent", "0:0/1 500:0/1 900:0/1", "0×3"},
		{"touchscreen: another turn at once", "0:0/1 10:1/2", "0×1, 1×1"},
		{"touchscreen: a change of mind and back", "0:0/7 500:1/7 900:0/7", "0×3 mixed"},
		{"a button and a turn", "0:0 10:0/1 20:0", "0×1, 0×1, 0×1"},

		{"another place is asked", "0:2 100:plan 200:2", "2×1, 2×1"},
		{"the same place is asked again", "0:plan 5:2 100:plan 200:2", "2×1, 2×1"},
		{"another scale", "0:2 100:nps 200:10", "2×1, 10×1"},
		{"the program starts", "0:2 100:start 200:2", "2×1, 2×1"},
		{"the machine starts", "100:2 100:kernel 100:fix=9000±1 200:2", "2×1, 2×1"},
		{"a test begins", "0:2 100:test+ 200:2", "2×1, 2×1 test"},
		{"a test ends", "0:test+ 100:2 200:test- 300:2", "2×1 test, 2×1"},
		{"cleaning begins", "0:2 100:clean+ 200:2", "2×1, 2×1 cleaning"},
		{"cleaning ends", "0:clean+ 100:2 200:clean- 300:2", "2×1 cleaning, 2×1"},
		{"a start ends test and cleaning", "0:test+ 0:clean+ 100:start 200:2", "2×1"},
		{"a barrier holds once", "0:2 100:plan 200:2 300:2", "2×1, 2×2"},
		{"a barrier within a turn", "0:2/1 100:start 200:1/1", "2×1, 1×1"},
		{"a record that says nothing is no barrier", "0:2 100:note 200:2", "2×2"},

		{"stuck", "0:0 10050:stuck@1", "0×1 stuck"},
		{"stuck, the second press of a visit", "0:0 500:0 10050:stuck@2", "0×2 stuck"},
		{"stuck, then the next visitor", "0:0 10050:stuck@1 10100:2", "0×1 stuck, 2×1"},
		{"stuck is told after the next visitor", "0:0 9000:2 10050:stuck@1", "0×1 stuck, 2×1"},
		{"stuck is told too late", "0:0 25001:2 25002:stuck@1", "0×1, 2×1"},
		{"stuck is told just in time", "0:0 25000:2 25001:stuck@1", "0×1 stuck, 2×1"},
		{"a technician's gesture", "0:0 500:2 3000:gesture@2", "0×2 mixed technician"},
		{"two gestures", "0:0 100:gesture@1 200:gesture@1", "0×1 technician"},

		{"test comes before a gesture", "0:test+ 1:0 2:gesture@1", "0×1 test"},
		{"test comes before cleaning", "0:clean+ 0:test+ 1:0", "0×1 test"},
		{"test comes before stuck", "0:test+ 1:0 10050:stuck@1", "0×1 test"},
		{"a gesture comes before cleaning", "0:clean+ 1:0 2:gesture@1", "0×1 technician"},
		{"a gesture comes before stuck", "0:0 10050:stuck@1 10051:gesture@1", "0×1 technician"},
		{"stuck comes after a gesture", "0:0 1:gesture@1 10050:stuck@1", "0×1 technician"},
		{"cleaning comes before stuck", "0:clean+ 1:0 10050:stuck@1", "0×1 cleaning"},
		{"stuck comes before play", "0:2 300:1 600:0 900:2 1200:1 1500:0 10050:stuck@2", "2×6 mixed stuck"},
		{"test comes before play", "0:test+ 0:2 300:1 600:0 900:2 1200:1 1500:0", "2×6 mixed test"},
		{"cleaning comes before play", "0:clean+ 0:2 300:1 600:0 900:2 1200:1 1500:0", "2×6 mixed cleaning"},

		{"six presses on two faces in one visit", "0:2 300:1 600:1 900:1 1200:1 1500:1", "2×6 mixed play"},
		{"five presses on two faces", "0:2 300:1 600:1 900:1 1200:1", "2×5 mixed"},
		{"six presses on one face", "0:1 300:1 600:1 900:1 1200:1 1500:1", "1×6 insistent"},
		{"play across the borders of visits", "0:2 900:1 1800:0 2700:2 3600:1 4500:0", "2×3 mixed play, 2×3 mixed play"},
		{"a median spacing of 999 ms", "0:2 999:1 1998:0 2997:2 3996:1 4995:0", "2×3 mixed play, 2×3 mixed play"},
		{"a median spacing of 1000 ms", calm + "5000:0", "2×3 mixed, 2×3 mixed"},
		{"an even number of spacings, 1000 ms at the middle", calm + "5000:0 5900:1", "2×3 mixed, 2×3 mixed, 1×1"},
		{"six presses within 10 s", "0:2 2000:1 4000:0 6000:2 6100:1 6200:0", "2×2 mixed, 0×2 mixed, 1×2 mixed"},
		{"play reaches back 10 s", "0:2 1:plan " + tenSeconds + "10000:0", "2×1 play, 1×2 mixed play, 2×2 mixed play, 0×5 mixed play"},
		{"play does not reach back 10.001 s", "0:2 1:plan " + tenSeconds + "10001:0", "2×1, 1×2 mixed play, 2×2 mixed play, 0×5 mixed play"},
		{"a calm visitor two seconds before", "0:2 2001:1 2301:0 2601:1 2901:0 3201:1 3501:0", "2×1, 1×6 mixed play"},
		{"a visitor 2 s after play is of it", "0:2 300:1 600:0 900:2 1200:1 1500:0 3000:2", "2×6 mixed play, 2×1 play"},
		{"a calm visitor after play", "0:2 300:1 600:0 900:2 1200:1 1500:0 3501:2", "2×6 mixed play, 2×1"},
		{"play over a visit set aside already", "0:2 10:gesture@1 300:1 600:0 900:2 1200:1 1500:0", "2×6 mixed technician"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j := read(t, "0:fix=1790000000000±5 "+tt.journal)
			got := fold(t, j)
			if say(got) != tt.want {
				t.Errorf("got  %s\nwant %s", say(got), tt.want)
			}
			total := 0
			for _, v := range got {
				total += v.Presses
			}
			if total != len(j.presses) {
				t.Errorf("got %d presses in visits, want %d", total, len(j.presses))
			}
		})
	}
}

// chain writes n presses of a face, so many milliseconds apart.
func chain(from, apart, n, face int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d:%d ", from+i*apart, face)
	}
	return b.String()
}

// A face that is hammered for an hour, and a device whose clock stands still,
// must not make the state grow: it is written with every batch.
func TestState_Step_bounded(t *testing.T) {
	tests := []struct {
		name    string
		journal func(n int) string
		visits  func(n int) int
	}{
		{"one face for an hour", func(n int) string { return chain(0, 100, n, 0) }, func(int) int { return 1 }},
		{"one face at one instant", func(n int) string { return chain(0, 0, n, 0) }, func(int) int { return 1 }},
		{"turn upon turn at one instant", func(n int) string {
			var b strings.Builder
			for i := range n {
				fmt.Fprintf(&b, "0:%d/%d ", i%3, i+1)
			}
			return b.String()
		}, func(n int) int { return n }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			const short, long = 1_000, 10_000
			size := func(n int) int {
				var s visit.State
				var e visit.Effects
				for i, r := range read(t, tt.journal(n)).records {
					if err := s.Step(feedback.Seq(i+1), r, &e); err != nil {
						t.Fatal(err)
					}
				}
				presses := 0
				for _, c := range e.Changes() {
					presses += c.After.Presses
				}
				if got := len(e.Changes()); got != tt.visits(n) || presses != n {
					t.Fatalf("got %d visits of %d presses, want %d of %d", got, presses, tt.visits(n), n)
				}
				return len(encode(t, &s))
			}
			if a, b := size(short), size(long); b > a+a/4 {
				t.Errorf("got %d bytes of state after %d presses and %d after %d", b, long, a, short)
			}
		})
	}
}

func encode(t interface{ Fatal(args ...any) }, s *visit.State) string {
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A record that cannot stand where it stands changes nothing.
func TestState_Step_refuses(t *testing.T) {
	tests := []struct{ name, before, want string }{
		{"a press before any plan", "", "before any plan"},
		{"a rating above the scale", "0:2", "rating 3 is not on scale smiley3 (0 to 2)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s visit.State
			var e visit.Effects
			n := feedback.Seq(1)
			if tt.before != "" {
				for _, r := range read(t, tt.before).records {
					if err := s.Step(n, r, &e); err != nil {
						t.Fatal(err)
					}
					n++
				}
			}
			state, changes := encode(t, &s), fmt.Sprint(e.Changes())
			err := s.Step(n, feedback.Record{Stamp: feedback.Stamp{Boot: 9, Since: 5}, Fact: feedback.Press{Rating: 3}}, &e)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one that says %q", err, tt.want)
			}
			if got := encode(t, &s); got != state {
				t.Errorf("got state %s, want it as it was: %s", got, state)
			}
			if got := fmt.Sprint(e.Changes()); got != changes {
				t.Errorf("got changes %s, want them as they were: %s", got, changes)
			}
		})
	}
}

func TestAside_String(t *testing.T) {
	var seen []string
	for a := range visit.Asides {
		if w := a.String(); w == "" || w == "unknown" || slices.Contains(seen, w) {
			t.Errorf("reason %d is called %q", a, w)
		}
		seen = append(seen, a.String())
	}
	for _, a := range []visit.Aside{-1, visit.Asides} {
		if a.String() != "unknown" {
			t.Errorf("got %q for %d, want unknown", a, a)
		}
	}
}

// Effects fold several changes of a visit into one: from what it was before the
// run to what it is after it.
func TestEffects_Changed(t *testing.T) {
	v := func(seq feedback.Seq, presses int) visit.Visit { return visit.Visit{Seq: seq, Presses: presses} }
	var e visit.Effects
	one, two := v(1, 1), v(1, 2)
	e.Changed(&one, two)
	e.Changed(nil, v(5, 1))
	e.Changed(&two, v(1, 3))
	five := v(5, 1)
	e.Changed(&five, v(5, 2))
	seven := v(7, 1)
	e.Changed(&seven, v(7, 2))
	e.Changed(&seven, v(7, 1)) // back to what it was
	one.Presses = 99           // what was handed over may be used again
	c := e.Changes()
	if len(c) != 2 {
		t.Fatalf("got %d changes, want 2", len(c))
	}
	if c[0].Before == nil || *c[0].Before != v(1, 1) || *c[0].After != v(1, 3) {
		t.Errorf("visit 1: got %+v to %+v, want 1 press to 3", c[0].Before, *c[0].After)
	}
	if c[1].Before != nil || *c[1].After != v(5, 2) {
		t.Errorf("visit 5: got %+v to %+v, want none to 2 presses", c[1].Before, *c[1].After)
	}
}
