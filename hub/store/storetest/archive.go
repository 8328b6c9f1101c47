package storetest

import (
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"sourire/hub/archive"
	"sourire/hub/fleet"
	"sourire/hub/ingest"
	"sourire/hub/rollup"
	"sourire/hub/site"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// ArchiveStore is a store as the suite of archive.Store needs it, which is
// [Archive] in hub/store/storetest.
type ArchiveStore interface {
	IngestStore
	archive.Store
	archive.Places
	fleet.Store
}

// Archive holds a store to the contract of archive.Store: after each case of the
// suite Ingest, and after random journals with losses, what is exported is what
// is stored, an import of it into an empty store ends in the same store, and a
// second import adds nothing.
func Archive(t *testing.T, create func(t *testing.T) Database) {
	for _, cases := range [][]ingestCase{conversationCases(), gapCases(), epochCases(), recordCases(), replayCases(), writerCases()} {
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				b := newBench(t, create(t))
				c.run(b)
				if report, err := verify.Run(t.Context(), b.store, "", nil); err != nil || !report.OK() {
					t.Fatalf("the case leaves a store that does not agree: %+v, %v", report, err)
				}
				roundTrip(t, archiveStore(t, b.store), openArchive(t, create))
			})
		}
	}
	t.Run("what retention has left", func(t *testing.T) {
		b := newBench(t, create(t))
		exportRetained(b, openArchive(t, create))
	})
	t.Run("any journals", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			b, to := newBench(t, create(t)), openArchive(t, create)
			defer b.store.Close() // a server has not the connections for all of them
			defer to.Close()
			deliver(rt, b, scenarios().Draw(rt, "scenario"))
			roundTrip(rt, archiveStore(t, b.store), to)
		})
	})
}

// tester is a test of either kind, as far as a round trip needs it.
type tester interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

func archiveStore(t *testing.T, s IngestStore) ArchiveStore {
	t.Helper()
	a, ok := s.(ArchiveStore)
	if !ok {
		t.Fatalf("%T is no ArchiveStore", s)
	}
	return a
}

func openArchive(t *testing.T, create func(t *testing.T) Database) ArchiveStore {
	t.Helper()
	s := create(t).Open(t)
	t.Cleanup(func() { _ = s.Close() })
	return archiveStore(t, s)
}

// deliver sends journals in random pieces, of which some are lost, some claim
// more than ever comes, and some end early.
func deliver(rt *rapid.T, b *bench, s scenario) {
	devices := s.devices(1)
	defer func() {
		for _, d := range devices { // some say more of what they made when another epoch has begun
			if m := b.source(d).Mark; m.Known && rapid.Bool().Draw(rt, "says more") {
				batch := d.batch(m.Through+1, m.Through)
				batch.Next = m.Through + 1 + feedback.Seq(rapid.IntRange(0, 9).Draw(rt, "claims"))
				if o := b.offer(batch)[0]; o.Err != nil {
					rt.Fatalf("got %+v", o)
				}
			}
		}
	}()
	for _, d := range devices {
		last := feedback.Seq(rapid.IntRange(1, int(d.last())).Draw(rt, "last"))
		for at := feedback.Seq(0); at < last; {
			first := at + 1
			if rapid.IntRange(0, 5).Draw(rt, "lost") == 0 {
				first = min(last, first+feedback.Seq(rapid.IntRange(1, 5).Draw(rt, "how many")))
				d.oldest = first
			}
			at = min(last, first+feedback.Seq(rapid.IntRange(0, 60).Draw(rt, "length")))
			batch := d.batch(first, at)
			batch.Next = at + 1 + feedback.Seq(rapid.IntRange(0, 3).Draw(rt, "claims"))
			if o := b.offer(batch)[0]; o.Err != nil || o.Ack.Through != at {
				rt.Fatalf("got %+v, want through %d", o, at)
			}
		}
	}
}

