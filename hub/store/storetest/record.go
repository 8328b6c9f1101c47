package storetest

import (
	"bytes"
	"maps"
	"strings"

	"sourire/hub/ingest"
	"sourire/hub/rollup"
	"sourire/hub/verify"
	"sourire/internal/feedback"
	"sourire/internal/wire"
)

// recordCases are about what is in a batch.
func recordCases() []ingestCase {
	return append([]ingestCase{
		{"a bad record among good ones", func(b *bench) {
			d := b.kiosk("k1", 3)
			d.raw([]byte(`["press",1,"x"]`)) // 7
			d.presses(3)
			b.send(d, 1, 10, 10)
			b.send(d, 5, 10, 10)
			b.send(d, 8, 7, 10)
		}},
		{"bad records at both ends of a batch", func(b *bench) {
			d := b.kiosk("k1", 1)
			d.raw([]byte(`null`)) // 5
			d.presses(2)
			d.raw([]byte(`{"press":1}`)) // 8
			d.presses(1)
			b.send(d, 1, 4, 4)
			b.send(d, 5, 8, 8)
			b.forget()
			b.send(d, 8, 7, 8)
			b.send(d, 9, 8, 8)
			b.send(d, 6, 9, 9)
		}},
		{"nothing but bad records", func(b *bench) {
			d := b.kiosk("k1", 0)
			for _, bad := range []string{`[]`, `"x"`, `7`, `["press"]`, `[ "press", 1, 2 ]`, `["press",0,0,0,0]`, `["press",1,0,99,0]`} {
				d.raw([]byte(bad))
			}
			b.send(d, 1, 3, 3)
			b.send(d, 4, 8, 8)
			b.send(d, 6, 10, 10)
			b.send(d, 7, 6, 10)
		}},
		{"a press before any plan", func(b *bench) {
			d := &device{id: "k1", epoch: 1, boot: 1, oldest: 1, hashes: make([]feedback.Hash, 1)}
			b.devices[d.key()] = d
			d.add(feedback.EpochBegan{})
			d.presses(2)
			d.add(feedback.PlanApplied{Plan: feedback.NewPlanID(nil), Asked: askedAt("lyon")})
			d.presses(2)
			b.send(d, 1, 2, 2)
			b.send(d, 3, 6, 6)
		}},
		{"a rating that its scale has not", func(b *bench) {
			d := b.kiosk("k1", 1)
			d.add(feedback.Press{Rating: 3, Held: 80})
			nps := askedAt("lyon")
			nps.Scale = "nps"
			d.add(feedback.PlanApplied{Plan: feedback.NewPlanID(nil), Asked: nps})
			d.add(feedback.Press{Rating: 3, Held: 80})
			b.send(d, 1, 7, 7)
		}},
		{"a kind that is not known", func(b *bench) {
			d := b.kiosk("k1", 1)
			d.raw([]byte(`["from-later",1,61000,{"some":["thing"]}]`))
			d.raw([]byte("[ \"also\" , 1,\t61001 ]"))
			d.presses(1)
			b.send(d, 1, 5, 5)
			b.send(d, 5, 7, 7)
			b.send(d, 6, 5, 7)
		}},
		{"500 records", func(b *bench) {
			d := b.kiosk("k1", 1200)
			b.send(d, 1, 500, 500)
			b.send(d, 400, 899, 899)
			b.send(d, 900, 1203, 1203)
		}},
		{"comments", comments},
		{"refused payloads are bounded", refusedBounded},
	}, datingCases()...)
}

func comments(b *bench) {
	d := b.kiosk("k1", 1)
	comment := func(text string, spoil func(*wire.Text)) {
		t := wire.Text{Seq: d.last() + 1, Salt: []byte{1, 2, 3, byte(d.last())}, Text: text}
		d.add(feedback.Comment{Press: 4, Digest: t.Digest()})
		if spoil != nil {
			spoil(&t)
		}
		d.texts[t.Seq] = t
	}
	comment("Merci !", nil)                                              // 5
	comment("as it was", func(t *wire.Text) { t.Text = "as it is now" }) // 6
	comment("salted", func(t *wire.Text) { t.Salt[0]++ })                // 7
	comment(strings.Repeat("é", wire.MaxComment), nil)                   // 8
	comment(strings.Repeat("é", wire.MaxComment+1), nil)                 // 9
	comment("", nil)                                                     // 10
	comment("zero \x00 byte", nil)                                       // 11
	d.texts[4] = wire.Text{Seq: 4, Salt: []byte{1}, Text: "of a press"}
	b.send(d, 1, 6, 6)
	b.send(d, 2, 11, 11)
	b.send(d, 5, 11, 11)
	want := map[feedback.Seq]string{5: "Merci !", 8: strings.Repeat("é", wire.MaxComment), 10: "", 11: "zero \x00 byte"}
	if got := b.db.Comments(b, d.key()); !maps.Equal(got, want) {
		b.Errorf("got comments %v, want %v", got, want)
	}
}

