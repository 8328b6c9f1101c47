package wire

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"sourire/internal/feedback"
)

// plainPayload is a batch of so many presses as a kiosk sends it.
func plainPayload(t testing.TB, records int) []byte {
	t.Helper()
	b := Batch{Re: Re{"6f1c0a9be2d54478", 7}, Epoch: 7, First: 1, Oldest: 1, Next: feedback.Seq(records + 1)}
	for i := range records {
		b.Records = append(b.Records, AppendRecord(nil, feedback.Record{
			Stamp: feedback.Stamp{Boot: 1, Since: int64(3000 * i)}, Fact: feedback.Press{Rating: i % 3, Held: 80},
		}))
	}
	payload, err := EncodeBatch(b)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// agrees fails the test where the plain way reads what the general way reads
// otherwise, or refuses.
func agrees(t *testing.T, payload []byte) (plain bool) {
	t.Helper()
	got, plain := plainBatch(payload)
	if !plain {
		return false
	}
	var want Batch
	if err := json.Unmarshal(payload, &want); err != nil {
		t.Fatalf("%q: read plainly, and otherwise %v", payload, err)
	}
	if name := repeatedField(payload); name != "" {
		t.Fatalf("%q: read plainly, and %s stands there twice", payload, name)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q: got %+v, want %+v", payload, got, want)
	}
	return true
}

// What EncodeBatch writes is read the plain way, with and without records.
func TestPlainBatch(t *testing.T) {
	for _, n := range []int{0, 1, 2, 500} {
		if !agrees(t, plainPayload(t, n)) {
			t.Errorf("a batch of %d presses is not read the plain way", n)
		}
	}
}

// Every byte of a batch left out, doubled, or changed: what is still read the
// plain way is read alike.
func TestPlainBatch_bent(t *testing.T) {
	whole := string(plainPayload(t, 2))
	plain := 0
	for i := range whole {
		bent := []string{whole[:i], whole[:i] + whole[i+1:], whole[:i+1] + whole[i:]}
		for _, c := range []byte("\x00 \"\\,:[]{}0129.-+eEaA\x7f\x80\xff") {
			bent = append(bent, whole[:i]+string(c)+whole[i+1:], whole[:i]+string([]byte{c})+whole[i:])
		}
		for _, b := range bent {
			if agrees(t, []byte(b)) {
				plain++
			}
		}
	}
	if plain == 0 {
		t.Error("nothing bent was read the plain way")
	}
}

func TestPlainBatch_leaves(t *testing.T) {
	whole := string(plainPayload(t, 2))
	record := whole[strings.Index(whole, `["press"`) : strings.Index(whole, `],["press"`)+1]
	for name, payload := range map[string]string{
		"space":          strings.Replace(whole, ",", ", ", 1),
		"other order":    strings.Replace(whole, `{"v":1,`, `{`, 1),
		"texts":          strings.TrimSuffix(whole, "}") + `,"texts":[]}`,
		"nested record":  strings.Replace(whole, record, `["x",[1]]`, 1),
		"escape":         strings.Replace(whole, "press", `pr\u0065ss`, 1),
		"beyond ASCII":   strings.Replace(whole, "press", "prèss", 1),
		"leading zero":   strings.Replace(whole, `"first":1`, `"first":01`, 1),
		"large number":   strings.Replace(whole, `"oldest":1`, `"oldest":1000000000000000`, 1),
		"too many":       strings.Replace(whole, record, strings.Repeat(record+",", MaxRecords)+record, 1),
		"broken off":     whole[:len(whole)-1],
		"something more": whole + " ",
	} {
		if _, ok := plainBatch([]byte(payload)); ok || payload == whole {
			t.Errorf("%s: read the plain way: %s", name, payload)
		}
	}
}

func FuzzPlainBatch(f *testing.F) {
	f.Add(plainPayload(f, 0))
	f.Add(plainPayload(f, 3))
	f.Fuzz(func(t *testing.T, payload []byte) { agrees(t, payload) })
}

func BenchmarkDecodeBatch(b *testing.B) {
	for _, n := range []int{1, 200, 500} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			payload := plainPayload(b, n)
			for b.Loop() {
				if _, err := DecodeBatch(payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
