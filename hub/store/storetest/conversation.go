package storetest

import (
	"sourire/hub/ingest"
	"sourire/internal/feedback"
)

// conversationCases are step 4 of the conversation: what a batch is, seen from
// the journal's mark.
func conversationCases() []ingestCase {
	return []ingestCase{
		{"a repeat", func(b *bench) {
			d := b.kiosk("k1", 5) // records 1 to 8
			b.send(d, 1, 8, 8)
			b.send(d, 1, 8, 8)
			b.send(d, 3, 5, 8)
			b.send(d, 8, 8, 8)
			b.forget()
			b.send(d, 1, 8, 8)
			b.send(d, 2, 7, 8)
		}},
		{"what follows", func(b *bench) {
			d := b.kiosk("k1", 20)
			b.send(d, 1, 1, 1)
			b.send(d, 2, 9, 9)
			b.forget()
			b.send(d, 10, 23, 23)
		}},
		{"partly repeated", func(b *bench) {
			d := b.kiosk("k1", 20)
			b.send(d, 1, 5, 5)
			b.send(d, 3, 8, 8)
			b.send(d, 1, 23, 23)
			b.send(d, 22, 23, 23)
		}},
		{"a hole", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 1, 3, 3)
			b.send(d, 5, 8, 3)
			b.send(d, 13, 13, 3)
			b.send(d, 4, 13, 13)
			b.gaps(d)
		}},
		{"a hole in a journal that is not known", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 5, 8, 0)
			b.send(d, 1, 13, 13)
		}},
		{"a question", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 1, 0, 0)
			b.send(d, 14, 13, 0) // "do you have all 13?"
			b.send(d, 1, 9, 9)
			b.send(d, 1, 0, 9)
			b.send(d, 10, 9, 9)
			b.send(d, 5, 4, 9)
			b.send(d, 14, 13, 9)
		}},
		{"a question tells how far the journal goes", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 1, 3, 3)
			d.presses(7) // 14 to 20
			b.send(d, 4, 3, 3)
			if got := b.source(d).Mark.Heard; got != 21 {
				b.Errorf("got %d as the highest next, want 21", got)
			}
			b.send(d, 4, 20, 20)
		}},
		{"fork: the hash before the records differs", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 1, 13, 13)
			c := d.clone(8)
			c.add(feedback.Test{}) // 9: another record than d has
			c.presses(7)
			b.refused(c, 14, 16, 13)
			b.refused(c, 12, 12, 13)
			b.keeps(d, 2)
		}},
		{"fork: a repeat of other records", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 1, 13, 13)
			c := d.clone(8)
			c.add(feedback.Test{})
			c.presses(4)
			b.refused(c, 1, 13, 13)
			b.refused(c, 9, 9, 13)
			b.send(c, 1, 8, 13) // those they share
			b.keeps(d, 2)
		}},
		{"fork: partly repeated, by other records", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 1, 13, 13)
			c := d.clone(12)
			c.add(feedback.Test{})
			c.presses(4)
			b.refused(c, 10, 17, 13)
			b.refused(c, 1, 17, 13)
			b.keeps(d, 2)
			d.presses(3)
			b.send(d, 14, 16, 16) // the journal itself goes on
		}},
		{"fork: a question", func(b *bench) {
			d := b.kiosk("k1", 10)
			b.send(d, 1, 13, 13)
			c := d.clone(8)
			c.add(feedback.Test{})
			c.presses(20)
			b.refused(c, 14, 13, 13)
			b.refused(c, 10, 9, 13)
			b.send(c, 9, 8, 13)
			b.keeps(d, 0) // a question holds nothing to keep
		}},
		{"the binary search of a fork", binarySearch},
		{"several batches of a journal at once", func(b *bench) {
			d, e := b.kiosk("k1", 30), b.kiosk("k2", 5)
			batches := []ingest.Batch{
				d.batch(1, 5), e.batch(1, 8), d.batch(6, 20), d.batch(6, 20), d.batch(25, 33), d.batch(1, 0), d.batch(15, 25), d.batch(26, 33),
			}
			want := []feedback.Seq{5, 8, 20, 20, 20, 20, 25, 33}
			for i, o := range b.offer(batches...) {
				if o.Err != nil || o.Ack.Refused != "" || o.Ack.Through != want[i] || o.Ack.Re != batches[i].Re {
					b.Errorf("batch %d: got %+v, want through %d", i+1, o, want[i])
				}
			}
		}},
		{"outcomes count what was added", outcomes},
	}
}

// keeps checks how many refused payloads of a device are kept.
func (b *bench) keeps(d *device, want int) {
	b.Helper()
	if kept, _, counted := b.db.Refused(b, d.id); kept != want || counted != int64(want) {
		b.Errorf("got %d refused payloads kept of %d, want %d", kept, counted, want)
	}
}

// binarySearch finds the last record that a clone and the hub share, by
// questions alone, whatever batches the hub took them in.
func binarySearch(b *bench) {
	d := b.kiosk("k1", 40)
	d.raw([]byte("[ \"from-later\" , 1, 99000000 ]"))
	d.raw([]byte(`["press",1]`))
	d.presses(55) // 100 records
	for _, to := range []feedback.Seq{1, 2, 15, 16, 43, 52, 60, 100} {
		first := b.source(d).Mark.Through + 1
		b.send(d, first, to, to)
	}
	for _, common := range []feedback.Seq{0, 1, 2, 14, 37, 43, 44, 45, 46, 47, 99} {
		c := newDevice(d.id, d.epoch, feedback.EpochBegan{Why: "other"})
		if common > 0 {
			c = d.clone(common)
			c.add(feedback.Cleaning{On: true})
		}
		c.presses(150)
		low, high, questions := feedback.Seq(0), feedback.Seq(100), 0
		for low < high {
			mid := (low + high + 1) / 2
			o := b.offer(c.batch(mid+1, mid))[0]
			if o.Err != nil || o.Ack.Through != 100 || (o.Ack.Refused == "") != (mid <= common) {
				b.Fatalf("shared up to %d, asked at %d: got %+v", common, mid, o)
			}
			if o.Ack.Refused == "" {
				low = mid
			} else {
				high = mid - 1
			}
			questions++
		}
		if low != common || questions > 7 {
			b.Errorf("got %d as the last shared record by %d questions, want %d by 7 at most", low, questions, common)
		}
	}
}

func outcomes(b *bench) {
	d := b.kiosk("k1", 4)
	d.raw([]byte(`["press",1]`))
	d.add(feedback.PlanApplied{Plan: feedback.NewPlanID(nil), Asked: askedAt("nice")})
	d.presses(2) // 10, 11
	tests := []struct {
		first, last          feedback.Seq
		stored, bad, pressed int
		sites                []feedback.SiteID
	}{
		{1, 3, 3, 0, 0, nil},
		{2, 8, 4, 1, 4, []feedback.SiteID{"lyon"}},
		{2, 8, 0, 0, 0, nil},
		{9, 11, 3, 0, 2, []feedback.SiteID{"nice"}},
		{20, 19, 0, 0, 0, nil},
	}
	for _, tt := range tests {
		if tt.first > d.last()+1 {
			tt.first, tt.last = 1, 0
		}
		o := b.offer(d.batch(tt.first, tt.last))[0]
		if o.Err != nil || o.Stored != tt.stored || o.Bad != tt.bad || o.Pressed != tt.pressed || len(o.Sites) != len(tt.sites) ||
			len(o.Sites) > 0 && o.Sites[0] != tt.sites[0] {
			b.Errorf("records %d to %d: got %+v, want %+v", tt.first, tt.last, o, tt)
		}
	}
}