// refusedBounded sends more forks than anybody would want to keep.
func refusedBounded(b *bench) {
	const most, mostBytes = 100, 8 << 20
	d, other := b.kiosk("k1", 10), b.kiosk("k2", 10)
	b.send(d, 1, 13, 13)
	b.send(other, 1, 13, 13)
	c := d.clone(8)
	c.add(feedback.Test{})
	text := wire.Text{Seq: 10, Salt: []byte{1}, Text: strings.Repeat("<", 20_000)} // six bytes each when it is escaped
	c.add(feedback.Comment{Press: 4, Digest: text.Digest()})
	c.texts[10] = text
	c.presses(200)
	for range 150 {
		b.refused(c, 9, 200, 13)
	}
	err := b.store.Refuse(b.Context(), []ingest.Refused{
		{Kiosk: "k3", At: b.now, Refusal: wire.RefusedUnreadable, Why: "empty"},
		{Kiosk: "k3", At: b.now, Refusal: wire.RefusedUnreadable, Why: "long", Payload: bytes.Repeat([]byte{0xff}, 10<<20)},
	})
	if err != nil {
		b.Fatal(err)
	}
	e := other.clone(5)
	e.add(feedback.Test{})
	b.refused(e, 6, 6, 13)
	for _, tt := range []struct {
		kiosk   feedback.KioskID
		least   int
		counted int64
	}{{"k1", 1, 150}, {"k2", 1, 1}, {"k3", 2, 2}, {"k4", 0, 0}} {
		kept, size, counted := b.db.Refused(b, tt.kiosk)
		if kept < tt.least || kept > most || size > mostBytes || counted != tt.counted {
			b.Errorf("%s: got %d kept of %d, %d bytes, want %d to %d of %d, at most %d bytes",
				tt.kiosk, kept, counted, size, tt.least, most, tt.counted, mostBytes)
		}
	}
}

// datingCases are clock fixes that date what is stored already.
func datingCases() []ingestCase {
	const day = 24 * 60 * minute
	fix := func(d *device, offset, within int64) {
		d.add(feedback.ClockFix{Boot: d.boot, Offset: offset, Uncertainty: within, Source: "hub"})
	}
	return []ingestCase{
		{"a clock fix dates the visits of former batches", func(b *bench) {
			d := b.kiosk("k1", 2)
			d.reboot()
			d.presses(40)
			b.send(d, 1, 20, 20)
			b.send(d, 21, d.last(), d.last())
			b.undated(40)
			fix(d, bootedAt+day, 500)
			d.presses(1)
			b.forget()
			b.send(d, d.last()-1, d.last(), d.last())
			b.undated(0)
		}},
		{"a better clock fix moves them", func(b *bench) {
			d := b.kiosk("k1", 2)
			d.reboot()
			d.presses(5)
			fix(d, bootedAt+day, 500)
			b.send(d, 1, d.last(), d.last())
			fix(d, bootedAt+2*day, 250)
			b.send(d, d.last(), d.last(), d.last())
			fix(d, bootedAt+5*day, 126) // does not halve it
			b.send(d, d.last(), d.last(), d.last())
			b.undated(0)
		}},
		{"a clock fix and a press that joins a stored visit, at once", func(b *bench) {
			d := b.kiosk("k1", 1)
			d.reboot()
			d.presses(1)
			b.send(d, 1, d.last(), d.last())
			fix(d, bootedAt+day, 500)
			d.since += 700
			d.add(feedback.Press{Rating: 1, Held: 80})
			b.send(d, d.last()-1, d.last(), d.last())
			b.undated(0)
		}},
		{"two clock fixes of one boot at once", func(b *bench) {
			d := b.kiosk("k1", 1)
			d.reboot()
			d.presses(3)
			b.send(d, 1, d.last(), d.last())
			first := d.last() + 1
			fix(d, bootedAt+day, 13*60*minute) // over 12 h: still undated
			d.presses(1)
			fix(d, bootedAt+2*day, 250)
			b.send(d, first, d.last(), d.last())
			b.undated(0)
		}},
		{"boots without a clock lie between their neighbours", func(b *bench) {
			d := b.kiosk("k1", 2)
			d.reboot()
			d.presses(3)
			d.reboot()
			d.presses(3)
			b.send(d, 1, d.last(), d.last())
			b.undated(6)
			d.reboot()
			fix(d, bootedAt+60*minute, 500)
			b.send(d, d.last()-1, d.last(), d.last())
			b.undated(0)
		}},
		{"a clock fix of one kiosk is not one of another", func(b *bench) {
			d, e := b.kiosk("k1", 2), b.kiosk("k2", 2)
			for _, x := range []*device{d, e} {
				x.reboot()
				x.presses(3)
				b.send(x, 1, x.last(), x.last())
			}
			fix(d, bootedAt+day, 500)
			b.send(d, d.last(), d.last(), d.last())
			b.undated(3)
		}},
		{"a stuck button is told in a later batch", func(b *bench) {
			d := b.kiosk("k1", 1)
			b.send(d, 1, 4, 4)
			d.since += 10_100
			d.add(feedback.Stuck{Press: 4})
			b.send(d, 5, 5, 5)
		}},
	}
}

// undated checks how many visits the roll-ups hold without a date.
func (b *bench) undated(want int64) {
	b.Helper()
	b.read(func(r verify.Reader) error {
		cells, err := r.Cells(b.Context())
		if err != nil {
			return err
		}
		var got int64
		for k, c := range cells {
			if k.Bucket == rollup.BucketOf(0) {
				got += c.SetAside()
			}
		}
		if got != want {
			b.Errorf("got %d visits without a date, want %d", got, want)
		}
		return nil
	})
}
