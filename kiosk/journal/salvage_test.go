package journal_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/sqlite"
	"sourire/kiosk/journal"
)

// written makes a journal of n presses, of which the hub has acked, and returns
// its epoch and the bytes of every record.
func written(t *testing.T, dir string, n int, acked feedback.Seq) (journal.Epoch, []string) {
	t.Helper()
	j := open(t, options(dir, newClock()))
	appendAll(t, j, asked)
	for i := range n {
		appendAll(t, j, feedback.Press{Rating: i % 3, Held: int64(i)})
	}
	appendAll(t, j, journal.Remark{Press: 7, Text: "cold"})
	if err := j.Ack(j.Head().ID, acked); err != nil {
		t.Fatal(err)
	}
	e := j.Head()
	all := held(t, j, e.ID, 1)
	closeIt(t, j)
	return e, all
}

// reopened opens a damaged journal and checks that presses go on in a new epoch
// that names the old one, and that one file was set aside.
func reopened(t *testing.T, dir string, old journal.Epoch) (*journal.Journal, journal.Epoch) {
	t.Helper()
	j := open(t, options(dir, newClock()))
	names, err := journal.Damaged(filepath.Join(dir, "journal.db"))
	if err != nil || len(names) != 1 {
		t.Errorf("got %q, %v set aside, want one file", names, err)
	}
	es := j.Epochs()
	if len(es) != 2 || es[0].ID != old.ID || es[0].Current {
		t.Fatalf("got %+v, want the old epoch closed and a new one", es)
	}
	began := decode(t, held(t, j, es[1].ID, 1)[0]).Fact.(feedback.EpochBegan)
	if began.Parent != old.ID || began.ParentLast != es[0].Next-1 || began.ParentHash != es[0].Head || began.Why != "damaged" {
		t.Errorf("got %+v, want it to name %+v", began, es[0])
	}
	if got := press(t, j, 2).Record.Stamp.Boot; got != 1 {
		t.Errorf("got boot %d, want it to keep its number", got)
	}
	return j, es[0]
}

// overwrite puts noise into a file.
func overwrite(t *testing.T, path string, at, n int64) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, n)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	if _, err := file.WriteAt(noise, at); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// leafOf returns the page, counted from 0, that holds a text.
func leafOf(t *testing.T, path, text string) int64 {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for page := 0; page+4096 <= len(b); page += 4096 {
		if slices.Contains([]byte{13, 10}, b[page]) && contains(b[page:page+4096], text) {
			return int64(page)
		}
	}
	t.Fatalf("no page holds %s", text)
	return 0
}

func contains(b []byte, text string) bool {
	for i := 0; i+len(text) <= len(b); i++ {
		if string(b[i:i+len(text)]) == text {
			return true
		}
	}
	return false
}

