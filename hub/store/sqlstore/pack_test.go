package sqlstore_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sourire/hub/archive"
	"sourire/hub/ingest"
	"sourire/hub/store/sqlstore"
	"sourire/hub/store/storetest"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	"sourire/internal/postgrestest"
	"sourire/internal/wire"
)

// packer is a store that packs everything after each change, in stretches of a
// few records.
type packer struct {
	*sqlstore.Store
	changes int
	packed  *atomic.Int64
}

// Apply implements ingest.Store.
func (p *packer) Apply(ctx context.Context, term int64, changes []ingest.Change) ([]error, error) {
	errs, err := p.Store.Apply(ctx, term, changes)
	if err == nil {
		p.changes++
		var n int
		n, err = storetest.Pack(ctx, p.Store, term, 1+p.changes*3%8)
		p.packed.Add(int64(n))
	}
	return errs, err
}

// packing makes databases whose stores pack after each change. What a suite does
// to rows behind the store's back it does to those that have been unpacked.
func packing(t *testing.T, create func(t *testing.T) storetest.Database) func(t *testing.T) storetest.Database {
	var packed atomic.Int64
	t.Cleanup(func() {
		if packed.Load() < 1000 {
			t.Errorf("only %d records were ever packed", packed.Load())
		}
	})
	var wrap func(db storetest.Database) storetest.Database
	wrap = func(db storetest.Database) storetest.Database {
		open, exec, copied, obstruct := db.Open, db.Exec, db.Copy, db.Obstruct
		db.Open = func(tb testing.TB) storetest.IngestStore {
			return &packer{Store: open(tb).(*sqlstore.Store), packed: &packed}
		}
		unpack := func(tb testing.TB) {
			tb.Helper()
			s := open(tb).(*sqlstore.Store)
			if err := errors.Join(s.UnpackAll(context.Background()), s.Close()); err != nil {
				tb.Fatal(err)
			}
		}
		db.Exec = func(tb testing.TB, query string) {
			tb.Helper()
			unpack(tb)
			exec(tb, query)
		}
		db.Obstruct = func(tb testing.TB, key ingest.Key, seq feedback.Seq, at time.Time) {
			tb.Helper()
			unpack(tb) // a month that is gone has no room for a row
			obstruct(tb, key, seq, at)
		}
		db.Copy = func(tb testing.TB) storetest.Database { return wrap(copied(tb)) }
		return db
	}
	return func(t *testing.T) storetest.Database { return wrap(create(t)) }
}

func TestStore_packed(t *testing.T) {
	t.Parallel() // what takes long shares the cores
	t.Run("ingest", func(t *testing.T) { storetest.Ingest(t, packing(t, create)) })
	t.Run("archive", func(t *testing.T) { storetest.Archive(t, packing(t, create)) })
}

// onBoth runs a test on a store of each kind; exec executes a statement behind
// its back.
func onBoth(t *testing.T, test func(t *testing.T, s *sqlstore.Store, exec func(query string, args ...any))) {
	run := func(name string, s *sqlstore.Store, driver, address string) {
		t.Run(name, func(t *testing.T) {
			test(t, s, func(query string, args ...any) {
				t.Helper()
				db, err := sql.Open(driver, address)
				if err != nil {
					t.Fatal(err)
				}
				defer db.Close()
				r, err := db.Exec(query, args...)
				if err != nil {
					t.Fatal(err)
				}
				if n, err := r.RowsAffected(); err != nil || n == 0 {
					t.Fatalf("%s: got %d rows changed, %v", query, n, err)
				}
			})
		})
	}
	path := filepath.Join(t.TempDir(), "hub.db")
	s, err := sqlstore.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	run("sqlite", s, "sqlite", "file:"+path)
	address := postgrestest.Start(t).Database()
	run("postgres", dial(t, address), "pgx", address)
}

// packAll packs everything, and fails if that is nothing.
func packAll(t *testing.T, s *sqlstore.Store, records int) {
	t.Helper()
	n, err := storetest.Pack(t.Context(), s, termOf(t, s), records)
	if err != nil || n == 0 {
		t.Fatalf("got %d records packed, %v", n, err)
	}
}

