package verify

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"sourire/hub/ingest"
	"sourire/internal/feedback"
	"sourire/internal/ledger"
	"sourire/internal/wire"
)

// Comparison is what a store has of what a ledger says.
type Comparison struct {
	Must    int64    // presses that must be here
	Arrived int64    // … and are, each as it was pressed
	Absent  []Absent // … and are not, by kiosk and number
	Differ  []Stored // another rating is stored under the number of one
	Extra   []Stored // the ledger's kiosks never made it
	// Lost presses went with cards of which an earlier image was put back, by
	// the ledger. Of these some had arrived before, and of others the hub
	// knows itself that they are lost.
	Lost, LostArrived, LostDeclared int64
	// Deleted presses were here, and their period is over.
	Deleted int64
}

// Absent is a press that must be here and is not.
type Absent struct {
	ledger.Press
	Why string // "" when nothing explains it
}

// Why a press may be absent.
const (
	absentWaiting     = "not delivered yet"
	absentDeclared    = "declared lost"
	absentQuarantined = "in quarantine"
)

// Stored is a press as it is stored.
type Stored struct {
	ledger.Key
	Rating int
}

// OK reports whether the store has what it must and nothing else.
func (c Comparison) OK() bool { return len(c.Absent)+len(c.Differ)+len(c.Extra) == 0 }

// Sentences say what was found, for people.
func (c Comparison) Sentences() []string {
	var out []string
	if c.OK() {
		out = append(out, fmt.Sprintf("all %d presses are here, none missing, doubled or different", c.Must-c.Deleted))
	} else {
		out = append(out, fmt.Sprintf("%d of %d presses are here", c.Arrived, c.Must))
	}
	for _, why := range []string{"", absentDeclared, absentQuarantined, absentWaiting} {
		var which []string
		for _, a := range c.Absent {
			if a.Why == why {
				which = append(which, named(a.Key, a.Rating)+pressedAt(a.At))
			}
		}
		out = appendExamples(out, cmp.Or(why, "missing"), which)
	}
	if c.Deleted > 0 {
		out = append(out, fmt.Sprintf("%d were here and are deleted, for their period is over", c.Deleted))
	}
	var which []string
	for _, s := range c.Differ {
		which = append(which, named(s.Key, s.Rating))
	}
	out = appendExamples(out, "stored with another rating", which)
	which = nil
	for _, s := range c.Extra {
		which = append(which, named(s.Key, s.Rating))
	}
	out = appendExamples(out, "stored and never pressed, or doubled", which)
	if c.Lost > 0 {
		out = append(out, fmt.Sprintf("%d went with cards of which an earlier image was put back: %d had arrived, %d are declared lost here, of %d the hub never heard",
			c.Lost, c.LostArrived, c.LostDeclared, c.Lost-c.LostArrived-c.LostDeclared))
	}
	return out
}

func named(k ledger.Key, rating int) string {
	return fmt.Sprintf("%s record %d of epoch %v (rating %d)", k.Kiosk, k.Seq, k.Epoch, rating)
}

func pressedAt(milli int64) string {
	if milli == 0 {
		return ""
	}
	return " of " + time.UnixMilli(milli).UTC().Format("2006-01-02 15:04:05 UTC")
}

func appendExamples(out []string, what string, which []string) []string {
	if len(which) == 0 {
		return out
	}
	text := fmt.Sprintf("%d %s: ", len(which), what)
	for i, w := range which[:min(len(which), maxProblems)] {
		if i > 0 {
			text += ", "
		}
		text += w
	}
	if len(which) > maxProblems {
		text += ", …"
	}
	return append(out, text)
}

// comparer goes through a store with a ledger in hand.
type comparer struct {
	Comparison
	book    *ledger.Book
	seen    map[ledger.Key]bool // what is stored under them was judged
	here    map[ledger.Press]bool
	bad     map[ledger.Key]bool
	floors  map[ingest.Key]feedback.Seq
	sources map[ingest.Key]Source
	gaps    map[ingest.Key][]ingest.Gap
}

