package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"sourire/hub/audit"
	"sourire/hub/ingest"
	"sourire/hub/upkeep"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	"sourire/internal/visit"
	"sourire/internal/wire"
)

const oneDay = 24 * time.Hour

// retain makes a run of retention by those periods and returns what it deleted.
func (b *bench) retain(k upkeep.Keep) upkeep.Deleted {
	b.Helper()
	d, err := b.retained.run(b.Context(), b.store, b.retention(k), time.UTC)
	if err != nil {
		b.Fatal(err)
	}
	b.check()
	return d
}

func (b *bench) retention(k upkeep.Keep) upkeep.Options {
	return upkeep.Options{Store: b.store, Term: b.term, Keep: k, Now: func() time.Time { return b.now }, Version: "v"}
}

// floor expects the records of a device to begin after a number.
func (b *bench) floor(d *device, want feedback.Seq) {
	b.Helper()
	if got := b.retained.floors[d.key()]; got != want {
		b.Errorf("%v: got floor %d, want %d", d.key(), got, want)
	}
}

// deletes expects counts.
func (b *bench) deletes(got upkeep.Deleted, want upkeep.Deleted) {
	b.Helper()
	for _, k := range []upkeep.What{upkeep.Comments, upkeep.Refused, upkeep.Records, upkeep.Visits, upkeep.Quarters, upkeep.DayRows} {
		if got[k] != want[k] {
			b.Errorf("got %d %s deleted, want %d", got[k], k, want[k])
		}
	}
}

func days(records, quarters, dayRows int) upkeep.Keep {
	return upkeep.Keep{Records: upkeep.Days(records), Quarters: upkeep.Days(quarters), Days: upkeep.Days(dayRows)}
}

// retentionCases are about what is kept no longer. After each step the bench finds
// cells and days as they were, and everything proved.
func retentionCases() []ingestCase {
	return []ingestCase{
		{"records go, numbers stay", recordsGo},
		{"quarters go, days stay", quartersGo},
		{"days go", func(b *bench) {
			d := oldKiosk(b)
			b.now = b.now.Add(400 * oneDay)
			got := b.retain(days(30, 60, 90))
			b.deletes(got, upkeep.Deleted{upkeep.Records: 33, upkeep.Visits: 29, upkeep.Quarters: 3, upkeep.DayRows: 1})
			d.presses(3)
			b.send(d, 34, 36, 36)
			b.rebuild(b.store)
		}},
		{"forever", func(b *bench) {
			oldKiosk(b)
			b.now = b.now.Add(4000 * oneDay)
			b.deletes(b.retain(upkeep.Keep{}), nil)
			b.deletes(b.retain(upkeep.Keep{Records: upkeep.Months(200), Quarters: upkeep.Months(200)}), nil)
		}},
		{"a press that comes late, where everything is gone", latePress},
		{"a clock that becomes known late dates what is kept", lateClock},
		{"a visit that may still change is kept", func(b *bench) {
			d := b.kiosk("k1", 3) // 4, 5, 6
			b.send(d, 1, 6, 6)
			b.now = b.now.Add(60 * oneDay)
			b.retain(days(30, 30, 30))
			b.floor(d, 6)
			d.since += 10_100
			d.add(feedback.Stuck{Press: 6})
			d.since += 300
			d.add(feedback.Press{Rating: 1, Held: 80})
			b.send(d, 7, 8, 8)
			b.check()
			b.rebuild(b.store)
		}},
		{"a plan and a test below the floor", func(b *bench) {
			d := b.kiosk("k1", 2)
			d.add(feedback.PlanApplied{Plan: feedback.NewPlanID(nil), Asked: askedAt("nice")})
			d.add(feedback.Test{On: true}) // 7
			b.send(d, 1, 7, 7)
			b.now = b.now.Add(60 * oneDay)
			b.retain(days(30, 30, 30))
			d.presses(3)
			b.forget()
			b.send(d, 8, 10, 10)
			b.rebuild(b.store)
		}},
		{"repeats and forks", repeatsBelowFloor},
		{"gaps and bad records", gapsBelowFloor},
		{"a journal that is to be read again is left alone", leftAlone},
		{"a replay that has read what is deleted", replayOutrun},
		{"a journal that does not prove itself is left alone", unproved},
		{"comments", commentsGo},
		{"refused payloads", refusedGo},
		{"a superseded hub deletes nothing", func(b *bench) {
			oldKiosk(b)
			b.now = b.now.Add(60 * oneDay)
			old := b.retention(days(30, 30, 30))
			b.takeOver()
			if _, err := upkeep.New(old).Once(b.Context()); !ingest.Superseded(err) {
				b.Errorf("got %v, want superseded", err)
			}
			b.check()
		}},
		{"more than one step", func(b *bench) {
			d := b.kiosk("k1", 2500)
			for first := feedback.Seq(1); first <= d.last(); first += 100 {
				b.send(d, first, min(d.last(), first+99), min(d.last(), first+99))
			}
			b.now = b.now.Add(60 * oneDay)
			b.deletes(b.retain(days(30, 90, 0)), upkeep.Deleted{upkeep.Records: 2503, upkeep.Visits: 2499})
			b.floor(d, 2503)
		}},
		{"a restored copy goes on", retainedCopy},
		{"zones that change", func(b *bench) {
			d := oldKiosk(b)
			b.now = b.now.Add(40 * oneDay)
			b.retain(days(30, 30, 0))
			for _, zone := range []string{"Pacific/Kiritimati", "America/Sao_Paulo", "UTC"} {
				b.zone("lyon", zone)
				if report, err := verify.Run(b.Context(), b.store, "", nil); err != nil || !report.OK() {
					b.Errorf("in %s: got %+v, %v", zone, report.Problems, err)
				}
			}
			b.send(d, 34, 33, 33)
		}},
		{"the audit log", auditLog},
		{"what is wrong with what is settled is found", wrongSettled},
	}
}