func termOf(t *testing.T, s *sqlstore.Store) int64 {
	t.Helper()
	term, err := s.TakeOver(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return term
}

func exported(t *testing.T, s *sqlstore.Store) map[string]string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "export")
	m, err := archive.Export(t.Context(), s, dir, archive.ExportOptions{Zone: time.UTC, Now: releasedAt})
	if err != nil || len(m.Problems) > 0 {
		t.Fatalf("got %v, %v", m.Problems, err)
	}
	out := make(map[string]string)
	for _, name := range []string{"sources.jsonl", "records.jsonl", "comments.jsonl", "gaps.jsonl", "visits.csv", "rollups.csv", "README.txt"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(b)
	}
	return out
}

// What is packed is exported byte for byte as before, days of storing and hashes
// of batches included, and so is what is unpacked again.
func TestPack_export(t *testing.T) {
	onBoth(t, func(t *testing.T, s *sqlstore.Store, _ func(string, ...any)) {
		fill(t, s)
		now := releasedAt()
		k := storetest.NewKiosk(t, storetest.Ingester(t, s, func() time.Time { return now }), "store-3-exit", now)
		k.Asks(now, feedback.Asked{Site: "store-3", Touchpoint: "exit", Survey: "visit", Scale: "smiley3"})
		for i := range 40 {
			now = releasedAt().Add(time.Duration(i*i%50) * time.Hour) // steps back too
			k.Press(releasedAt().Add(time.Duration(i)*time.Hour), i%3)
			k.Send()
		}
		want := exported(t, s)
		same := func(what string) {
			t.Helper()
			for name, text := range exported(t, s) {
				if text != want[name] {
					t.Errorf("%s, %s: got\n%swant\n%s", what, name, text, want[name])
				}
			}
		}
		for _, records := range []int{1000, 7, 1} {
			packAll(t, s, records)
			same(fmt.Sprintf("packed by %d", records))
			if err := s.UnpackAll(t.Context()); err != nil {
				t.Fatal(err)
			}
			same("unpacked")
		}
	})
}

// Whatever byte of a pack is another, verify says so in a sentence, nobody reads
// it, and a change that works on it fails alone.
func TestPack_damaged(t *testing.T) {
	for _, column := range []string{"bodies", "visits", "hash", "before", "asked"} {
		t.Run(column, func(t *testing.T) {
			onBoth(t, func(t *testing.T, s *sqlstore.Store, exec func(string, ...any)) { packDamaged(t, s, column, exec) })
		})
	}
}

func packDamaged(t *testing.T, s *sqlstore.Store, column string, exec func(string, ...any)) {
	g := storetest.Ingester(t, s, releasedAt)
	first := batchOf("k", releasedAt(), 30)
	must := func(o ingest.Outcome) {
		t.Helper()
		if o.Err != nil || o.Ack.Refused != "" {
			t.Fatalf("got %+v", o)
		}
	}
	must(g.Ingest(t.Context(), []ingest.Batch{first})[0])
	packAll(t, s, 1000)
	g = storetest.Ingester(t, s, releasedAt)
	flip(t, s, column, exec)

	r, err := verify.Run(t.Context(), s, "", nil)
	if err != nil || r.OK() || !strings.Contains(strings.Join(r.Findings[0].Problems, "\n"), "records 1 to 33 are packed and the pack is damaged") {
		t.Errorf("got %+v, %v, want verify to name the pack", r, err)
	}
	var damage *ingest.DamageError
	key := ingest.Key{Kiosk: "k", Epoch: 1}
	if _, err := s.VisitsOfBoots(t.Context(), key, []feedback.Boot{1}); column == "visits" && !errors.As(err, &damage) {
		t.Errorf("visits: got %v", err)
	}
	if _, _, err := s.HashAt(t.Context(), key, 20); column == "bodies" && !errors.As(err, &damage) {
		t.Errorf("hash: got %v", err)
	}
	if _, err := s.Page(t.Context(), key, 0, 33); column == "bodies" && !errors.As(err, &damage) {
		t.Errorf("page: got %v", err)
	}
	// A press that joins the last visit of the pack, and a kiosk that is well.
	next := first
	next.First, next.Before = 34, feedback.Hash{}
	for _, body := range first.Records {
		next.Before = next.Before.Next(body)
	}
	next.Records = []json.RawMessage{wire.AppendRecord(nil, feedback.Record{Stamp: feedback.Stamp{Boot: 1, Since: 3000*32 + 500}, Fact: feedback.Press{Rating: 1, Held: 80}})}
	next.Next = 35
	out := g.Ingest(t.Context(), []ingest.Batch{batchOf("well", releasedAt(), 3), next})
	if !errors.As(out[1].Err, &damage) {
		t.Errorf("got %+v of a change that works on a damaged pack", out[1])
	}
	must(out[0])
	if r, err := verify.Run(t.Context(), s, "well", nil); err != nil || !r.OK() || r.Findings[0].Presses != 3 {
		t.Errorf("got %+v, %v", r, err)
	}
}

