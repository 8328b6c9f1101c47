package journal_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/wire"
	"sourire/kiosk/clock"
	"sourire/kiosk/journal"
)

func decode(t testing.TB, body string) feedback.Record {
	t.Helper()
	r, err := wire.DecodeRecord([]byte(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return r
}

func appendAll(t testing.TB, j *journal.Journal, facts ...feedback.Fact) feedback.Seq {
	t.Helper()
	var last feedback.Seq
	for _, f := range facts {
		e, err := j.Append(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		last = e[0].Seq
	}
	return last
}

func TestJournal_Fork(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	j := open(t, options(dir, c))
	second := asked
	second.Asked.Touchpoint = "till-2"
	common := appendAll(t, j, asked, feedback.Press{Rating: 1}, feedback.Test{On: true}, feedback.Press{Rating: 0})
	at := appendAll(t, j, feedback.Press{Rating: 2, Held: 33})
	appendAll(t, j, feedback.Stuck{Press: at}, feedback.Gesture{Press: common}, journal.Remark{Press: at, Text: "cold"},
		feedback.Test{}, second, feedback.Press{Rating: 1, Held: 44})
	closeIt(t, j)
	c.bend(func(r *clock.Reading) { r.BootID, r.Since, r.Wall = "boot-b", time.Second, r.Wall.Add(time.Minute) })
	j = open(t, options(dir, c))
	old := j.Head()
	if err := j.Ack(old.ID, common+1); err != nil {
		t.Fatal(err)
	}
	hash, err := j.HashAt(t.Context(), old.ID, common)
	if err != nil {
		t.Fatal(err)
	}
	moving := held(t, j, old.ID, common+1)

	id, err := j.Fork(t.Context(), old.ID, common, "the hub holds others")
	if err != nil {
		t.Fatal(err)
	}
	all := held(t, j, id, 1)
	want := []string{"epoch", "plan", "test", "wall", "fix", "press", "stuck", "comment", "test", "plan", "press", "boot", "wall", "fix"}
	if got := kinds(all); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	began := decode(t, all[0]).Fact.(feedback.EpochBegan)
	if want := (feedback.EpochBegan{Parent: old.ID, ParentLast: common, ParentHash: hash, Why: "the hub holds others", Again: int64(len(moving))}); began != want {
		t.Errorf("got %+v, want %+v", began, want)
	}
	for i, want := range map[int]string{5: moving[0], 8: moving[4], 9: moving[5], 10: moving[6], 11: moving[7]} {
		if all[i] != want {
			t.Errorf("got %s, want the same bytes %s", all[i], want)
		}
	}
	if got := decode(t, all[6]).Fact; got != (feedback.Stuck{Press: 6}) {
		t.Errorf("got %+v, want it to name press 6", got)
	}
	b, err := j.Batch(t.Context(), id, 8, journal.Limit{Records: 1, Bytes: 1})
	if err != nil || len(b.Texts) != 1 || b.Texts[0].Text != "cold" || b.Texts[0].Seq != 8 {
		t.Errorf("got %+v, %v, want the text beside record 8", b, err)
	}
	if got, _, _ := j.Plan(t.Context()); got != second {
		t.Errorf("got %+v in force, want %+v", got, second)
	}
	es := j.Epochs()
	if len(es) != 2 || es[0].Next != common+1 || es[0].Acked != common || es[0].Head != hash || es[0].Current || !es[1].Current {
		t.Errorf("got %+v", es)
	}
	if got := held(t, j, old.ID, 1); len(got) != int(common) {
		t.Errorf("got %d records in the old epoch, want %d", len(got), common)
	}
	s, err := j.Stats(t.Context())
	if err != nil || s.Presses != 4 || s.QueuedPresses != 2 {
		t.Errorf("got %+v, %v, want 4 presses made, 2 of them queued", s, err)
	}
	e := press(t, j, 1)
	if e.Epoch != id || e.Seq != feedback.Seq(len(all))+1 {
		t.Errorf("got %v %d, want the press in the new epoch", e.Epoch, e.Seq)
	}
	closeIt(t, j)
	j = open(t, options(dir, c))
	defer closeIt(t, j)
	if got := held(t, j, id, 1); len(got) != len(all)+3 {
		t.Errorf("got %d records after a restart, want %d", len(got), len(all)+3)
	}
}

// The hub has more than this kiosk ever wrote: nothing is repeated.
func TestJournal_Fork_nothingAbove(t *testing.T) {
	j := open(t, options(t.TempDir(), newClock()))
	defer closeIt(t, j)
	appendAll(t, j, asked, feedback.Press{Rating: 1})
	old := j.Head()
	id, err := j.Fork(t.Context(), old.ID, old.Next+10, "card restored")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := kinds(held(t, j, id, 1)), []string{"epoch", "plan", "wall", "fix"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := j.Epochs()[0]; got.Next != old.Next {
		t.Errorf("got %+v, want %+v", got, old)
	}
}

// A fact that names a press by its number is refused once that number is
// another's; others that wait with it are not.
func TestJournal_AppendAt_otherEpoch(t *testing.T) {
	j := open(t, options(t.TempDir(), newClock()))
	defer closeIt(t, j)
	old := press(t, j, 1)
	at := journal.At{Since: time.Hour, Epoch: old.Epoch}
	e, err := j.AppendAt(t.Context(), at, feedback.Stuck{Press: old.Seq})
	if err != nil || e[0].Record.Stamp.Since != 3_600_000 {
		t.Errorf("got %+v, %v", e, err)
	}
	if _, err := j.Fork(t.Context(), old.Epoch, old.Seq, "test"); err != nil {
		t.Fatal(err)
	}
	next := j.Head().Next
	if _, err := j.AppendAt(t.Context(), at, feedback.Stuck{Press: old.Seq}); !errors.Is(err, journal.ErrEpoch) {
		t.Errorf("got %v, want ErrEpoch", err)
	}
	if got := j.Head().Next; got != next {
		t.Errorf("got next %d, want %d: nothing was appended", got, next)
	}
}

// A test or a cleaning ends when the program starts again; a fork afterwards
// must not take it up.
func TestJournal_Fork_endedByStart(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	j := open(t, options(dir, c))
	appendAll(t, j, asked, feedback.Test{On: true}, feedback.Cleaning{On: true}, feedback.Press{})
	closeIt(t, j)
	j = open(t, options(dir, c))
	defer closeIt(t, j)
	common := appendAll(t, j, feedback.Press{Rating: 1})
	appendAll(t, j, feedback.Press{Rating: 2})
	id, err := j.Fork(t.Context(), j.Head().ID, common, "test")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := kinds(held(t, j, id, 1)), []string{"epoch", "plan", "wall", "fix", "press"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// What was on in a closed epoch, of which the end was lost, is off in what
// follows when the current epoch says so.
func TestJournal_Fork_closed(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	j := open(t, options(dir, c))
	old := j.Head().ID
	common := appendAll(t, j, asked, feedback.Press{Rating: 1})
	appendAll(t, j, feedback.Test{On: true}, feedback.Press{Rating: 2})
	last := j.Head().Next - 1
	closeIt(t, j)
	spoil(t, dir, last, last) // so that it is salvaged
	j = open(t, options(dir, c))
	defer closeIt(t, j)
	appendAll(t, j, feedback.Press{})
	id, err := j.Fork(t.Context(), old, common, "test")
	if err != nil {
		t.Fatal(err)
	}
	all := held(t, j, id, 1)
	if got, want := kinds(all), []string{"epoch", "plan", "wall", "fix", "test", "test"}; !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	if got := decode(t, all[5]).Fact; got != (feedback.Test{}) {
		t.Errorf("got %+v, want the test to be off", got)
	}
}

// A hole in what is moved keeps what it says of what held; a fork inside it is
// one before it, for no hash is known there.
func TestJournal_Fork_hole(t *testing.T) {
	second := asked
	second.Asked.Touchpoint = "till-2"
	for name, into := range map[string]feedback.Seq{"before it": 0, "inside": 1} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			dir := t.TempDir()
			j := open(t, options(dir, c))
			old := j.Head().ID
			common := appendAll(t, j, asked, feedback.Press{Rating: 1})
			appendAll(t, j, feedback.Press{Rating: 2}, second)
			last := appendAll(t, j, feedback.Press{Rating: 0})
			press := appendAll(t, j, feedback.Press{Rating: 0, Held: 7})
			appendAll(t, j, feedback.Stuck{Press: press})
			closeIt(t, j)
			spoil(t, dir, common+1, last)
			j = open(t, options(dir, c))
			defer closeIt(t, j)
			id, err := j.Fork(t.Context(), old, common+into, "test")
			if err != nil {
				t.Fatal(err)
			}
			all := held(t, j, id, 1)
			want := []string{"epoch", "plan", "wall", "fix", "plan", "press", "stuck"}
			if got := kinds(all); len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
				t.Fatalf("got %v, want %v", got, want)
			}
			if got := decode(t, all[0]).Fact.(feedback.EpochBegan); got.Again != 3 || got.ParentLast != common {
				t.Errorf("got %+v, want three records again after %d", got, common)
			}
			if got := decode(t, all[4]).Fact; got != second {
				t.Errorf("got %+v, want %+v", got, second)
			}
			if got := decode(t, all[6]).Fact; got != (feedback.Stuck{Press: 6}) {
				t.Errorf("got %+v, want it to name press 6", got)
			}
		})
	}
}