// wrongSettled spoils what is kept of what is deleted: verify finds each.
func wrongSettled(b *bench) {
	late, d := b.kiosk("k2", 2), oldKiosk(b)
	b.now = b.now.Add(40 * oneDay)
	b.send(late, 1, 5, 5)
	b.retain(days(30, 30, 0))
	d.presses(3)
	b.send(d, 34, 36, 36)
	b.now = b.now.Add(40 * oneDay)
	b.retain(days(30, 400, 0))
	for _, c := range []struct{ spoil, mend string }{
		{"UPDATE settled SET presses = presses + 1", "UPDATE settled SET presses = presses - 1"},
		{"UPDATE settled_day SET s1 = s1 + 1, presses = presses + 1", "UPDATE settled_day SET s1 = s1 - 1, presses = presses - 1"},
		{"UPDATE settled_day SET day = day + 1", "UPDATE settled_day SET day = day - 1"},
		{"UPDATE floor SET seq = seq - 1", "UPDATE floor SET seq = seq + 1"},
		{"UPDATE floor SET source = -source", "UPDATE floor SET source = -source"},
	} {
		b.db.Exec(b, c.spoil)
		report, err := verify.Run(b.Context(), b.store, "", nil)
		if err != nil || report.OK() {
			b.Errorf("%s: got %v and no problem from verify", c.spoil, err)
		}
		b.db.Exec(b, c.mend)
	}
}

// oldKiosk is a kiosk with 30 presses, minutes apart, that are stored.
func oldKiosk(b *bench) *device {
	d := b.kiosk("k1", 30)
	b.send(d, 1, 20, 20)
	b.send(d, 21, 33, 33)
	return d
}

func recordsGo(b *bench) {
	d := b.kiosk("k1", 40)
	b.send(d, 1, 10, 10)
	b.send(d, 11, 13, 13)
	b.now = b.now.Add(20 * oneDay)
	b.send(d, 14, 30, 30)
	b.now = b.now.Add(20 * oneDay)
	b.send(d, 31, 40, 40)
	b.deletes(b.retain(days(30, 60, 0)), upkeep.Deleted{upkeep.Records: 13, upkeep.Visits: 9})
	b.floor(d, 13)
	b.deletes(b.retain(days(30, 60, 0)), nil)
	b.rebuild(b.store)
	b.send(d, 41, 43, 43)
	b.forget()
	b.now = b.now.Add(200 * oneDay)
	b.deletes(b.retain(upkeep.Keep{Records: upkeep.Days(30)}), upkeep.Deleted{upkeep.Records: 30, upkeep.Visits: 30})
	b.floor(d, 43)
	b.rebuild(b.store)
	d.presses(5)
	b.send(d, 44, 48, 48)
	b.rebuild(b.store)
}