// flip turns one bit of a column of the pack over.
func flip(t *testing.T, s *sqlstore.Store, column string, exec func(string, ...any)) {
	t.Helper()
	b, err := s.PackColumn(t.Context(), column)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 4
	exec("UPDATE pack SET "+column+" = $1", b)
}

// TestPack_months: a month that packing has emptied goes, unless somebody reads,
// and is made again when the hub's clock goes back into it.
func TestPack_months(t *testing.T) {
	server := postgrestest.Start(t)
	address := server.Database()
	s := dial(t, address)
	now := time.Date(2026, 1, 30, 0, 0, 0, 0, time.UTC)
	g := storetest.Ingester(t, s, func() time.Time { return now })
	k := storetest.NewKiosk(t, g, "k", now)
	k.Asks(now, feedback.Asked{Site: "lyon", Touchpoint: "exit", Survey: "visit", Scale: "smiley3"})
	press := func(at string) {
		t.Helper()
		day, err := time.Parse(time.DateOnly, at)
		if err != nil {
			t.Fatal(err)
		}
		now = day.Add(time.Hour)
		k.Press(now, 2)
		k.Send()
	}
	months := func(want string) {
		t.Helper()
		db, err := sql.Open("pgx", address)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		var got string
		err = db.QueryRow("SELECT coalesce(string_agg(relname, ' ' ORDER BY relname), '') FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid WHERE inhparent = 'record'::regclass").Scan(&got)
		if err != nil || got != want {
			t.Errorf("got months %q, %v, want %q", got, err, want)
		}
	}
	term := int64(1)
	pack := func() {
		t.Helper()
		at := ingest.Place{}
		for first := true; first || at != (ingest.Place{}); first = false {
			var err error
			if at, _, err = s.Pack(t.Context(), term, at, ingest.Packing{Before: now.AddDate(0, 0, -2), Records: 1000}); err != nil {
				t.Fatal(err)
			}
		}
	}
	sound := func(presses int64) {
		t.Helper()
		if r, err := verify.Run(t.Context(), s, "", nil); err != nil || !r.OK() || r.Findings[0].Presses != presses {
			t.Errorf("got %+v, %v, want %d presses", r, err, presses)
		}
	}
	press("2026-01-31")
	press("2026-02-02")
	pack() // January waits two days
	months("record_2026_01 record_2026_02")
	press("2026-02-05")
	err := s.Snapshot(t.Context(), func(r verify.Reader) error { // who sees January as it was keeps it
		pack()
		months("record_2026_01 record_2026_02")
		n, err := r.Records(t.Context())
		if err != nil || n != 6 {
			t.Errorf("got %d records, %v", n, err)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	pack()
	months("record_2026_02")
	sound(3)
	press("2026-01-31") // the clock is wrong
	months("record_2026_01 record_2026_02")
	press("2026-03-09")
	press("2026-03-10")
	pack()
	months("record_2026_03")
	sound(6)
	if err := s.UnpackAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	months("record_2026_01 record_2026_02 record_2026_03")
	sound(6)
}

// What is packed is old, and either enough or cannot grow; a long loss in a journal
// ends a stretch and no more.
func TestPack_which(t *testing.T) {
	onBoth(t, func(t *testing.T, s *sqlstore.Store, _ func(string, ...any)) {
		now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
		g := storetest.Ingester(t, s, func() time.Time { return now })
		k := storetest.NewKiosk(t, g, "k", now)
		k.Asks(now, feedback.Asked{Site: "lyon", Touchpoint: "exit", Survey: "visit", Scale: "smiley3"})
		press := func(n int) {
			for range n {
				at := now.Add(time.Duration(k.Next()) * 3 * time.Second) // visits of their own
				k.Press(at, 2)
			}
			k.Send()
		}
		pack := func(days int, want ...int) {
			t.Helper()
			var got []int
			at := ingest.Place{}
			for first := true; first || at != (ingest.Place{}); first = false {
				next, n, err := s.Pack(t.Context(), 1, at, ingest.Packing{Before: now.AddDate(0, 0, days), Records: 1000})
				if err != nil {
					t.Fatal(err)
				}
				if at = next; n > 0 {
					got = append(got, n)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("got stretches of %v records, want %v", got, want)
			}
			if r, err := verify.Run(t.Context(), s, "", nil); err != nil || !r.OK() {
				t.Errorf("got %+v, %v", r, err)
			}
		}
		press(50)
		pack(0) // of today
		pack(1) // too few
		press(30)
		pack(1, 83)
		press(300)
		press(300)
		press(300)
		press(300)
		pack(1, 900, 300)
		press(10)
		pack(1)
		pack(40, 10) // the month is over
		now = now.AddDate(0, 0, 1)
		press(10)
		for range 7000 {
			k.Press(now, 1)
		}
		k.Lose()
		press(200)
		pack(1, 10, 200) // the loss is an end
		press(1)
		k.Press(now, 1)
		k.Lose()
		press(1)
		pack(40, 1, 1)
		press(100)
		if _, err := s.TakeOver(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, n, err := s.Pack(t.Context(), 1, ingest.Place{}, ingest.Packing{Before: now.AddDate(0, 0, 1), Records: 1000}); !ingest.Superseded(err) || n != 0 {
			t.Errorf("got %d records packed under an old term, %v", n, err)
		}
	})
}

// told tells when a round of packing has come to its end.
type told struct {
	*sqlstore.Store
	once sync.Once
	end  chan struct{}
}

// Pack implements ingest.Packs.
func (p *told) Pack(ctx context.Context, term int64, from ingest.Place, o ingest.Packing) (ingest.Place, int, error) {
	next, n, err := p.Store.Pack(ctx, term, from, o)
	if next == (ingest.Place{}) {
		p.once.Do(func() { close(p.end) })
	}
	return next, n, err
}

// A hub packs what an older version has left in rows, and takes in meanwhile.
func TestPack_byIntake(t *testing.T) {
	onBoth(t, func(t *testing.T, s *sqlstore.Store, _ func(string, ...any)) {
		fill(t, s)
		p := &told{Store: s, end: make(chan struct{})}
		now := func() time.Time { return releasedAt().AddDate(0, 2, 0) }
		answered := make(chan wire.Ack, 10)
		in := ingest.NewIntake(ingest.IntakeOptions{
			Ingester: ingest.New(s, ingest.Options{StoreID: "s", Term: termOf(t, s), Now: now}), Store: s, Packs: p,
			Answer: func(_ context.Context, answers []ingest.Answer) {
				for _, a := range answers {
					answered <- a.Ack
				}
			},
			Committed: func([]ingest.Batch, []ingest.Outcome) {},
		})
		payload, err := wire.EncodeBatch(batchOf("new", now(), 5).Batch)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- in.Run(ctx) }()
		in.Offer("new", payload)
		if a := <-answered; a.Through != 8 || a.Refused != "" {
			t.Errorf("got answer %+v", a)
		}
		<-p.end
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if rows, err := s.Rows(t.Context(), "record"); err != nil || rows != 8 {
			t.Errorf("got %d records in rows, %v, want the 8 that have just come", rows, err)
		}
		if r, err := verify.Run(t.Context(), s, "", nil); err != nil || !r.OK() || len(r.Findings) != 3 {
			t.Errorf("got %+v, %v", r, err)
		}
	})
}
