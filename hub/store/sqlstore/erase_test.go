package sqlstore_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sourire/hub/ingest"
	"sourire/hub/store/sqlstore"
	"sourire/hub/upkeep"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	"sourire/internal/postgrestest"
	"sourire/internal/wire"
)

// guestbook is comments of many kiosks, stored in random order over some days.
type guestbook struct {
	old, young []string // what is written and recorded, before and after an instant
	at         time.Time
}

func (g *guestbook) fill(t *testing.T, s *sqlstore.Store) {
	t.Helper()
	term, err := s.TakeOver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 10, 12, 0, 0, 0, time.UTC)
	ingester := ingest.New(s, ingest.Options{StoreID: "s", Term: term, Now: func() time.Time { return now }})
	r := rand.New(rand.NewPCG(1, 2))
	const kiosks, rounds = 60, 100 // as many as it takes for a copy to be left behind
	var books [kiosks]wire.Batch
	for round := range rounds {
		if round == rounds/2 {
			now = now.AddDate(0, 0, 60)
			g.at = now
		}
		var batches []ingest.Batch
		for _, k := range r.Perm(kiosks) {
			b := &books[k]
			if round == 0 {
				*b = batchOf(feedback.KioskID(fmt.Sprint("k", k)), now, 1).Batch
			} else {
				*b = wire.Batch{V: wire.Version, Re: wire.Re{Nonce: "n", Number: int64(round + 1)}, Epoch: 1, First: b.Next, Before: b.Before, Oldest: 1, Next: b.Next}
			}
			text := wire.Text{Seq: b.Next, Salt: []byte{1, 2, 3}, Text: fmt.Sprintf("said by %d in round %d: %s.", k, round, strings.Repeat(string(rune('a'+r.IntN(26))), r.IntN(250)))}
			body := wire.AppendRecord(nil, feedback.Record{Stamp: feedback.Stamp{Boot: 9, Since: 1_000_000_000 + r.Int64N(1e12)}, Fact: feedback.Comment{Press: 4, Digest: text.Digest()}})
			b.Records, b.Texts = append(b.Records, body), []wire.Text{text}
			b.Next++
			batches = append(batches, ingest.Batch{Kiosk: feedback.KioskID(fmt.Sprint("k", k)), Batch: *b})
			h := b.Before
			for _, x := range b.Records {
				h = h.Next(x)
			}
			b.Before = h
			if round < rounds/2 {
				g.old = append(g.old, text.Text, string(body))
			} else {
				g.young = append(g.young, text.Text, string(body))
			}
		}
		for i, o := range ingester.Ingest(t.Context(), batches) {
			if o.Err != nil || o.Ack.Refused != "" || o.Ack.Through != batches[i].Last() {
				t.Fatalf("got %+v", o)
			}
		}
	}
}

func (g *guestbook) forgetOld(t *testing.T, s *sqlstore.Store) {
	t.Helper()
	term, err := s.Term(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d, err := upkeep.New(upkeep.Options{
		Store: s, Term: term, Now: func() time.Time { return g.at }, Version: "v",
		Keep: upkeep.Keep{Comments: upkeep.Days(30), Records: upkeep.Days(30), Quarters: upkeep.Days(30)},
	}).Once(context.Background())
	if err != nil || d[upkeep.Comments] != int64(len(g.old)/2) || d[upkeep.Records] < int64(len(g.old)/2) {
		t.Fatalf("got %v, %v, want %d comments deleted", d, err, len(g.old)/2)
	}
	if r, err := verify.Run(t.Context(), s, "", nil); err != nil || !r.OK() {
		t.Errorf("got %+v, %v", r.Problems, err)
	}
}

// remains returns which of some texts files hold.
func remains(t *testing.T, texts []string, files ...string) (found []string) {
	t.Helper()
	var all []byte
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	for _, text := range texts {
		// A text may be cut where a page ends: what is readable of it counts.
		if bytes.Contains(all, []byte(text[:min(len(text), 32)])) {
			found = append(found, text)
		}
	}
	return found
}

// What is deleted is in no file of the database: not in what is free of a page, not
// in the log, not in its index. This is looked for beside an open store.
func TestErase_sqlite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	s := openStore(t, path)
	var g guestbook
	g.fill(t, s)
	files := []string{path, path + "-wal", path + "-shm"}
	if got := remains(t, g.old, files...); len(got) != len(g.old) {
		t.Fatalf("got %d of %d texts before: this test sees nothing", len(got), len(g.old))
	}
	g.forgetOld(t, s)
	if got := remains(t, g.old, files...); len(got) != 0 {
		t.Errorf("%d of %d texts that are deleted can be read, such as %q", len(got), len(g.old), got[0])
	}
	if got := remains(t, g.young, files...); len(got) != len(g.young) {
		t.Errorf("got %d of %d texts that are kept", len(got), len(g.young))
	}
	if log, err := os.Stat(path + "-wal"); err != nil || log.Size() > 64<<10 { // the audit log's row comes behind
		t.Errorf("got a log of %d bytes, %v, want next to none", log.Size(), err)
	}
}

// A reader who reads for long keeps the log from being emptied: the run says so, is
// counted by the next one, and presses do not wait for it.
func TestErase_longReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	s := openStore(t, path)
	var g guestbook
	g.fill(t, s)
	term, err := s.Term(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	o := upkeep.Options{Store: s, Term: term, Now: func() time.Time { return g.at }, Version: "v", Keep: upkeep.Keep{Comments: upkeep.Days(30)}}
	err = s.Snapshot(t.Context(), func(r verify.Reader) error {
		if _, err := r.Records(t.Context()); err != nil {
			return err
		}
		if _, err := upkeep.New(o).Once(t.Context()); err == nil || !strings.Contains(err.Error(), "its log cannot be emptied yet") {
			t.Errorf("got %v, want that the log cannot be emptied", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if d, err := upkeep.New(o).Once(t.Context()); err != nil || d[upkeep.Comments] != int64(len(g.old)/2) {
		t.Errorf("got %v, %v, want what the first run deleted", d, err)
	}
	var comments []string
	for i := 0; i < len(g.old); i += 2 {
		comments = append(comments, g.old[i])
	}
	if got := remains(t, comments, path, path+"-wal"); len(got) != 0 {
		t.Errorf("%d texts that are deleted can be read", len(got))
	}
}

// On PostgreSQL the files of the tables hold nothing of what is deleted; its log
// (pg_wal) does for a while.
func TestErase_postgres(t *testing.T) {
	server := postgrestest.Start(t)
	address := server.Database()
	s := dial(t, address)
	var g guestbook
	g.fill(t, s)
	checkpoint := func() { server.Exec(server.URL("sourire", "", "postgres"), "CHECKPOINT") }
	tables := func() (files []string) {
		checkpoint()
		err := filepath.WalkDir(filepath.Join(server.Data(), "base"), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	if got := remains(t, g.old, tables()...); len(got) < len(g.old)/2 {
		t.Fatalf("got %d of %d texts before: this test sees nothing", len(got), len(g.old))
	}
	g.forgetOld(t, s)
	files := tables()
	if got := remains(t, g.old, files...); len(got) != 0 {
		t.Errorf("%d of %d texts that are deleted can be read, such as %q", len(got), len(g.old), got[0])
	}
	if got := remains(t, g.young, files...); len(got) != len(g.young) {
		t.Errorf("got %d of %d texts that are kept", len(got), len(g.young))
	}
}