func quartersGo(b *bench) {
	d := oldKiosk(b)
	b.now = b.now.Add(40 * oneDay)
	d.presses(5)
	b.send(d, 34, 36, 36) // pressed with the others, and kept
	got := b.retain(days(30, 30, 0))
	b.deletes(got, upkeep.Deleted{upkeep.Records: 33, upkeep.Visits: 29, upkeep.Quarters: 3})
	b.rebuild(b.store)
	b.check()
	b.send(d, 37, 38, 38)
	b.now = b.now.Add(400 * oneDay)
	b.retain(days(30, 30, 0))
	b.floor(d, 38)
	b.rebuild(b.store)
}

func latePress(b *bench) {
	d, late := oldKiosk(b), b.kiosk("k2", 10)
	b.now = b.now.Add(500 * oneDay)
	b.retain(days(30, 60, 90))
	b.send(late, 1, 13, 13)
	b.check()
	b.rebuild(b.store)
	b.retain(days(30, 60, 90)) // its records are young
	b.floor(late, 0)
	b.now = b.now.Add(31 * oneDay)
	b.retain(days(30, 60, 90))
	b.floor(late, 13)
	d.presses(1)
	b.send(d, 34, 34, 34)
}

func lateClock(b *bench) {
	d := b.kiosk("k1", 2)
	d.reboot() // 6
	d.presses(10)
	b.send(d, 1, 10, 10)
	b.now = b.now.Add(20 * oneDay)
	b.send(d, 11, 16, 16)
	b.undated(10)
	b.now = b.now.Add(20 * oneDay)
	b.retain(days(30, 30, 30))
	b.floor(d, 10)
	d.add(feedback.ClockFix{Boot: d.boot, Offset: bootedAt + 3000*minute, Uncertainty: 50, Source: "hub"})
	b.send(d, 17, 17, 17)
	b.undated(3) // those that are settled
	b.rebuild(b.store)
	b.now = b.now.Add(60 * oneDay)
	b.retain(days(30, 30, 30))
	b.undated(3)
}

func repeatsBelowFloor(b *bench) {
	d := b.kiosk("k1", 40)
	b.send(d, 1, 20, 20)
	b.now = b.now.Add(40 * oneDay)
	b.send(d, 21, 30, 30)
	b.retain(days(30, 60, 0))
	b.floor(d, 20)
	b.forget()
	for _, r := range [][2]feedback.Seq{{1, 20}, {1, 30}, {5, 12}, {20, 20}, {21, 30}, {20, 25}, {1, 0}, {12, 11}, {21, 20}} {
		b.send(d, r[0], r[1], 30)
	}
	c := d.clone(25) // forks above the floor
	c.add(feedback.Test{})
	c.presses(9)
	b.refused(c, 22, 30, 30)
	b.refused(c, 3, 30, 30)
	b.send(d, 15, 43, 43) // over both
}

func gapsBelowFloor(b *bench) {
	d := b.kiosk("k1", 10)
	d.raw([]byte(`null`)) // 14
	d.presses(30)
	b.send(d, 1, 16, 16)
	d.oldest = 20
	b.send(d, 20, 25, 25)
	b.now = b.now.Add(40 * oneDay)
	d.raw([]byte(`["press"]`)) // 45
	b.send(d, 26, 45, 45)
	b.forget()
	if _, err := b.ingester.Replay(b.Context(), b.store, d.key(), "v"); err != nil { // which is what a start does
		b.Fatal(err)
	}
	b.deletes(b.retain(days(30, 60, 0)), upkeep.Deleted{upkeep.Records: 22, upkeep.Visits: 17})
	b.floor(d, 25)
	b.gaps(d, ingest.Gap{First: 17, Last: 19, Why: ingest.GapPruned})
	b.rebuild(b.store)
	report, err := verify.Run(b.Context(), b.store, "", nil)
	if f := report.Findings[0]; err != nil || f.Deleted != 22 || f.Lost != 3 || f.Received != 20 || f.Quarantined != 1 || f.Waiting() != 0 {
		b.Errorf("got %+v, %v", f, err)
	}
	b.now = b.now.Add(40 * oneDay)
	b.retain(days(30, 60, 0))
	b.floor(d, 45)
	child := b.child(d, 45, 0)
	child.presses(3)
	b.send(child, 1, 3, 3)
}

