package verify_test

import (
	"strings"
	"testing"

	"sourire/hub/verify"
	"sourire/internal/feedback"
	"sourire/internal/ledger"
)

// key names a record of the store that sound returns.
func key(m *memory, kiosk feedback.KioskID, seq feedback.Seq) ledger.Key {
	for _, j := range m.journals {
		if j.source.Key.Kiosk == kiosk {
			return ledger.Key{Kiosk: kiosk, Epoch: j.source.Key.Epoch, Seq: seq}
		}
	}
	panic("no such kiosk")
}

// book returns the ledger of that store: of each kiosk presses 4, 7 and 9 are
// here, 5 and 6 went with a card and are declared lost.
func book(m *memory) *ledger.Book {
	b := &ledger.Book{Kiosks: map[feedback.KioskID]bool{}, Must: map[ledger.Key]ledger.Press{}, Lost: map[ledger.Key][]ledger.Press{}}
	for _, k := range []feedback.KioskID{"k1", "k2"} {
		b.Kiosks[k] = true
		for seq, rating := range map[feedback.Seq]int{4: 2, 7: 0, 9: 2} {
			b.Must[key(m, k, seq)] = ledger.Press{Key: key(m, k, seq), Rating: rating}
		}
		for seq := range map[feedback.Seq]int{5: 1, 6: 1} {
			b.Lost[key(m, k, seq)] = []ledger.Press{{Key: key(m, k, seq), Rating: 1}}
		}
	}
	return b
}

func TestCompare(t *testing.T) {
	for name, c := range map[string]struct {
		change func(m *memory, b *ledger.Book)
		ok     bool
		want   []string // parts of the sentences
	}{
		"all here": {func(*memory, *ledger.Book) {}, true, []string{
			"all 6 presses are here, none missing, doubled or different",
			"4 went with cards of which an earlier image was put back: 0 had arrived, 4 are declared lost here, of 0 the hub never heard",
		}},
		"missing": {func(m *memory, b *ledger.Book) {
			k := key(m, "k1", 3)
			b.Must[k] = ledger.Press{Key: k, Rating: 1, At: 1_790_000_000_000}
		}, false, []string{"6 of 7 presses are here", "1 missing: k1 record 3 of epoch", "(rating 1) of 2026-09-21 14:13:20 UTC"}},
		"not delivered yet": {func(m *memory, b *ledger.Book) {
			k := key(m, "k2", 10)
			b.Must[k] = ledger.Press{Key: k, Rating: 1}
		}, false, []string{"1 not delivered yet: k2 record 10"}},
		"of an epoch never heard of": {func(_ *memory, b *ledger.Book) {
			k := ledger.Key{Kiosk: "k2", Epoch: 99, Seq: 1}
			b.Must[k] = ledger.Press{Key: k, Rating: 1}
		}, false, []string{"1 not delivered yet: k2 record 1 of epoch 0000000000000063"}},
		"declared lost though it must be here": {func(m *memory, b *ledger.Book) {
			k := key(m, "k1", 5)
			b.Must[k] = b.Lost[k][0]
			delete(b.Lost, k)
		}, false, []string{"1 declared lost: k1 record 5"}},
		"in quarantine": {func(m *memory, b *ledger.Book) {
			k := key(m, "k1", 8)
			b.Must[k] = ledger.Press{Key: k, Rating: 9}
		}, false, []string{"1 in quarantine: k1 record 8"}},
		"another rating": {func(m *memory, b *ledger.Book) {
			k := key(m, "k1", 7)
			b.Must[k] = ledger.Press{Key: k, Rating: 2}
		}, false, []string{"1 stored with another rating: k1 record 7", "(rating 0)"}},
		"never pressed": {
			func(m *memory, b *ledger.Book) { delete(b.Must, key(m, "k1", 7)) },
			false,
			[]string{"1 stored and never pressed, or doubled: k1 record 7"},
		},
		"stored twice": {
			func(m *memory, _ *ledger.Book) {
				m.journals[0].rows = append(m.journals[0].rows, m.journals[0].rows[3])
			},
			false,
			[]string{"or doubled: k1 record 4"},
		},
		"a press of a lost card came in the place of another": {func(m *memory, b *ledger.Book) {
			k := key(m, "k1", 7)
			b.Lost[k] = []ledger.Press{b.Must[k]}
			b.Must[k] = ledger.Press{Key: k, Rating: 1}
		}, false, []string{"1 missing: k1 record 7", "1 had arrived"}},
		"two of one number, before the fork": {func(m *memory, b *ledger.Book) {
			k := key(m, "k1", 7)
			b.Beneath = map[ledger.Key][]ledger.Press{k: {b.Must[k]}}
			b.Must[k] = ledger.Press{Key: k, Rating: 1}
		}, false, []string{"6 of 7 presses are here", "1 missing: k1 record 7", "(rating 1)"}},
		"a lost press that had arrived": {func(m *memory, b *ledger.Book) {
			k := key(m, "k1", 7)
			b.Lost[k] = []ledger.Press{b.Must[k]}
			delete(b.Must, k)
		}, true, []string{"all 5 presses are here", "5 went with cards", "1 had arrived, 4 are declared"}},
		"a kiosk that is not the ledger's": {func(_ *memory, b *ledger.Book) {
			delete(b.Kiosks, "k2")
			for k := range b.Must {
				if k.Kiosk == "k2" {
					delete(b.Must, k)
				}
			}
		}, true, []string{"all 3 presses are here"}},
		"many": {func(m *memory, b *ledger.Book) {
			for seq := range feedback.Seq(7) {
				k := key(m, "k1", 100+seq)
				b.Must[k] = ledger.Press{Key: k, Rating: 1}
			}
		}, false, []string{"7 not delivered yet: ", ", …"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := sound(t)
			b := book(m)
			c.change(m, b)
			found, err := verify.Compare(t.Context(), m, b)
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Join(found.Sentences(), "\n")
			if found.OK() != c.ok {
				t.Errorf("got OK %v, want %v:\n%s", found.OK(), c.ok, text)
			}
			for _, w := range c.want {
				if !strings.Contains(text, w) {
					t.Errorf("got\n%s\nwant %q in it", text, w)
				}
			}
		})
	}
}
