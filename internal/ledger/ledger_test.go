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

// A card with presses 4 to 6 is lost, 4 of them is at the hub; an image goes on
// with another 5 and 6, which a fork moves.
func TestRead_restoredImage(t *testing.T) {
	var text []byte
	text = ledger.AppendBefore(text, key(2))
	for seq := range feedback.Seq(6) {
		if seq >= 2 {
			text = ledger.AppendPress(text, press(seq+1, 0))
		}
	}
	text = ledger.AppendLost(text, 4, key(6))
	text = ledger.AppendPress(text, press(5, 2))
	text = ledger.AppendPress(text, press(5, 2)) // said again: the same press
	text = ledger.AppendPress(text, press(6, 0))
	moved := ledger.Press{Key: ledger.Key{Kiosk: "k1", Epoch: 2, Seq: 3}, Rating: 2}
	text = ledger.AppendMove(text, moved, key(5))
	text = append(text, `{"kiosk":"k1","epoch":"00000000000`...) // cut off

	b, err := ledger.Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	moved.At = press(5, 2).At
	if want := (map[ledger.Key]ledger.Press{key(3): press(3, 0), key(4): press(4, 0), key(6): press(6, 0), moved.Key: moved}); !reflect.DeepEqual(b.Must, want) {
		t.Errorf("got %v, want %v", b.Must, want)
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
		"no JSON":        {good + "pressed\n", "line 2"},
		"no kiosk":       {"{}\n", "line 1"},
		"says nothing":   {`{"kiosk":"k1","epoch":"0000000000000001","seq":1}` + "\n", "neither"},
		"two of one key": {good + strings.Replace(good, `"rating":1`, `"rating":2`, 1), "line 2: record 1 of epoch 0000000000000001 of k1 is rating 2 here and 1 above"},
		"a bad epoch":    {strings.Replace(good, "0000000000000001", "x", 1), "line 1"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ledger.Read(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}