// roundTrip exports a store, imports that into an empty one, and compares.
func roundTrip(t tester, from, to ArchiveStore) {
	t.Helper()
	dir, err := os.MkdirTemp("", "archive")
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer os.RemoveAll(dir)
	e := trip{tester: t, dir: dir}
	e.furnish(from)
	first := e.export(from, "first")
	e.same(from, "first", first)
	report := e.take("first", to)
	for _, f := range report.Journals {
		if f.Verdict == archive.Forked || f.Differs != "" {
			t.Errorf("%v: got %+v", f.Key, f)
		}
	}
	if got := report.Added(); got != first.Counts.Records {
		t.Errorf("got %d records added, want %d", got, first.Counts.Records)
	}
	second := e.export(to, "second")
	e.equal("first", "second")
	if first.Counts != second.Counts {
		t.Errorf("got %+v after the import, want %+v", second.Counts, first.Counts)
	}
	proof, err := verify.Run(context.Background(), to, "", nil)
	if err != nil || !proof.OK() {
		t.Errorf("verify after the import: %v, %+v", err, proof)
	}
	report = e.take("first", to)
	for _, f := range report.Journals {
		if f.Verdict != archive.Present || f.Records != 0 {
			t.Errorf("the second time: got %+v", f)
		}
	}
	if report.Sites != 0 || report.Kiosks != 0 {
		t.Errorf("the second time: got %d sites, %d kiosks", report.Sites, report.Kiosks)
	}
	e.export(to, "third")
	e.equal("second", "third")
}

// trip is a round trip.
type trip struct {
	tester
	dir string
}

// furnish puts beside the records what else a store keeps.
func (e trip) furnish(s ArchiveStore) {
	e.Helper()
	x, err := site.New("lyon", "=Lyon, \"Part-Dieu\"", "America/Sao_Paulo")
	if err != nil {
		e.Fatalf("%v", err)
	}
	if err := s.PutSites(context.Background(), []site.Site{x}); err != nil {
		e.Fatalf("%v", err)
	}
	seen := []fleet.Sighting{{Kiosk: "k1", Session: 3, Online: true, Version: "v1", Epoch: 1, Next: 4, Queued: 2, HeardAt: noon(), LastAt: noon().Add(time.Second)}}
	if err := s.PutSightings(context.Background(), seen); err != nil {
		e.Fatalf("%v", err)
	}
}

func (e trip) export(s archive.Store, name string) archive.Manifest {
	e.Helper()
	m, err := archive.Export(context.Background(), s, filepath.Join(e.dir, name), archive.ExportOptions{Zone: time.UTC, Now: noon})
	if err != nil {
		e.Fatalf("export: %v", err)
	}
	if len(m.Problems) > 0 {
		e.Errorf("export: %v", m.Problems)
	}
	return m
}

func (e trip) take(name string, s ArchiveStore) archive.Report {
	e.Helper()
	term, err := s.TakeOver(context.Background())
	if err != nil {
		e.Fatalf("%v", err)
	}
	r, err := archive.Import(context.Background(), filepath.Join(e.dir, name), archive.Target{
		Ingester: ingest.New(s, ingest.Options{StoreID: "store", Term: term, Now: noon}),
		Journals: s, Places: s, Fleet: s,
	}, archive.ImportOptions{})
	if err != nil {
		e.Fatalf("import: %v", err)
	}
	return r
}

// storing matches what an import does not take over: when things were stored.
var storing = regexp.MustCompile(`"(day|created_at|stored_at)":"[^"]*"`)

// equal compares the files of two exports.
func (e trip) equal(a, b string) {
	e.Helper()
	for _, name := range []string{"sources.jsonl", "records.jsonl", "comments.jsonl", "gaps.jsonl", "sites.jsonl", "kiosks.jsonl", "visits.csv", "rollups.csv", "README.txt"} {
		var text [2]string
		for i, dir := range []string{a, b} {
			bytes, err := os.ReadFile(filepath.Join(e.dir, dir, name))
			if err != nil {
				e.Fatalf("%v", err)
			}
			text[i] = storing.ReplaceAllString(string(bytes), `"$1":""`)
		}
		if text[0] != text[1] {
			e.Errorf("%s: got\n%swant\n%s", name, text[1], text[0])
		}
	}
}