// spoil makes records of the first epoch unreadable, where SQLite does not look.
func spoil(t *testing.T, dir string, first, last feedback.Seq) {
	t.Helper()
	db, err := sqlite.Open(filepath.Join(dir, "journal.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Write.Exec(`UPDATE record SET body = x'00' WHERE seq BETWEEN ? AND ?
		AND epoch = (SELECT id FROM epoch ORDER BY n LIMIT 1)`, first, last)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestOpen_damagedPage(t *testing.T) {
	dir := t.TempDir()
	old, all := written(t, dir, 600, 50)
	path := filepath.Join(dir, "journal.db")
	overwrite(t, path, leafOf(t, path, all[300]), 4096)

	j, e := reopened(t, dir, old)
	defer closeIt(t, j)
	if e.Acked != 50 || e.Oldest != 51 || e.Next != old.Next || e.Head != old.Head {
		t.Errorf("got %+v, want records 51 to %d", e, old.Next-1)
	}
	// Run by run, each behind a gap that Oldest declares.
	seen := map[feedback.Seq]string{}
	runs := 0
	for from := feedback.Seq(51); from < e.Next; {
		b, err := j.Batch(t.Context(), e.ID, from, journal.Limit{Records: 1000, Bytes: 1 << 20})
		if err != nil || len(b.Records) == 0 || b.Oldest != b.First {
			t.Fatalf("got %d records from %d, oldest %d, %v, want a run", len(b.Records), b.First, b.Oldest, err)
		}
		h := b.Before
		for i, r := range b.Records {
			seen[b.First+feedback.Seq(i)] = string(r)
			h = h.Next(r)
		}
		if got, err := j.HashAt(t.Context(), e.ID, b.Last()); err != nil || got != h {
			t.Errorf("got %v, %v, want %v", got, err, h)
		}
		from = b.Last() + 1
		runs++
	}
	lost := int(e.Next) - 51 - len(seen)
	if runs != 2 || lost < 1 || lost > 120 {
		t.Errorf("got %d runs and %d records lost, want two and the records of one page", runs, lost)
	}
	for seq, body := range seen {
		if body != all[seq-1] {
			t.Errorf("got %s under %d, want %s", body, seq, all[seq-1])
		}
	}
	b, err := j.Batch(t.Context(), e.ID, e.Next-1, journal.Limit{Records: 1})
	if err != nil || len(b.Texts) != 1 || b.Texts[0].Text != "cold" {
		t.Errorf("got %+v, %v, want the text of the comment", b.Texts, err)
	}
}

// A bit flips inside a record: SQLite does not notice, the chain does.
func TestOpen_flippedBit(t *testing.T) {
	dir := t.TempDir()
	old, all := written(t, dir, 100, 20)
	path := filepath.Join(dir, "journal.db")
	db, err := sqlite.Open(path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Write.Exec(`UPDATE record SET body = CAST('["press",1,60000,2,99]' AS BLOB) WHERE seq = 60`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	j, e := reopened(t, dir, old)
	defer closeIt(t, j)
	got := held(t, j, e.ID, 21)
	if want := slices.Delete(slices.Clone(all), 59, 60)[20:]; !slices.Equal(got, want) {
		t.Errorf("got %d records, want the %d others", len(got), len(want))
	}
	if _, err := j.HashAt(t.Context(), e.ID, 59); err != nil {
		t.Errorf("got %v, want the hash before the hole", err)
	}
	// A fork behind a hole takes over what is there.
	id, err := j.Fork(t.Context(), e.ID, 70, "test")
	if err != nil {
		t.Fatal(err)
	}
	if again := held(t, j, id, 1); !slices.Contains(again, all[75]) || slices.Contains(again, all[69]) {
		t.Error("got other records than those above 70")
	}
	if got := len(held(t, j, e.ID, 21)); got != 49 {
		t.Errorf("got %d records left, want 49", got)
	}
}

func TestOpen_truncated(t *testing.T) {
	dir := t.TempDir()
	old, all := written(t, dir, 1000, 10)
	path := filepath.Join(dir, "journal.db")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()*2/3); err != nil {
		t.Fatal(err)
	}
	j, e := reopened(t, dir, old)
	defer closeIt(t, j)
	got := held(t, j, e.ID, 1)
	for _, r := range got {
		if !slices.Contains(all, r) {
			t.Fatalf("got %s, which was never written", r)
		}
	}
	t.Logf("%d of %d records salvaged", len(got), len(all)-10)
	if len(got) < 300 {
		t.Errorf("got %d records, want about half", len(got))
	}
}

// rootOf returns where the first page of a table lies.
func rootOf(t *testing.T, path, table string) int64 {
	t.Helper()
	db, err := sqlite.Open(path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var root int64
	err = db.Read.QueryRow("SELECT rootpage FROM sqlite_schema WHERE name = ?", table).Scan(&root)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return (root - 1) * 4096
}

// The table of epochs is lost, the records are not.
func TestOpen_lostEpochs(t *testing.T) {
	dir := t.TempDir()
	old, all := written(t, dir, 100, 20)
	path := filepath.Join(dir, "journal.db")
	overwrite(t, path, rootOf(t, path, "epoch"), 4096)
	j, e := reopened(t, dir, old)
	defer closeIt(t, j)
	if got := held(t, j, e.ID, 1); !slices.Equal(got, all) || e.Acked != 0 {
		t.Errorf("got %d records behind mark %d, want all %d", len(got), e.Acked, len(all))
	}
}

func TestOpen_garbage(t *testing.T) {
	for name, size := range map[string]int64{"noise": 100_000, "short": 700} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "journal.db")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			overwrite(t, path, 0, size)
			j := open(t, options(dir, newClock()))
			defer closeIt(t, j)
			began := decode(t, held(t, j, j.Head().ID, 1)[0]).Fact.(feedback.EpochBegan)
			if began != (feedback.EpochBegan{Why: "damaged"}) {
				t.Errorf("got %+v, want no parent", began)
			}
			if names, _ := journal.Damaged(path); len(names) != 1 {
				t.Errorf("got %q set aside, want one file", names)
			}
		})
	}
}

// A power cut in the middle of a rescue: either it begins again or it is ended.
func TestOpen_interruptedRescue(t *testing.T) {
	dir := t.TempDir()
	old, all := written(t, dir, 100, 20)
	path := filepath.Join(dir, "journal.db")
	// Salvaged, set aside, and cut before the fresh file came in; the log of
	// the damaged file is still there and must not meet it.
	for _, err := range []error{
		os.WriteFile(path+"-wal", []byte("a log of another file"), 0o600),
		os.Rename(path, path+".fresh"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	j := open(t, options(dir, newClock()))
	if got := held(t, j, old.ID, 1)[:len(all)]; !slices.Equal(got, all) {
		t.Errorf("got %d records, want %d", len(got), len(all))
	}
	closeIt(t, j)
	// Cut while salvaging: the fresh file is not whole and is begun again.
	if err := os.WriteFile(path+".fresh", []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	overwrite(t, path, leafOf(t, path, all[50]), 4096)
	j = open(t, options(dir, newClock()))
	defer closeIt(t, j)
	if got := len(j.Epochs()); got != 2 {
		t.Errorf("got %d epochs, want two", got)
	}
}

// Presses never stop over old wrecks: only the newest few are kept.
func TestOpen_damagedAgainAndAgain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "journal.db")
	for range 6 {
		j := open(t, options(dir, newClock()))
		press(t, j, 1)
		closeIt(t, j)
		overwrite(t, path, 0, 4096)
	}
	j := open(t, options(dir, newClock()))
	defer closeIt(t, j)
	if names, err := journal.Damaged(path); err != nil || len(names) != 3 {
		t.Errorf("got %q, %v set aside, want three", names, err)
	}
	if all, err := filepath.Glob(path + ".damaged-*"); err != nil || len(all) > 6 {
		t.Errorf("got %q, %v, want three files and their logs at most", all, err)
	}
}

// What held is written twice: the copy stands in for a record that is gone,
// with its number and its hash. Without the copy, the next epoch says so.
func TestOpen_swallowedPlan(t *testing.T) {
	for name, copied := range map[string]bool{"the copy is there": true, "the copy is gone too": false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c := newClock()
			j := open(t, options(dir, c))
			appendAll(t, j, asked)
			for range 10 {
				press(t, j, 1)
			}
			second := asked
			second.Asked.Touchpoint = "till-2"
			at := appendAll(t, j, second)
			for range 10 {
				press(t, j, 2)
			}
			e := j.Head()
			all := held(t, j, e.ID, 1)
			if err := j.Ack(e.ID, at-4); err != nil {
				t.Fatal(err)
			}
			closeIt(t, j)
			path := filepath.Join(dir, "journal.db")
			spoil(t, dir, at-2, at+3)
			if !copied {
				overwrite(t, path, rootOf(t, path, "landmark"), 4096)
			}
			j = open(t, options(dir, c))
			defer closeIt(t, j)

			want := []string{all[at-4], all[at-1], all[at+3]}
			from := []feedback.Seq{at - 3, at, at + 4}
			if !copied {
				want, from = slices.Delete(want, 1, 2), slices.Delete(from, 1, 2)
			}
			next := at - 3
			for i := range want {
				b, err := j.Batch(t.Context(), e.ID, next, journal.Limit{Records: 1000, Bytes: 1 << 20})
				if err != nil || b.First != from[i] || string(b.Records[0]) != want[i] {
					t.Fatalf("got %+v, %v, want %s from %d", b, err, want[i], from[i])
				}
				if hash, err := j.HashAt(t.Context(), e.ID, b.Last()); err != nil || b.Last() == at && hash != b.Before.Next(b.Records[0]) {
					t.Errorf("got hash %v at %d, %v", hash, b.Last(), err)
				}
				if err := j.Ack(e.ID, b.Last()); err != nil {
					t.Fatal(err)
				}
				next = b.Last() + 1
			}
			why := decode(t, held(t, j, j.Head().ID, 1)[0]).Fact.(feedback.EpochBegan).Why
			if (why == "damaged") != copied {
				t.Errorf("got why %q", why)
			}
			// A question does not stop at the copy: it is where the hub goes on.
			b, err := j.Batch(t.Context(), e.ID, at-1, journal.Limit{})
			if err != nil || b.First != at+4 || len(b.Records) != 0 {
				t.Errorf("got %+v, %v, want a question behind the hole", b, err)
			}
		})
	}
}

// A mark inside a hole is no damage.
func TestOpen_markInHole(t *testing.T) {
	dir := t.TempDir()
	old, _ := written(t, dir, 100, 20)
	spoil(t, dir, 40, 50)
	j, _ := reopened(t, dir, old)
	if err := j.Ack(old.ID, 45); err != nil {
		t.Fatal(err)
	}
	closeIt(t, j)
	j = open(t, options(dir, newClock()))
	defer closeIt(t, j)
	if names, _ := journal.Damaged(filepath.Join(dir, "journal.db")); len(names) != 1 || len(j.Epochs()) != 2 {
		t.Errorf("got %q set aside and %d epochs, want one and two", names, len(j.Epochs()))
	}
}

// A file of no length, or one that is gone and has left its log, is damage too: the
// log is set aside with it, and the hub hears why an epoch without a parent begins.
func TestOpen_emptied(t *testing.T) {
	for name, empty := range map[string]func(path string) error{
		"no length": func(path string) error { return os.Truncate(path, 0) },
		"gone":      os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "journal.db")
			written(t, dir, 3, 0)
			if err := empty(path); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path+"-wal", []byte("what was not yet in the file"), 0o600); err != nil {
				t.Fatal(err)
			}
			if !journal.Begun(path) {
				t.Error("got no journal begun, want one")
			}
			j := open(t, options(dir, newClock()))
			defer closeIt(t, j)
			began := decode(t, held(t, j, j.Head().ID, 1)[0]).Fact.(feedback.EpochBegan)
			if began.Why != "damaged, and nothing was left of it" {
				t.Errorf("got why %q, want the damage", began.Why)
			}
			names, err := journal.Damaged(path)
			if err != nil || len(names) != 1 {
				t.Fatalf("got %q, %v set aside, want one file", names, err)
			}
			logs, err := filepath.Glob(path + ".damaged-*-wal")
			if err != nil || len(logs) != 1 || logs[0] != names[0]+"-wal" {
				t.Fatalf("got logs %q, %v, want one kept, that of %s", logs, err, names[0])
			}
			if text, err := os.ReadFile(logs[0]); err != nil || len(text) == 0 {
				t.Errorf("got %q, %v as the log, want what it held", text, err)
			}
		})
	}
}

// A log goes with its own file also when the clock was ahead at an earlier rescue,
// whose log stays as it is.
func TestOpen_emptiedWithoutClock(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "journal.db")
	for _, text := range []string{"first", "second"} {
		closeIt(t, open(t, options(dir, newClock())))
		truncate(t, path, 0)
		if err := os.WriteFile(path+"-wal", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		closeIt(t, open(t, options(dir, newClock())))
		names, err := journal.Damaged(path)
		if err != nil {
			t.Fatal(err)
		}
		ahead := time.Now().Add(1000 * time.Hour)
		if err := os.Chtimes(names[0], ahead, ahead); err != nil {
			t.Fatal(err)
		}
	}
	names, err := filepath.Glob(path + ".damaged-*-wal")
	if err != nil || len(names) != 2 {
		t.Fatalf("got logs %q, %v, want two", names, err)
	}
	var texts []string
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	if slices.Sort(texts); !slices.Equal(texts, []string{"first", "second"}) {
		t.Errorf("got logs %q, want both", texts)
	}
}

// Whoever looks at a damaged journal is told to start the kiosk, never to put a
// backup in its place.
func TestInspect_damaged(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, path string){
		"text":      func(t *testing.T, path string) { overwrite(t, path, 0, 200) },
		"middle":    func(t *testing.T, path string) { overwrite(t, path, 4096, 20*4096) },
		"no length": func(t *testing.T, path string) { truncate(t, path, 0) },
		"cut short": func(t *testing.T, path string) { truncate(t, path, 8192) },
		"gone": func(t *testing.T, path string) {
			if err := os.Rename(path, path+"-wal"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "journal.db")
			written(t, dir, 300, 0)
			damage(t, path)
			_, err := journal.Inspect(t.Context(), journal.Options{Path: path})
			if !errors.Is(err, sqlite.ErrDamaged) || !strings.Contains(err.Error(), path+" is damaged: leave it where it is and start the kiosk (run)") ||
				strings.Contains(err.Error(), "backup") {
				t.Errorf("got %v, want it to say that a start salvages", err)
			}
		})
	}
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}