func leftAlone(b *bench) {
	d := oldKiosk(b)
	b.now = b.now.Add(60 * oneDay)
	b.db.Age(b, d.key())
	b.deletes(b.retain(days(30, 60, 0)), nil)
	b.rebuild(b.store)
	b.retain(days(30, 60, 0))
	b.floor(d, 33)
}

// replayOutrun lets retention come between what a replay reads and what it writes.
func replayOutrun(b *bench) {
	d := oldKiosk(b)
	b.now = b.now.Add(60 * oneDay)
	key := d.key()
	_, err := b.ingester.Replay(b.Context(), outrunning{b.store, func() { b.retain(days(30, 60, 0)) }}, key, "v")
	if !errors.Is(err, ingest.ErrStale) {
		b.Errorf("got %v, want that the journal has changed", err)
	}
	b.floor(d, 33)
	if _, err := b.ingester.Replay(b.Context(), b.store, key, "v"); err != nil {
		b.Error(err)
	}
	d.presses(2)
	b.send(d, 34, 35, 35)
}

func unproved(b *bench) {
	d, other := oldKiosk(b), b.kiosk("k2", 5)
	b.send(other, 1, 8, 8)
	b.db.Exec(b, `UPDATE record SET body = (SELECT body FROM record r WHERE r.seq = 9 AND r.source = record.source) WHERE seq = 10`)
	b.now = b.now.Add(60 * oneDay)
	err := func() error { _, err := upkeep.New(b.retention(days(30, 60, 0))).Once(b.Context()); return err }()
	if !errors.Is(err, upkeep.ErrUnproved) || !strings.Contains(err.Error(), "k1 epoch") {
		b.Errorf("got %v, want that k1 cannot prove itself", err)
	}
	report, err := verify.Run(b.Context(), b.store, "k2", nil)
	if err != nil || report.Findings[0].Deleted != 8 {
		b.Errorf("got %+v, %v, want that the other journal went on", report, err)
	}
	// Mend it, so that the bench may check the rest.
	b.db.Clear(b, d.key(), 10, b.now.Add(-60*oneDay))
	b.db.Obstruct(b, d.key(), 10, b.now.Add(-60*oneDay))
	delete(b.devices, d.key())
	b.db.Exec(b, "DELETE FROM source WHERE kiosk = 'k1'")
	b.db.Exec(b, "DELETE FROM record")
	b.db.Exec(b, "DELETE FROM visit WHERE source NOT IN (SELECT id FROM source)")
	if err := b.retained.look(b.Context(), b.store, visitsOf(b, other), b.retention(days(30, 60, 0)), time.UTC); err != nil {
		b.Fatal(err)
	}
	b.rebuild(b.store)
}

func commentsGo(b *bench) {
	d := b.kiosk("k1", 1)
	written := func(text string) {
		t := wire.Text{Seq: d.last() + 1, Salt: []byte{7}, Text: text}
		d.add(feedback.Comment{Press: 4, Digest: t.Digest()})
		d.texts[t.Seq] = t
	}
	written("old")
	b.send(d, 1, 5, 5)
	b.now = b.now.Add(40 * oneDay)
	written("old, and it came late") // 6
	d.since += 40 * 24 * 60 * minute
	written("new") // 7
	b.send(d, 6, 7, 7)
	got := func() map[feedback.Seq]string { return b.db.Comments(b, d.key()) }
	if len(got()) != 3 {
		b.Fatalf("got %v", got())
	}
	b.deletes(b.retain(upkeep.Keep{Comments: upkeep.Days(30)}), upkeep.Deleted{upkeep.Comments: 2})
	if c := got(); len(c) != 1 || c[7] != "new" {
		b.Errorf("got %v, want the new one", c)
	}
	b.send(d, 1, 7, 7) // texts come again, and are not kept again
	if c := got(); len(c) != 1 {
		b.Errorf("got %v, want the new one", c)
	}
	b.rebuild(b.store)
	// A clock that is years ahead does not keep a text beyond its record.
	d.reboot()
	d.add(feedback.ClockFix{Boot: d.boot, Offset: bootedAt + 9000*24*60*minute, Uncertainty: 50, Source: "system"})
	written("from the future") // 10
	b.send(d, 8, 10, 10)
	b.now = b.now.Add(31 * oneDay)
	b.deletes(b.retain(upkeep.Keep{Comments: upkeep.Days(30)}), upkeep.Deleted{upkeep.Comments: 2})
}

