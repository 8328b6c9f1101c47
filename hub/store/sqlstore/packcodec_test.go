package sqlstore

import (
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"sourire/internal/feedback"
)

// anyPack draws a pack of up to 40 records.
func anyPack() *rapid.Generator[*packed] {
	number := rapid.OneOf(rapid.Int64Range(0, 9), rapid.Int64())
	return rapid.Custom(func(t *rapid.T) *packed {
		n := rapid.IntRange(1, 40).Draw(t, "records")
		p := &packed{packHead: packHead{source: 3, first: feedback.Seq(rapid.Int64Range(1, 1<<40).Draw(t, "first")), asked: []byte{1}}}
		p.last = p.first + feedback.Seq(n) - 1
		for i := range n {
			var body []byte
			if rapid.IntRange(0, 5).Draw(t, "bad") > 0 {
				body = append([]byte{}, rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "body")...)
			}
			p.bodies = append(p.bodies, body)
			if i == n-1 || rapid.Bool().Draw(t, "end") {
				p.batches = append(p.batches, batch{through: p.first + feedback.Seq(i), day: rapid.Int64Range(20_000, 20_030).Draw(t, "day")})
			}
		}
		for range rapid.IntRange(0, n).Draw(t, "visits") {
			v := visitRow{}
			for _, c := range visitColumnsOf {
				c.set(&v, number.Draw(t, "value"))
			}
			p.rated = append(p.rated, v)
		}
		p.visits = int64(len(p.rated))
		return p
	})
}

func sealed(t *rapid.T, p *packed) (bodies, visits []byte) {
	bodies, err := p.bodiesBlob()
	if err != nil {
		t.Fatal(err)
	}
	if visits, err = p.visitsBlob(); err != nil {
		t.Fatal(err)
	}
	return bodies, visits
}

// What is packed comes back as it was, whatever the values.
func TestPacked_roundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPack().Draw(t, "pack")
		bodies, visits := sealed(t, p)
		got := &packed{packHead: p.packHead}
		if err := got.readBodies(bodies); err != nil {
			t.Fatal(err)
		}
		if err := got.readVisits(visits); err != nil {
			t.Fatal(err)
		}
		if len(p.rated) == 0 {
			got.rated = nil
		}
		if !reflect.DeepEqual(got, p) {
			t.Fatalf("got %+v, want %+v", got, p)
		}
	})
}

// A bit that is another, bytes that are gone, or another head is found.
func TestPacked_damaged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPack().Draw(t, "pack")
		bodies, visits := sealed(t, p)
		read := func(h packHead, bodies, visits []byte) bool {
			p := &packed{packHead: h}
			return p.readBodies(bodies) == nil && p.readVisits(visits) == nil
		}
		for i := range bodies {
			b := slices.Clone(bodies)
			b[i] ^= 1 << (i % 8)
			if read(p.packHead, b, visits) || read(p.packHead, bodies[:i], visits) {
				t.Fatalf("byte %d of the bodies is another, or gone, and nobody says so", i)
			}
		}
		for i := range visits {
			v := slices.Clone(visits)
			v[i] ^= 1 << (i % 8)
			if read(p.packHead, bodies, v) || read(p.packHead, bodies, visits[:i]) {
				t.Fatalf("byte %d of the visits is another, or gone, and nobody says so", i)
			}
		}
		if read(p.packHead, visits, bodies) {
			t.Fatal("the blobs may be exchanged")
		}
		for name, change := range map[string]func(*packHead){
			"source": func(h *packHead) { h.source++ }, "first": func(h *packHead) { h.first-- }, "last": func(h *packHead) { h.last++ },
			"records": func(h *packHead) { h.records++ }, "visits": func(h *packHead) { h.visits++ },
			"first day": func(h *packHead) { h.firstDay++ }, "last day": func(h *packHead) { h.lastDay++ },
			"first boot": func(h *packHead) { h.firstBoot++ }, "last boot": func(h *packHead) { h.lastBoot++ },
			"before": func(h *packHead) { h.before[7]++ }, "hash": func(h *packHead) { h.hash[7]++ }, "asked": func(h *packHead) { h.asked = []byte{2} },
		} {
			h := p.packHead
			change(&h)
			if read(h, bodies, visits) {
				t.Fatalf("another %s is not found", name)
			}
		}
	})
}