// same compares the tables of an export with what the store holds.
func (e trip) same(s verify.Store, name string, m archive.Manifest) {
	e.Helper()
	var want, cells []string
	err := s.Snapshot(context.Background(), func(r verify.Reader) error {
		sources, err := r.Sources(context.Background())
		if err != nil {
			return err
		}
		for _, src := range sources {
			visits, err := r.Visits(context.Background(), src.Key)
			if err != nil {
				return err
			}
			for _, v := range visits {
				want = append(want, visitText(src.Key, v))
			}
		}
		delta, err := r.Cells(context.Background())
		for k, c := range delta {
			cells = append(cells, cellText(k, c))
		}
		return err
	})
	if err != nil {
		e.Fatalf("%v", err)
	}
	var got []string
	for _, r := range e.table(name, "visits.csv") {
		got = append(got, strings.Join(slices.Delete(r, 4, 5), " "))
	}
	if !slices.Equal(got, want) {
		e.Errorf("visits.csv: got\n%s\nstored are\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if m.Counts.Visits != int64(len(want)) {
		e.Errorf("got %d visits in the manifest, want %d", m.Counts.Visits, len(want))
	}
	got = nil
	for _, r := range e.table(name, "rollups.csv") {
		got = append(got, strings.Join(slices.Delete(r, 4, 5), " "))
	}
	slices.Sort(got)
	slices.Sort(cells)
	if !slices.Equal(got, cells) {
		e.Errorf("rollups.csv: got\n%s\nstored are\n%s", strings.Join(got, "\n"), strings.Join(cells, "\n"))
	}
}

// table reads a table without its titles.
func (e trip) table(name, file string) [][]string {
	e.Helper()
	f, err := os.Open(filepath.Join(e.dir, name, file))
	if err != nil {
		e.Fatalf("%v", err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) == 0 {
		e.Fatalf("%s: %v", file, err)
	}
	return rows[1:]
}

func utcText(milli int64) string {
	if milli == 0 {
		return ""
	}
	return time.UnixMilli(milli).UTC().Format("2006-01-02T15:04:05.000Z")
}

func visitText(key ingest.Key, v visit.Visit) string {
	within, counted, aside, marks := "", "yes", "", []string{}
	if v.Dated() {
		within = strconv.FormatInt(v.Within, 10)
	}
	if v.Aside != visit.Counted {
		counted, aside = "no", v.Aside.String()
	}
	if v.Mixed {
		marks = append(marks, "mixed")
	}
	if v.Insistent {
		marks = append(marks, "insistent")
	}
	return strings.Join([]string{
		string(v.Asked.Site), string(v.Asked.Touchpoint), string(v.Asked.Survey), string(v.Asked.Scale), utcText(v.At), within,
		strconv.Itoa(v.Rating), strconv.Itoa(v.Presses), counted, aside, strings.Join(marks, " "), string(key.Kiosk), key.Epoch.String(),
		strconv.FormatInt(int64(v.Seq), 10),
	}, " ")
}

func cellText(k rollup.Key, c rollup.Cell) string {
	utc := ""
	if k.Bucket != 0 {
		utc = utcText(k.Bucket.At().UnixMilli())
	}
	out := []string{string(k.Asked.Site), string(k.Asked.Touchpoint), string(k.Asked.Survey), string(k.Asked.Scale), utc, fmt.Sprint(c.Ratings())}
	scale, _ := feedback.ParseScale(string(k.Asked.Scale))
	for i, n := range c.Steps {
		if i < scale.Steps {
			out = append(out, fmt.Sprint(n))
		} else {
			out = append(out, "")
		}
	}
	for _, n := range c.Aside[1:] {
		out = append(out, fmt.Sprint(n))
	}
	return strings.Join(append(out, fmt.Sprint(c.Presses), fmt.Sprint(c.AsidePresses), fmt.Sprint(c.Mixed), fmt.Sprint(c.Insistent)), " ")
}