func refusedGo(b *bench) {
	d := oldKiosk(b)
	c := d.clone(10)
	c.add(feedback.Test{})
	c.presses(40)
	b.refused(c, 11, 20, 33)
	b.now = b.now.Add(20 * oneDay)
	b.refused(c, 11, 21, 33)
	b.now = b.now.Add(20 * oneDay)
	b.deletes(b.retain(upkeep.Keep{Comments: upkeep.Days(30), Records: upkeep.Days(300)}), upkeep.Deleted{upkeep.Refused: 1})
	if kept, _, counted := b.db.Refused(b, d.id); kept != 1 || counted != 2 {
		b.Errorf("got %d kept of %d, want 1 of 2", kept, counted)
	}
}

// retainedCopy goes on from a backup that still holds what is deleted since, and
// kiosks send again.
func retainedCopy(b *bench) {
	d := b.kiosk("k1", 60)
	b.send(d, 1, 20, 20)
	b.now = b.now.Add(20 * oneDay)
	b.send(d, 21, 40, 40)
	backup := b.db.Copy(b)
	before := b.retained
	b.now = b.now.Add(20 * oneDay)
	b.retain(days(30, 60, 0))
	b.floor(d, 20)
	b.send(d, 41, 63, 63)

	b.db, b.retained = backup, before
	b.store = b.open()
	b.takeOver()
	b.floor(d, 0)
	b.check()
	b.send(d, 64, 63, 40)
	b.retain(days(30, 60, 0)) // deletes what is over
	b.floor(d, 20)
	b.send(d, 1, 63, 63)
	b.rebuild(b.store)
}

func auditLog(b *bench) {
	oldKiosk(b)
	entries := func() []audit.Entry { return must(b.store.Entries(b.Context(), 0, 100))(b) }
	b.retain(days(100, 100, 0))
	b.retain(days(100, 100, 0))
	if e := entries(); len(e) != 1 || e[0].What != "keep" || e[0].Was != nil || !strings.Contains(string(e[0].Became), "100 days") {
		b.Fatalf("got %+v, want the first periods", e)
	}
	began := b.now.Add(60 * oneDay)
	b.now = began
	b.retain(days(30, 60, 0))
	e := entries()
	if len(e) != 3 || e[1].What != "keep" || !strings.Contains(string(e[1].Was), "100 days") || e[2].What != "retention" || e[2].Who != "retention" || !e[2].At.Equal(began) {
		b.Fatalf("got %+v, want the change of periods and the run", e)
	}
	var said struct {
		Deleted upkeep.Deleted
		Before  map[string]time.Time
	}
	if err := json.Unmarshal(e[2].Became, &said); err != nil || said.Deleted[upkeep.Records] != 33 || !said.Before["records"].Equal(began.AddDate(0, 0, -30)) {
		b.Errorf("got %s, %v", e[2].Became, err)
	}
	if got := must(b.store.Entries(b.Context(), e[1].ID, 1))(b); len(got) != 1 || got[0].ID != e[2].ID {
		b.Errorf("got %+v, want the last", got)
	}
	for _, query := range []string{"UPDATE audit SET who = 'nobody'", "DELETE FROM audit", "DELETE FROM audit WHERE id = 1"} {
		if err := b.db.Try(b, query); err == nil {
			b.Errorf("%s: got nil, want it refused", query)
		}
	}
	if got := entries(); len(got) != 3 {
		b.Errorf("got %+v, want all", got)
	}
}

// outrunning is a store in which something happens behind what a replay reads.
type outrunning struct {
	IngestStore
	then func()
}

func visitsOf(b *bench, keep *device) map[ingest.Key]map[feedback.Seq]visit.Visit {
	out := make(map[feedback.Seq]visit.Visit)
	for seq, v := range foldOf(b, keep, keep.last(), nil).visits {
		out[seq] = v
	}
	return map[ingest.Key]map[feedback.Seq]visit.Visit{keep.key(): out}
}

// Journal reads a journal, and then lets it happen.
func (o outrunning) Journal(ctx context.Context, key ingest.Key, do func(ingest.Row) error) (ingest.Mark, []visit.Visit, error) {
	m, visits, err := o.IngestStore.Journal(ctx, key, do)
	o.then()
	return m, visits, err
}
