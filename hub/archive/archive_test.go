package archive_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sourire/hub/archive"
	"sourire/hub/ingest"
	"sourire/hub/store/sqlstore"
	"sourire/hub/store/storetest"
	"sourire/hub/verify"
	"sourire/internal/feedback"
)

func noon() time.Time { return time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC) }

func open(t *testing.T) (*sqlstore.Store, *ingest.Ingester) {
	t.Helper()
	s, err := sqlstore.Open(context.Background(), filepath.Join(t.TempDir(), "hub.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, storetest.Ingester(t, s, noon)
}

// press fills a store with a journal whose presses all have one face.
func press(t *testing.T, g *ingest.Ingester, id feedback.KioskID, presses, rating int) *storetest.Kiosk {
	t.Helper()
	k := storetest.NewKiosk(t, g, id, noon())
	k.Asks(noon(), feedback.Asked{Site: "lyon", Touchpoint: "exit", Survey: "visit", Scale: "smiley3"})
	for i := range presses {
		k.Press(noon().Add(time.Duration(i)*time.Minute), rating)
	}
	k.Send()
	return k
}

func export(t *testing.T, s archive.Store) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "export")
	m, err := archive.Export(context.Background(), s, dir, archive.ExportOptions{Zone: time.UTC, Now: noon})
	if err != nil || len(m.Problems) > 0 {
		t.Fatalf("got %v, %v", m.Problems, err)
	}
	return dir
}

func take(s *sqlstore.Store, g *ingest.Ingester, dir string, o archive.ImportOptions) (archive.Report, error) {
	return archive.Import(context.Background(), dir, archive.Target{Ingester: g, Journals: s, Places: s, Fleet: s}, o)
}

func records(t *testing.T, s *sqlstore.Store) (n int64) {
	t.Helper()
	r, err := verify.Run(context.Background(), s, "", nil)
	if err != nil || !r.OK() {
		t.Fatalf("verify: %v, %+v", err, r)
	}
	for _, f := range r.Findings {
		n += f.Received
	}
	return n
}

// A store that holds part of an export gets the rest; one that holds another
// journal under the same name keeps what it has, whatever is longer.
func TestImport_intoOneThatIsNotEmpty(t *testing.T) {
	from, g := open(t)
	press(t, g, "k1", 900, 2)
	press(t, g, "k2", 900, 2)
	press(t, g, "k3", 900, 2)
	press(t, g, "k4", 900, 2)
	dir := export(t, from)
	to, h := open(t)
	press(t, h, "k1", 700, 2)  // the beginning
	press(t, h, "k2", 700, 1)  // another
	press(t, h, "k3", 1200, 1) // another, longer
	press(t, h, "k4", 1200, 2) // all, and more
	press(t, h, "k5", 10, 2)   // not in it
	before := export(t, to)
	dry, err := take(to, nil, dir, archive.ImportOptions{DryRun: true})
	if err != nil || dry.Forked() != 2 || dry.Added() != 0 {
		t.Errorf("a dry run: got %+v, %v", dry, err)
	}
	for range 2 {
		r, err := take(to, h, dir, archive.ImportOptions{})
		if err != nil {
			t.Fatal(err)
		}
		want := map[feedback.KioskID]archive.Verdict{"k2": archive.Forked, "k3": archive.Forked, "k4": archive.Present}
		for _, f := range r.Journals {
			if v, ok := want[f.Key.Kiosk]; ok && f.Verdict != v || (f.Verdict == archive.Forked) != (f.Why != "") || f.Differs != "" {
				t.Errorf("got %+v", f)
			}
		}
		if n := records(t, to); n != 903+703+1203+1203+13 {
			t.Errorf("got %d records", n)
		}
	}
	cut, err := to.Cut(context.Background())
	if err != nil || len(cut.Refusals) > 0 {
		t.Errorf("got refusals %+v, %v: a fork that was found is no attack", cut.Refusals, err)
	}
	for _, kiosk := range []string{"k2", "k3"} {
		if a, b := lines(t, before, kiosk), lines(t, export(t, to), kiosk); a != b {
			t.Errorf("%s has changed", kiosk)
		}
	}
}

