package sqlstore_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"sourire/hub/ingest"
	"sourire/hub/store/sqlstore"
	"sourire/internal/feedback"
	"sourire/internal/postgrestest"
	"sourire/internal/wire"
)

// BenchmarkPostgres takes full batches of 50 kiosks in, in the groups that a busy
// hub makes, through a real ingester: decoded, folded into visits, with marks,
// roll-ups and commit. Beside it stands a bare COPY-and-merge of the same records
// and visits in transactions of the same size, by turns on the same server.
func BenchmarkPostgres(b *testing.B) {
	for _, size := range []int{200, 500} {
		b.Run(fmt.Sprintf("batches of %d", size), func(b *testing.B) { benchmarkPostgres(b, size) })
	}
}

// group is the records of a transaction, about.
const group = 4800

func benchmarkPostgres(b *testing.B, size int) {
	server := postgrestest.Start(b)
	address := server.Database()
	s := dial(b, address)
	term, err := s.TakeOver(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	g := ingest.New(s, ingest.Options{StoreID: "s", Term: term, Now: func() time.Time { return now }})
	bare := openBare(b, server, server.Database())
	var kiosks []*press
	for i := range 50 {
		kiosks = append(kiosks, &press{id: feedback.KioskID(fmt.Sprintf("kiosk-%d", i)), epoch: 1})
	}
	turn := 0
	next := func() []ingest.Batch { // a group, each batch of another kiosk
		var out []ingest.Batch
		for range group / size {
			out = append(out, kiosks[turn%len(kiosks)].batch(now, size))
			turn++
		}
		return out
	}
	const groups = 5 // by turns
	var ours, theirs, cpu, bareCPU time.Duration
	records := 0
	round := func() {
		for range groups {
			batches := next()
			began, used := time.Now(), usedCPU()
			for i, o := range g.Ingest(b.Context(), batches) {
				if o.Err != nil || o.Ack.Through != batches[i].Last() {
					b.Fatalf("got %+v", o)
				}
			}
			ours, cpu = ours+time.Since(began), cpu+usedCPU()-used
			records += len(batches) * size
		}
		for range groups {
			began, used := time.Now(), usedCPU()
			bare.write(b, group/size, size)
			theirs, bareCPU = theirs+time.Since(began), bareCPU+usedCPU()-used
		}
	}
	round() // which warms up
	ours, theirs, cpu, bareCPU, records = 0, 0, 0, 0, 0
	b.ResetTimer()
	for b.Loop() {
		round()
	}
	n := float64(records)
	b.ReportMetric(n/ours.Seconds(), "records/s")
	b.ReportMetric(n/theirs.Seconds(), "bare/s")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
	b.ReportMetric(float64(cpu.Microseconds())/n, "µsCPU/record")
	b.ReportMetric(float64(bareCPU.Microseconds())/n, "bareµsCPU/record")
	b.ReportMetric(0, "ns/op")
	b.Logf("%.0f bytes a press on the server", bytesEach(b, s, address))
}

// press is a kiosk that makes presses without end.
type press struct {
	id    feedback.KioskID
	epoch feedback.Epoch
	made  feedback.Seq
	hash  feedback.Hash
}

func (p *press) batch(now time.Time, size int) ingest.Batch {
	b := ingest.Batch{Kiosk: p.id, Batch: wire.Batch{
		V: wire.Version, Re: wire.Re{Nonce: "b", Number: int64(p.made)}, Epoch: p.epoch, First: p.made + 1, Before: p.hash, Oldest: 1,
	}}
	for range size {
		p.made++
		var f feedback.Fact = feedback.Press{Rating: int(p.made % 3), Held: 80}
		switch p.made {
		case 1:
			f = feedback.EpochBegan{Why: "new"}
		case 2:
			f = feedback.ClockFix{Boot: 1, Offset: now.Add(-24 * time.Hour).UnixMilli(), Uncertainty: 5, Source: "system"}
		case 3:
			f = feedback.PlanApplied{Plan: feedback.NewPlanID(nil), Asked: feedback.Asked{
				Site: feedback.SiteID("site-" + p.id), Touchpoint: "exit", Survey: "visit", Scale: "smiley3",
			}}
		}
		body := wire.AppendRecord(nil, feedback.Record{Stamp: feedback.Stamp{Boot: 1, Since: 20_000 * int64(p.made)}, Fact: f})
		b.Records = append(b.Records, body)
		p.hash = p.hash.Next(body)
	}
	b.Next = p.made + 1
	return b
}

func usedCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bytesEach returns what a press takes: records, visits, their keys, and all else.
func bytesEach(b *testing.B, s *sqlstore.Store, address string) float64 {
	b.Helper()
	c, err := pgx.Connect(context.Background(), address)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close(context.Background())
	var size, records int64
	err = c.QueryRow(context.Background(), `SELECT (SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace)::bigint,
		(SELECT count(*) FROM record)`).Scan(&size, &records)
	if err != nil {
		b.Fatal(err)
	}
	return float64(size) / float64(records)
}

// bare is a database with the hub's own tables and nobody who thinks: records go
// straight into their partition, visits into a table of the session and from
// there into theirs.
type bare struct {
	c    *pgx.Conn
	next [50]int64
	turn int
}

func openBare(b *testing.B, server *postgrestest.Server, address string) *bare {
	b.Helper()
	if err := dialed(b, address).Close(); err != nil { // makes the tables
		b.Fatal(err)
	}
	server.Exec(address, "CREATE TABLE record_all PARTITION OF record FOR VALUES FROM (0) TO (100000)")
	c, err := pgx.Connect(context.Background(), address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close(context.Background()) })
	if _, err := c.Exec(context.Background(), "CREATE TEMP TABLE stage (LIKE visit)"); err != nil {
		b.Fatal(err)
	}
	return &bare{c: c}
}

