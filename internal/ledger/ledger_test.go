package ledger_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"sourire/internal/feedback"
	"sourire/internal/ledger"
)

func key(seq feedback.Seq) ledger.Key { return ledger.Key{Kiosk: "k1", Epoch: 1, Seq: seq} }

func press(seq feedback.Seq, rating int) ledger.Press {
	return ledger.Press{Key: key(seq), Rating: rating, At: 1_790_000_000_000 + int64(seq)}
}

// A card with presses 4 to 6 is lost, of which the hub has 4. An image that ends
// at 3 goes on with another 4 and 5, which the fork moves.
func TestRead_restoredImage(t *testing.T) {
	var text []byte
	text = ledger.AppendBefore(text, key(2))
	for seq := feedback.Seq(3); seq <= 6; seq++ {
		text = ledger.AppendPress(text, press(seq, 0))
	}
	text = ledger.AppendLost(text, press(5, 0))
	text = ledger.AppendLost(text, press(6, 0))
	other4 := press(4, 0)
	other4.At++
	text = ledger.AppendPress(text, other4)
	text = ledger.AppendPress(text, press(5, 2))
	again := press(5, 2)
	again.At = 0
	text = ledger.AppendPress(text, again) // another run says what waits: the same press

	b, err := ledger.Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if want := (map[ledger.Key][]ledger.Press{key(4): {press(4, 0)}}); !reflect.DeepEqual(b.Beneath, want) {
		t.Errorf("got %v beneath before the fork, want %v", b.Beneath, want)
	}

	moved := func(seq feedback.Seq, rating int) ledger.Press {
		return ledger.Press{Key: ledger.Key{Kiosk: "k1", Epoch: 2, Seq: seq}, Rating: rating}
	}
	text = ledger.AppendMove(text, moved(3, 0), key(4))
	text = ledger.AppendMove(text, moved(4, 2), key(5))
	text = append(text, `{"kiosk":"k1","epoch":"00000000000`...) // cut off
	if b, err = ledger.Read(bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	want := map[ledger.Key]ledger.Press{key(3): press(3, 0), key(4): press(4, 0)}
	for _, p := range []ledger.Press{{moved(3, 0).Key, 0, other4.At}, {moved(4, 2).Key, 2, press(5, 2).At}} {
		want[p.Key] = p
	}
	if !reflect.DeepEqual(b.Must, want) || len(b.Beneath) != 0 {
		t.Errorf("got %v and %v beneath, want %v", b.Must, b.Beneath, want)
	}
	if want := (map[ledger.Key][]ledger.Press{key(5): {press(5, 0)}, key(6): {press(6, 0)}}); !reflect.DeepEqual(b.Lost, want) {
		t.Errorf("got %v lost, want %v", b.Lost, want)
	}
	for k, want := range map[ledger.Key]bool{key(2): false, key(3): true, {Kiosk: "k1", Epoch: 9, Seq: 1}: true, {Kiosk: "k2", Epoch: 1, Seq: 9}: false} {
		if got := b.Reaches(k); got != want {
			t.Errorf("%v: got reached %v, want %v", k, got, want)
		}
	}
}

func TestRead_refuses(t *testing.T) {
	good := string(ledger.AppendPress(nil, press(1, 1)))
	for name, c := range map[string]struct{ text, want string }{
		"no JSON":      {good + "pressed\n", "line 2"},
		"no kiosk":     {"{}\n", "line 1"},
		"says nothing": {`{"kiosk":"k1","epoch":"0000000000000001","seq":1}` + "\n", "neither"},
		"a bad epoch":  {strings.Replace(good, "0000000000000001", "x", 1), "line 1"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ledger.Read(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}
