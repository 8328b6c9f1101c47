package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sourire/hub/store/sqlstore"
)

var errCrash = errors.New("crash")

// crashing is a store in memory that dies behind its n-th commit.
type crashing struct {
	id    string
	term  int64
	drawn *int // ids, by all stores
	crash int  // commits before the crash; -1 for none
}

func (s *crashing) ID(context.Context) (string, error) { return s.id, nil }

func (s *crashing) TakeOver(context.Context) (int64, error) {
	s.term++
	return s.term, s.committed()
}

func (s *crashing) Redraw(context.Context) error {
	*s.drawn++
	s.id = fmt.Sprintf("%016x", *s.drawn)
	return s.committed()
}

func (s *crashing) committed() error {
	if s.crash--; s.crash == 0 {
		return errCrash
	}
	return nil
}

// Whatever is put back, lost or garbled, and wherever a start breaks off: what
// the hub speaks under is an id or a term that nobody has heard of it.
func TestTakeOver_neverSpeaksTwice(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		path := filepath.Join(dir, lastTermName)
		_ = os.Remove(path)
		drawn := 0
		store := crashing{id: "new", drawn: &drawn}
		heard := make(map[string]int64)
		log := slog.New(slog.DiscardHandler)
		start := func(crash int, speaks bool) {
			store.crash = crash
			id, term, err := takeOver(context.Background(), &store, path, doubt, log)
			if err != nil {
				if !errors.Is(err, errCrash) {
					rt.Fatal(err)
				}
				return
			}
			if speaks {
				if term <= heard[id] {
					rt.Fatalf("speaks as store %s term %d, and did up to term %d before", id, term, heard[id])
				}
				heard[id] = term
			}
		}
		start(-1, true)
		copies := []crashing{store}
		rt.Repeat(map[string]func(*rapid.T){
			"start":           func(*rapid.T) { start(-1, true) },
			"crash when done": func(*rapid.T) { start(-1, false) },
			"crash":           func(rt *rapid.T) { start(rapid.IntRange(1, 2).Draw(rt, "commits"), true) },
			"copy":            func(*rapid.T) { copies = append(copies, store) },
			"put back":        func(rt *rapid.T) { store = rapid.SampledFrom(copies).Draw(rt, "copy") },
			"lose the file":   func(*rapid.T) { _ = os.Remove(path) },
			"garble the file": func(rt *rapid.T) {
				text := rapid.SampledFrom([]string{"", "\x00", "store", "store " + store.id, "store x term y\n"}).Draw(rt, "text")
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					rt.Fatal(err)
				}
			},
		})
	})
}

// A store keeps its id as long as the file vouches for it; otherwise it gets a
// new one, and one line says why.
func TestTakeOver_says(t *testing.T) {
	ctx := context.Background()
	for name, c := range map[string]struct {
		last string // content of the file, %s for the store's id; "-" for no file
		want string // a part of the line; "" for none and the old id
	}{
		"restarted":                   {"store %s term 2\n", ""},
		"crashed before it spoke":     {"store %s term 1\n", ""},
		"put back, same term":         {"store %s term 3\n", "term has been 2, and that of this hub was 3"},
		"put back, lower term":        {"store %s term 9\n", "term has been 2, and that of this hub was 9"},
		"another store":               {"store feedfeedfeedfeed term 1\n", "last was store feedfeedfeedfeed"},
		"no file":                     {"-", "there is no file"},
		"a file of nothing":           {"", "cannot be read"},
		"a file of something else":    {"\x7fELF", "cannot be read"},
		"a file that was broken off":  {"store %s term", "cannot be read"},
		"a file with another's digit": {"store %s term 1x\n", "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			store, err := sqlstore.Open(ctx, filepath.Join(dir, FileName))
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			for range 2 {
				if _, err := store.TakeOver(ctx); err != nil {
					t.Fatal(err)
				}
			}
			before, err := store.ID(ctx)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, lastTermName)
			if c.last != "-" {
				if err := os.WriteFile(path, []byte(strings.Replace(c.last, "%s", before, 1)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var said bytes.Buffer
			id, term, err := takeOver(ctx, store, path, doubt, slog.New(slog.NewTextHandler(&said, nil)))
			if err != nil || term != 3 {
				t.Fatalf("got term %d, %v, want 3", term, err)
			}
			if redrawn := id != before; redrawn != (c.want != "") {
				t.Errorf("got id %s after %s", id, before)
			}
			if now, err := store.ID(ctx); err != nil || now != id {
				t.Errorf("got %s in the store, %v, and %s to speak under", now, err, id)
			}
			if !strings.Contains(said.String(), c.want) || (c.want == "") != (said.Len() == 0) || strings.Count(said.String(), "\n") > 1 {
				t.Errorf("it said %q, want one line with %q", said.String(), c.want)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != fmt.Sprintf("store %s term 3\n", id) {
				t.Errorf("got file %q, %v", got, err)
			}
		})
	}
}

// A new hub has no past, and no reason to speak of one.
func TestTakeOver_newHub(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	store, err := sqlstore.Open(ctx, filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var said bytes.Buffer
	for want := int64(1); want < 4; want++ {
		_, term, err := takeOver(ctx, store, filepath.Join(dir, lastTermName), doubt, slog.New(slog.NewTextHandler(&said, nil)))
		if err != nil || term != want {
			t.Errorf("got term %d, %v, want %d", term, err, want)
		}
	}
	if said.Len() > 0 {
		t.Errorf("it said %q", said.String())
	}
}

// A hub that cannot note its term does not speak under it.
func TestNew_termNotNoted(t *testing.T) {
	s := Defaults()
	s.Data = filepath.Join(t.TempDir(), "hub")
	s.Web.Listen, s.Broker.Listen = "127.0.0.1:0", "127.0.0.1:0"
	path := filepath.Join(s.Data, lastTermName)
	if err := os.MkdirAll(filepath.Join(path, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	o := Options{Settings: s, Log: slog.New(slog.DiscardHandler)}
	a, err := New(context.Background(), o)
	if err == nil {
		_ = a.Stop()
		t.Fatal("got a hub, want an error")
	}
	if !strings.Contains(err.Error(), path) {
		t.Errorf("got %q, want it to name %s", err, path)
	}
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	if a, err = New(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if want := fmt.Sprintf("store %s term %d\n", a.role.current().talk.self.Store, a.role.current().talk.self.Term); err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q, for this is what it speaks under", got, err, want)
	}
	if err := a.Stop(); err != nil {
		t.Error(err)
	}
}

// Where several hubs take over from each other, only what this one spoke under
// itself can show that the database is an older copy.
func TestDoubtAmongSeveral(t *testing.T) {
	path := filepath.Join(t.TempDir(), lastTermName)
	for text, doubted := range map[string]bool{
		"":                 false, // no file: another hub has served before
		"garbage":          false,
		"store a term 4\n": false,
		"store a term 2\n": false, // others in between
		"store b term 9\n": false, // another drew a new id
		"store a term 5\n": true,
		"store a term 9\n": true,
	} {
		_ = os.Remove(path)
		if text != "" {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if why := doubtAmongSeveral(path, "a", 5); (why != "") != doubted {
			t.Errorf("%q: got %q, want doubt %v", text, why, doubted)
		}
	}
}