// write is one transaction.
func (w *bare) write(b *testing.B, batches, size int) {
	b.Helper()
	ctx := context.Background()
	var records, visits [][]any
	for range batches {
		source := w.turn % len(w.next)
		w.turn++
		for range size {
			w.next[source]++
			seq := w.next[source]
			records = append(records, []any{int32(20_000), int32(source), seq, wire.AppendRecord(nil, feedback.Record{
				Stamp: feedback.Stamp{Boot: 1, Since: 20_000 * seq}, Fact: feedback.Press{Rating: int(seq % 3), Held: 80},
			})})
			visits = append(visits, []any{int32(source), seq, int64(1), 20_000 * seq, int32(source), int16(seq % 3), int32(1), int16(0), int16(0), 1_790_000_000_000 + 20_000*seq, int64(10)})
		}
	}
	tx, err := w.c.Begin(ctx)
	if err != nil {
		b.Fatal(err)
	}
	columns := []string{"source", "seq", "boot", "since", "asked", "rating", "presses", "marks", "aside", "at", "within"}
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"record"}, []string{"day", "source", "seq", "body"}, pgx.CopyFromRows(records)); err != nil {
		b.Fatal(err)
	}
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"stage"}, columns, pgx.CopyFromRows(visits)); err != nil {
		b.Fatal(err)
	}
	if _, err := tx.Exec(ctx, `INSERT INTO visit SELECT * FROM stage ON CONFLICT (source, seq) DO UPDATE SET asked = excluded.asked,
		rating = excluded.rating, presses = excluded.presses, marks = excluded.marks, aside = excluded.aside, at = excluded.at, within = excluded.within`); err != nil {
		b.Fatal(err)
	}
	if _, err := tx.Exec(ctx, "TRUNCATE stage"); err != nil {
		b.Fatal(err)
	}
	if err := tx.Commit(ctx); err != nil {
		b.Fatal(err)
	}
}
