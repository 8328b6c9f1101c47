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
	"sourire/hub/store/sqlstore/bare"
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
	limit, err := bare.Open(b.Context(), server.Database(), 50)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { limit.Close() })
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
			if err := limit.Write(b.Context(), group/size, size); err != nil {
				b.Fatal(err)
			}
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