func lines(t *testing.T, dir, kiosk string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "records.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, `"kiosk":"`+kiosk+`"`) {
			out.WriteString(line)
		}
	}
	return out.String()
}

// Whatever is wrong with an export, nothing of it is taken.
func TestImport_damaged(t *testing.T) {
	from, g := open(t)
	press(t, g, "k1", 50, 2)
	for name, c := range map[string]struct {
		file string
		edit func([]byte) []byte
		want string
	}{
		"a bit":             {"records.jsonl", func(b []byte) []byte { b[len(b)/2] ^= 1; return b }, "records.jsonl"},
		"cut short":         {"records.jsonl", func(b []byte) []byte { return b[:len(b)-3] }, "records.jsonl"},
		"a line too many":   {"comments.jsonl", func(b []byte) []byte { return append(b, "{}\n"...) }, "comments.jsonl"},
		"a table":           {"visits.csv", func(b []byte) []byte { return append(b, 'x') }, "visits.csv"},
		"sources":           {"sources.jsonl", func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("53"), []byte("54")) }, "sources.jsonl"},
		"no manifest":       {"manifest.json", func([]byte) []byte { return nil }, "manifest.json"},
		"half a manifest":   {"manifest.json", func(b []byte) []byte { return b[:len(b)/2] }, "manifest.json"},
		"a file is missing": {"gaps.jsonl", func([]byte) []byte { return nil }, "gaps.jsonl"},
		"a later format":    {"manifest.json", func(b []byte) []byte { return bytes.Replace(b, []byte(`"version": 1`), []byte(`"version": 9`), 1) }, "version 9"},
		"another format":    {"manifest.json", func(b []byte) []byte { return bytes.Replace(b, []byte("sourire-export"), []byte("other"), 1) }, "other"},
		"not proved": {"manifest.json", func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"problems": []`), []byte(`"problems": ["k1: a hash"]`), 1)
		}, "k1: a hash"},
		"a file elsewhere": {"manifest.json", func(b []byte) []byte { return bytes.Replace(b, []byte(`"visits.csv"`), []byte(`"../visits.csv"`), 1) }, "../visits.csv"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := export(t, from)
			path := filepath.Join(dir, c.file)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if b = c.edit(b); b == nil {
				err = os.Remove(path)
			} else {
				err = os.WriteFile(path, b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			to, h := open(t)
			if _, err := take(to, h, dir, archive.ImportOptions{}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want it to name %q", err, c.want)
			}
			if n := records(t, to); n != 0 {
				t.Errorf("got %d records of a damaged export", n)
			}
		})
	}
}

// failing fails at a page, or lets something happen before it.
type failing struct {
	archive.Store
	page   int
	before func() error
}

func (f *failing) Page(ctx context.Context, key ingest.Key, after, through feedback.Seq) (archive.Page, error) {
	if f.page--; f.page == 0 {
		if err := f.before(); err != nil {
			return archive.Page{}, err
		}
	}
	return f.Store.Page(ctx, key, after, through)
}

// An export is of one moment, whatever comes in while it is written.
func TestExport_ofOneMoment(t *testing.T) {
	s, g := open(t)
	press(t, g, "k1", 12_000, 2)
	k := press(t, g, "k2", 10, 2)
	want := export(t, s)
	busy := &failing{s, 2, func() error {
		k.Press(noon().Add(9*time.Minute+time.Second), 0) // the last visit becomes mixed
		k.Reboot(noon().Add(time.Hour), true)
		k.Send()
		press(t, g, "k3", 5, 2)
		return nil
	}}
	got := export(t, busy)
	for _, name := range []string{"records.jsonl", "sources.jsonl", "visits.csv", "rollups.csv"} {
		a, _ := os.ReadFile(filepath.Join(want, name))
		b, err := os.ReadFile(filepath.Join(got, name))
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs from that of the moment before, %v", name, err)
		}
	}
	if busy.page > 0 {
		t.Error("nothing came in between")
	}
}

// What fails leaves nothing behind, and what is there is not replaced.
func TestExport_fails(t *testing.T) {
	s, g := open(t)
	press(t, g, "k1", 12_000, 2)
	parent := t.TempDir()
	dir := filepath.Join(parent, "export")
	full := errors.New("the disk is full")
	_, err := archive.Export(context.Background(), &failing{s, 2, func() error { return full }}, dir, archive.ExportOptions{Zone: time.UTC})
	if !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	reread := &failing{s, 2, func() error {
		_, err := g.Replay(context.Background(), s, ingest.Key{Kiosk: "k1", Epoch: 1}, "v2")
		return err
	}}
	if _, err := archive.Export(context.Background(), reread, dir, archive.ExportOptions{Zone: time.UTC}); !errors.Is(err, archive.ErrReread) {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := archive.Export(context.Background(), s, dir, archive.ExportOptions{Zone: time.UTC}); !errors.Is(err, archive.ErrExists) {
		t.Errorf("got %v", err)
	}
}

// The manifest counts what is there.
func TestExport_manifest(t *testing.T) {
	s, g := open(t)
	k := press(t, g, "k1", 600, 2)
	k.Verbatim([]byte(`["press",1,5]`))
	k.Lose()
	k.Press(noon().Add(24*time.Hour), 0)
	k.Send()
	dir := export(t, s)
	b, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m archive.Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	want := archive.Counts{Journals: 1, Records: 604, Lost: 1, Presses: 601, Visits: 601, Counted: 601, Rollups: 41}
	if m.Counts != want {
		t.Errorf("got %+v, want %+v", m.Counts, want)
	}
	for _, f := range m.Files {
		if info, err := os.Stat(filepath.Join(dir, f.Name)); err != nil || info.Size() != f.Bytes || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: got %v, %v", f.Name, info, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != len(m.Files)+1 {
		t.Errorf("got %d files, the manifest names %d", len(entries), len(m.Files))
	}
}

// breaking fails after some transactions.
type breaking struct {
	ingest.Store
	left int
}

func (b *breaking) Apply(ctx context.Context, term int64, changes []ingest.Change) ([]error, error) {
	if b.left--; b.left < 0 {
		return nil, errors.New("the disk is full")
	}
	return b.Store.Apply(ctx, term, changes)
}

// An import that was cut short at any transaction goes on when it is run again.
func TestImport_cutShort(t *testing.T) {
	from, g := open(t)
	k := press(t, g, "k1", 4500, 2)
	k.Press(noon().Add(5000*time.Minute), 0)
	k.Lose()
	k.Press(noon().Add(5001*time.Minute), 0)
	k.Send()
	press(t, g, "k2", 10, 2)
	dir := export(t, from)
	to, _ := open(t)
	stopped := 0
	for left := 0; ; left++ {
		h := ingest.New(&breaking{to, min(left, 1)}, ingest.Options{StoreID: "s", Term: 1, Now: noon})
		r, err := take(to, h, dir, archive.ImportOptions{})
		if err == nil {
			if r.Added() == 0 {
				t.Error("the last run added nothing")
			}
			break
		}
		if stopped++; !strings.Contains(err.Error(), "the same command goes on") || stopped > 20 {
			t.Fatal(err)
		}
	}
	if n := records(t, to); n != 4504+13 || stopped < 5 {
		t.Errorf("got %d records after %d stops", n, stopped)
	}
	again := export(t, to)
	for _, name := range []string{"visits.csv", "rollups.csv"} {
		a, _ := os.ReadFile(filepath.Join(dir, name))
		b, err := os.ReadFile(filepath.Join(again, name))
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs, %v", name, err)
		}
	}
}
