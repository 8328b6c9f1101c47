package journal_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/wire"
	"sourire/kiosk/clock"
	"sourire/kiosk/journal"
)

// bentClock shows what a test wants.
type bentClock struct {
	mu sync.Mutex
	r  clock.Reading
}

func newClock() *bentClock {
	return &bentClock{r: clock.Reading{
		BootID: "boot-a", Since: time.Minute, Wall: time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC), Trusted: true,
	}}
}

func (c *bentClock) Now() clock.Reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.r
}

// pass lets time pass for all clocks.
func (c *bentClock) pass(d time.Duration) {
	c.bend(func(r *clock.Reading) { r.Since += d; r.Wall = r.Wall.Add(d) })
}

func (c *bentClock) bend(f func(*clock.Reading)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.r)
}

func options(dir string, c journal.Clock) journal.Options {
	return journal.Options{Path: filepath.Join(dir, "journal.db"), Kiosk: "k1", Version: "v1", Clock: c}
}

func open(t testing.TB, o journal.Options) *journal.Journal {
	t.Helper()
	j, err := journal.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func closeIt(t testing.TB, j *journal.Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func press(t testing.TB, j *journal.Journal, rating int) journal.Entry {
	t.Helper()
	e, err := j.Append(context.Background(), feedback.Press{Rating: rating, Held: 80})
	if err != nil {
		t.Fatal(err)
	}
	return e[0]
}

var asked = feedback.PlanApplied{
	Plan:  feedback.NewPlanID([]byte("plan")),
	Asked: feedback.Asked{Site: "s", Touchpoint: "t", Survey: "q", Scale: "smiley3"},
}

// held reads every record of an epoch from a number on, batch by batch, and
// checks that numbers and hashes follow each other.
func held(t testing.TB, j *journal.Journal, id feedback.Epoch, from feedback.Seq) []string {
	t.Helper()
	var all []string
	var h feedback.Hash
	for {
		b, err := j.Batch(context.Background(), id, from, journal.Limit{Records: 64, Bytes: 3000})
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Records) == 0 {
			return all
		}
		if len(all) > 0 && (b.First != from || b.Before != h) && b.Oldest != b.First {
			t.Fatalf("got %d after %v, want %d after %v", b.First, b.Before, from, h)
		}
		h = b.Before
		for _, r := range b.Records {
			all = append(all, string(r))
			h = h.Next(r)
		}
		from = b.Last() + 1
		if got, err := j.HashAt(context.Background(), id, b.Last()); err != nil || got != h {
			t.Fatalf("got hash %v at %d, %v, want %v", got, b.Last(), err, h)
		}
	}
}

// kinds returns the kind of each record.
func kinds(records []string) []string {
	var all []string
	for _, r := range records {
		var el []json.RawMessage
		if json.Unmarshal([]byte(r), &el) == nil {
			all = append(all, strings.Trim(string(el[0]), `"`))
		}
	}
	return all
}

func TestOpen(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	j := open(t, options(dir, c))
	e := press(t, j, 2)
	if e.Seq != 5 || string(e.Body) != `["press",1,60000,2,80]` {
		t.Errorf("got record %d %s", e.Seq, e.Body)
	}
	want := []string{"epoch", "boot", "wall", "fix", "press"}
	if got := kinds(held(t, j, e.Epoch, 1)); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	closeIt(t, j)

	c.pass(10 * time.Second)
	j = open(t, options(dir, c))
	got := held(t, j, e.Epoch, 6)
	if want := []string{`["boot",1,70000,"v1",10000]`, `["wall",1,70000,1777881610000,1]`}; !slices.Equal(got, want) {
		t.Errorf("got %v after another start, want %v", got, want)
	}
	o := options(dir, c)
	o.Kiosk = "k2"
	closeIt(t, j)
	if _, err := journal.Open(t.Context(), o); !errors.Is(err, journal.ErrOtherKiosk) || !strings.Contains(err.Error(), "k1") {
		t.Errorf("got %v, want ErrOtherKiosk", err)
	}
}

// Callers that meet share commits; each gets its own records, in its own order.
func TestJournal_Append_together(t *testing.T) {
	j := open(t, options(t.TempDir(), newClock()))
	defer closeIt(t, j)
	const callers, each = 20, 20
	var wg sync.WaitGroup
	seen := make(chan journal.Entry, callers*each*2)
	for i := range callers {
		wg.Go(func() {
			for n := range each {
				es, err := j.Append(context.Background(), feedback.Press{Rating: i % 3, Held: int64(n)}, feedback.Reason{Press: 1, Code: fmt.Sprint(i)})
				if err != nil || len(es) != 2 || es[1].Seq != es[0].Seq+1 {
					t.Errorf("got %v, %v, want two records that follow each other", es, err)
					return
				}
				seen <- es[0]
				seen <- es[1]
			}
		})
	}
	wg.Wait()
	close(seen)
	all := held(t, j, j.Head().ID, 1)
	for e := range seen {
		if all[e.Seq-1] != string(e.Body) {
			t.Errorf("got %s under %d, want %s", all[e.Seq-1], e.Seq, e.Body)
		}
	}
	if got := len(all); got != 4+2*callers*each {
		t.Errorf("got %d records, want %d", got, 4+2*callers*each)
	}
	s, err := j.Stats(t.Context())
	if err != nil || s.Presses != callers*each || s.QueuedPresses != callers*each {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestJournal_Append_remark(t *testing.T) {
	j := open(t, options(t.TempDir(), newClock()))
	defer closeIt(t, j)
	p := press(t, j, 0)
	text := strings.Repeat("ü\n", wire.MaxComment/2)
	if _, err := j.Append(t.Context(), journal.Remark{Press: p.Seq, Text: text}); err != nil {
		t.Fatal(err)
	}
	b, err := j.Batch(t.Context(), p.Epoch, p.Seq+1, journal.Limit{Records: 10, Bytes: 1})
	if err != nil || len(b.Texts) != 1 {
		t.Fatalf("got %d texts, %v, want one", len(b.Texts), err)
	}
	r, err := wire.DecodeRecord(b.Records[0])
	if err != nil {
		t.Fatal(err)
	}
	if f := r.Fact.(feedback.Comment); f.Digest != b.Texts[0].Digest() || b.Texts[0].Text != text || f.Press != p.Seq {
		t.Errorf("got %+v, %.20q, want the digest of the text", f, b.Texts[0].Text)
	}
	if _, err := wire.EncodeBatch(b); err != nil {
		t.Error(err)
	}
	if _, err := j.Append(t.Context(), journal.Remark{Press: 1, Text: text + "x"}); err == nil {
		t.Error("got no error for a comment that is too long")
	}
}

func TestJournal_marks(t *testing.T) {
	dir := t.TempDir()
	j := open(t, options(dir, newClock()))
	for range 10 {
		press(t, j, 1)
	}
	e := j.Head()
	for _, step := range []struct {
		do      func() error
		want    feedback.Seq
		refused bool
	}{
		{do: func() error { return j.Ack(e.ID, 7) }, want: 7},
		{do: func() error { return j.Ack(e.ID, 3) }, want: 7},
		{do: func() error { return j.Rewind(e.ID, 9) }, want: 7},
		{do: func() error { return j.Rewind(e.ID, 4) }, want: 4},
		{do: func() error { return j.Ack(e.ID, e.Next) }, want: 4, refused: true},
		{do: func() error { return j.Ack(e.ID+1, 1) }, want: 4, refused: true},
		{do: func() error { return j.Ack(e.ID, 6) }, want: 6},
	} {
		if err := step.do(); (err != nil) != step.refused {
			t.Errorf("got %v, want refused %v", err, step.refused)
		}
		if got := j.Head().Acked; got != step.want {
			t.Errorf("got mark %d, want %d", got, step.want)
		}
	}
	closeIt(t, j)
	j = open(t, options(dir, newClock()))
	defer closeIt(t, j)
	if got := j.Head().Acked; got != 6 {
		t.Errorf("got mark %d after a restart, want 6", got)
	}
	s, err := j.Stats(t.Context())
	if err != nil || s.QueuedPresses != 8 || s.Presses != 10 {
		t.Errorf("got %+v, %v, want 8 of 10 presses queued", s, err)
	}
}

// What is too old goes, but never what the hub does not have; the hash before
// the oldest is still known.
func TestJournal_Renew_prunes(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	j := open(t, options(dir, c))
	for range 20 {
		press(t, j, 1)
	}
	e := j.Head()
	hash, err := j.HashAt(t.Context(), e.ID, 10)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Ack(e.ID, 10); err != nil {
		t.Fatal(err)
	}
	c.pass(31 * 24 * time.Hour)
	if err := j.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	e = j.Head()
	if e.Oldest != 11 || e.Next != 25 {
		t.Errorf("got %+v, want oldest 11, next 25", e)
	}
	if got, err := j.HashAt(t.Context(), e.ID, 10); err != nil || got != hash {
		t.Errorf("got %v, %v, want %v", got, err, hash)
	}
	if _, err := j.HashAt(t.Context(), e.ID, 9); !errors.Is(err, journal.ErrNotHeld) {
		t.Errorf("got %v, want ErrNotHeld", err)
	}
	// What held is still told, record by record, in its old place.
	b, err := j.Batch(t.Context(), e.ID, 2, journal.Limit{Records: 3, Bytes: 1000})
	if err != nil || b.First != 2 || b.Oldest != 2 || !slices.Equal(kinds([]string{string(b.Records[0])}), []string{"boot"}) || len(b.Records) != 1 {
		t.Errorf("got %+v, %v, want the record of the boot alone", b, err)
	}
	b, err = j.Batch(t.Context(), e.ID, 5, journal.Limit{Records: 3, Bytes: 1000})
	if err != nil || b.First != 11 || b.Oldest != 11 || b.Before != hash || len(b.Records) != 3 {
		t.Errorf("got %+v, %v, want 3 records from 11", b, err)
	}
	if err := j.Ack(e.ID, 24); err != nil {
		t.Fatal(err)
	}
	if err := j.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e = j.Head(); e.Oldest != 25 || e.Next != 25 {
		t.Errorf("got %+v, want nothing held, next 25", e)
	}
	closeIt(t, j)
	j = open(t, options(dir, c))
	defer closeIt(t, j)
	if got := press(t, j, 0).Seq; got != 27 {
		t.Errorf("got %d, want the numbers to go on at 27 (after boot and wall)", got)
	}
	if got, ok, err := j.Plan(t.Context()); ok || err != nil {
		t.Errorf("got %v, %v, want no plan", got, err)
	}
}

func TestJournal_NextSession(t *testing.T) {
	c := newClock()
	c.bend(func(r *clock.Reading) { r.Trusted, r.Wall = false, time.Unix(0, 0) })
	dir := t.TempDir()
	last := int64(0)
	for range 3 {
		j := open(t, options(dir, c))
		for range 3 {
			n, err := j.NextSession(t.Context())
			if err != nil || n <= last {
				t.Errorf("got %d after %d, %v", n, last, err)
			}
			last = n
		}
		closeIt(t, j)
		c.bend(func(r *clock.Reading) { r.Trusted, r.Wall = true, time.Unix(1_800_000_000, 0) })
	}
	if last < 1_800_000_000 {
		t.Errorf("got %d, want it above the seconds of a trusted clock", last)
	}
}
