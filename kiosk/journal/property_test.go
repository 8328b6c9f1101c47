package journal_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sourire/internal/feedback"
	"sourire/kiosk/journal"
)

// model is what a hub and a list in memory know of one journal.
type model struct {
	t *rapid.T
	o journal.Options
	c *bentClock
	j *journal.Journal
}

// Any sequence of append, ack, prune, restart and fork keeps: no holes, hashes
// that chain, nothing lost that the hub has not acknowledged.
func TestJournal_properties(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		c := newClock()
		m := &model{t: rt, o: options(dir, c), c: c}
		m.j = open(t, m.o)
		defer func() { _ = m.j.Close() }()
		n := int64(0)
		var want []int64
		rt.Repeat(map[string]func(*rapid.T){
			"press": func(rt *rapid.T) {
				for range rapid.IntRange(1, 12).Draw(rt, "presses") {
					n++
					if _, err := m.j.Append(t.Context(), feedback.Press{Rating: 1, Held: n}); err != nil {
						rt.Fatal(err)
					}
					want = append(want, n)
				}
			},
			"plan": func(rt *rapid.T) {
				if _, err := m.j.Append(t.Context(), asked, feedback.Test{On: rapid.Bool().Draw(rt, "on")}); err != nil {
					rt.Fatal(err)
				}
			},
			"ack": func(rt *rapid.T) {
				es := m.j.Epochs()
				e := es[0] // oldest first
				for _, x := range es {
					if x.Acked < x.Next-1 {
						e = x
						break
					}
				}
				through := feedback.Seq(rapid.Int64Range(int64(e.Acked), int64(e.Next-1)).Draw(rt, "through"))
				for _, body := range held(t, m.j, e.ID, e.Acked+1)[:through-e.Acked] {
					if p, ok := decode(t, body).Fact.(feedback.Press); ok {
						if want[0] != p.Held {
							rt.Fatalf("got press %d, want %d first", p.Held, want[0])
						}
						want = want[1:]
					}
				}
				if err := m.j.Ack(e.ID, through); err != nil {
					rt.Fatal(err)
				}
			},
			"time": func(rt *rapid.T) {
				c.pass(time.Duration(rapid.IntRange(1, 40*24).Draw(rt, "hours")) * time.Hour)
				if err := m.j.Renew(t.Context()); err != nil {
					rt.Fatal(err)
				}
			},
			"restart": func(rt *rapid.T) {
				if err := m.j.Close(); err != nil {
					rt.Fatal(err)
				}
				m.j = open(t, m.o)
			},
			"fork": func(rt *rapid.T) {
				// At the mark: what is above it is unknown to the hub.
				e := m.j.Head()
				if _, err := m.j.Fork(t.Context(), e.ID, e.Acked, "test"); err != nil {
					rt.Fatal(err)
				}
			},
			"": func(rt *rapid.T) {
				var got []int64
				for _, e := range m.j.Epochs() {
					all := held(t, m.j, e.ID, e.Oldest)
					if len(all) != int(e.Next-e.Oldest) || e.Acked < e.Oldest-1 || e.Acked >= e.Next {
						rt.Fatalf("got %d records in %+v", len(all), e)
					}
					for i, body := range all {
						p, ok := decode(t, body).Fact.(feedback.Press)
						if ok && e.Oldest+feedback.Seq(i) > e.Acked {
							got = append(got, p.Held)
						}
					}
				}
				if !slices.Equal(got, want) {
					rt.Fatalf("got presses %v not acknowledged, want %v", got, want)
				}
			},
		})
	})
}