// Compare holds what a store has of a ledger's kiosks against the ledger. That
// the store agrees with itself is for Run to say.
func Compare(ctx context.Context, store Store, book *ledger.Book) (Comparison, error) {
	c := &comparer{
		book: book, seen: map[ledger.Key]bool{}, here: map[ledger.Press]bool{}, bad: map[ledger.Key]bool{},
		floors:  map[ingest.Key]feedback.Seq{},
		sources: map[ingest.Key]Source{}, gaps: map[ingest.Key][]ingest.Gap{},
	}
	err := store.Snapshot(ctx, func(r Reader) error {
		sources, err := r.Sources(ctx)
		if err != nil {
			return err
		}
		for _, s := range sources {
			if !book.Kiosks[s.Key.Kiosk] {
				continue
			}
			if err := c.read(ctx, r, s); err != nil {
				return fmt.Errorf("kiosk %s epoch %s: %w", s.Key.Kiosk, s.Key.Epoch, err)
			}
		}
		return nil
	})
	if err != nil {
		return Comparison{}, err
	}
	c.conclude()
	return c.Comparison, nil
}

// read reads a journal.
func (c *comparer) read(ctx context.Context, r Reader, s Source) error {
	var err error
	c.sources[s.Key] = s
	if c.gaps[s.Key], err = r.Gaps(ctx, s.Key); err != nil {
		return err
	}
	return r.Rows(ctx, s.Key, func(row ingest.Row) error {
		key := ledger.Key{Kiosk: s.Key.Kiosk, Epoch: s.Key.Epoch, Seq: row.Seq}
		if row.Bad {
			c.bad[key] = true
			return nil
		}
		if row.State != nil {
			c.floors[s.Key] = row.Seq
		}
		if row.Body == nil {
			return nil // an anchor
		}
		rec, err := wire.DecodeRecord(row.Body)
		if err != nil {
			return nil //nolint:nilerr // Run judges records
		}
		if p, ok := rec.Fact.(feedback.Press); ok {
			c.press(Stored{key, p.Rating})
		}
		return nil
	})
}

// press takes a press that is stored.
func (c *comparer) press(s Stored) {
	must := c.must(s.Key)
	is := func(p ledger.Press) bool { return p.Rating == s.Rating }
	i := slices.IndexFunc(must, is)
	switch {
	case c.seen[s.Key]:
		c.Extra = append(c.Extra, s)
	case i >= 0:
		c.Arrived++
		c.here[must[i]] = true
	case slices.ContainsFunc(c.book.Lost[s.Key], is):
		c.LostArrived++ // and the one that must be here is absent, if there is one
	case len(must) > 0:
		c.Differ = append(c.Differ, s)
	case c.book.Reaches(s.Key):
		c.Extra = append(c.Extra, s)
	}
	c.seen[s.Key] = true
}

// must returns what must be here under a key, the oldest first.
func (c *comparer) must(k ledger.Key) []ledger.Press {
	newest, ok := c.book.Must[k]
	if !ok {
		return nil
	}
	return append(slices.Clone(c.book.Beneath[k]), newest)
}

// conclude judges what was not seen.
func (c *comparer) conclude() {
	differ := make(map[ledger.Key]bool, len(c.Differ))
	for _, s := range c.Differ {
		differ[s.Key] = true
	}
	for k := range c.book.Must {
		for _, p := range c.must(k) {
			c.Must++
			if k.Seq <= c.floors[ingest.Key{Kiosk: k.Kiosk, Epoch: k.Epoch}] && !c.declared(k) {
				c.Deleted++
				continue
			}
			if !c.here[p] && !differ[k] {
				c.Absent = append(c.Absent, Absent{p, c.why(k)})
			}
		}
	}
	slices.SortFunc(c.Absent, func(a, b Absent) int {
		return cmp.Or(cmp.Compare(a.Kiosk, b.Kiosk), cmp.Compare(a.At, b.At), cmp.Compare(a.Seq, b.Seq))
	})
	for k, lost := range c.book.Lost {
		c.Lost += int64(len(lost))
		if c.declared(k) {
			c.LostDeclared += int64(len(lost))
		}
	}
}

func (c *comparer) declared(k ledger.Key) bool {
	return slices.ContainsFunc(c.gaps[ingest.Key{Kiosk: k.Kiosk, Epoch: k.Epoch}], func(g ingest.Gap) bool {
		return g.First <= k.Seq && k.Seq <= g.Last
	})
}

func (c *comparer) why(k ledger.Key) string {
	s, known := c.sources[ingest.Key{Kiosk: k.Kiosk, Epoch: k.Epoch}]
	switch {
	case c.bad[k]:
		return absentQuarantined
	case c.declared(k):
		return absentDeclared
	case !known || k.Seq > s.Mark.Through:
		return absentWaiting
	}
	return ""
}
