package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"sourire/internal/feedback"
)

// sentence checks that an error is of type E and tells a person something.
func sentence[E error](t *testing.T, err error, want string) {
	t.Helper()
	if _, ok := errors.AsType[E](err); !ok {
		t.Fatalf("got error %v (%T), want a %T", err, err, *new(E))
	}
	if text := err.Error(); !strings.Contains(text, want) || !utf8.ValidString(text) || len(text) > 300 {
		t.Errorf("got %q, want it to say %q in under 300 bytes of UTF-8", text, want)
	}
}

// envelope writes a batch by hand, with some of its text replaced.
func envelope(replace ...string) []byte {
	s := `{"v":1,"re":["n",7],"epoch":"0123456789abcdef","first":9,"before":"deadbeef0405060708090a0b0c0d0e0f","oldest":2,"next":12,"records":[["press",3,123456,2,80]]}`
	return []byte(strings.NewReplacer(replace...).Replace(s))
}

func TestDecodeBatch_refuses(t *testing.T) {
	record := `["press",3,123456,2,80]`
	tests := []struct {
		name    string
		payload []byte
		want    string
	}{
		{"nothing", nil, "unexpected end"},
		{"garbage", []byte("\x10\x05MQTT\x04"), "invalid character"},
		{"half a batch", envelope()[:90], "unexpected end"},
		{"two batches", append(envelope(), envelope()...), "after top-level value"},
		{"null", []byte("null"), "version 0"},
		{"an array", []byte("[]"), "array"},
		{"a number", []byte("1"), "number"},
		{"NaN", envelope(`"next":12`, `"next":NaN`), "invalid character 'N'"},
		{"infinity", envelope(`"next":12`, `"next":1e999`), "1e999"},
		{"a fraction", envelope(`"first":9`, `"first":9.5`), "9.5"},
		{"invalid UTF-8", envelope("press", "pr\xe9ss"), "not UTF-8"},
		{"another version", envelope(`"v":1`, `"v":2`), "version 2, this program speaks 1"},
		{"no version", envelope(`"v":1,`, ``), "version 0"},
		{"no epoch", envelope(`"epoch":"0123456789abcdef",`, ``), "epoch is missing"},
		{"an epoch of zeros", envelope("0123456789abcdef", "0000000000000000"), "epoch is missing"},
		{"an epoch in capitals", envelope("0123456789abcdef", "0123456789ABCDEF"), "16 lower-case hex digits"},
		{"an epoch that is a number", envelope(`"0123456789abcdef"`, "81985529216486895"), "number"},
		{"a hash that is too short", envelope("deadbeef", "deadbee"), "32 lower-case hex digits"},
		{"first is 0", envelope(`"first":9`, `"first":0`), "out of range"},
		{"first is negative", envelope(`"first":9`, `"first":-9`), "out of range"},
		{"first is 2⁵³", envelope(`"first":9`, `"first":9007199254740992`), "out of range"},
		{"next is 2⁵³", envelope(`"next":12`, `"next":9007199254740992`), "out of range"},
		{"oldest is 2⁵³", envelope(`"oldest":2`, `"oldest":9007199254740992`), "out of range"},
		{"next is negative", envelope(`"next":12`, `"next":-1`), "out of range"},
		{"an integer of 40 digits", envelope(`"next":12`, `"next":`+strings.Repeat("9", 40)), "number"},
		{"a hash before record 1", envelope(`"first":9`, `"first":1`), "before the first record is not zero"},
		{"501 records", envelope(record, strings.Repeat(record+",", 500)+record), "501 records, at most 500"},
		{"65,537 bytes", sized(MaxBytes + 1), "65537 bytes, at most 65536"},
		{"10 MB", bytes.Repeat([]byte("9"), 10<<20), "10485760 bytes, at most 65536"},
		{"nested 30,000 deep", envelope(record, strings.Repeat("[", 30_000)+strings.Repeat("]", 30_000)), "depth"},
		{"a nonce of 65 bytes", envelope(`"n"`, `"`+strings.Repeat("n", 65)+`"`), "nonce is longer than 64"},
		{"a request that is no pair", envelope(`["n",7]`, `"n"`), "string"},
		{"records twice", envelope(`"records":`, `"records":[],"records":`), "field records stands there twice"},
		{"epoch twice, once in capitals", envelope(`"first"`, `"EPOCH":"0123456789abcdef","first"`), "field epoch stands there twice"},
		{"next twice, once escaped", envelope(`"next":12`, `"next":12,"n\u0065xt":13`), "field next stands there twice"},
		{"first twice, far apart", envelope(`]]}`, `]], "first" : 10}`), "field first stands there twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := DecodeBatch(tt.payload)
			sentence[*EnvelopeError](t, err, tt.want)
		})
	}
}

// sized returns a readable batch of exactly n bytes.
func sized(n int) []byte {
	b := envelope()
	return append(bytes.Repeat([]byte(" "), n-len(b)), b...)
}

func TestDecodeBatch_accepts(t *testing.T) {
	record := `["press",3,123456,2,80]`
	tests := []struct {
		name    string
		payload []byte
		records int
	}{
		{"as it is written", envelope(), 1},
		{"exactly 65,536 bytes", sized(MaxBytes), 1},
		{"500 records", envelope(record, strings.Repeat(record+",", 499)+record), 500},
		{"no records", envelope(`,"records":[`+record+`]`, ``), 0},
		{"an empty list of records", envelope(record, ``), 0},
		{"a bad record", envelope(record, record+`,null,7,"x",{},["press"],`+record), 7},
		{"fields that are not known", envelope(`"re"`, `"later":{"records":1,"v":2,"x":["records"]},"re"`), 1},
		{"one field that is not known, twice", envelope(`"re"`, `"later":1,"later":2,"re"`), 1},
		{"names of fields as values", envelope(`"n",7`, `"next",7`), 1},
		{"space everywhere", envelope(`,`, " ,\n\t", `:`, " : "), 1},
		{"first is 2⁵³−1", envelope(`"first":9`, `"first":9007199254740991`), 1},
		{"a nonce of 64 bytes", envelope(`"n"`, `"`+strings.Repeat("n", 64)+`"`), 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := DecodeBatch(tt.payload)
			if err != nil {
				t.Fatal(err)
			}
			if len(b.Records) != tt.records || b.Epoch != goldenEpoch {
				t.Errorf("got %d records of epoch %v, want %d", len(b.Records), b.Epoch, tt.records)
			}
		})
	}
}

// A record is bytes: the space within it, the way its numbers and letters are
// written, all arrives as it was sent, for it is hashed.
func TestDecodeBatch_verbatim(t *testing.T) {
	records := []string{
		`["press",3,123456,2,80]`,
		"[ \"press\" ,\t3 , 123456\r\n, 2,80 ]",
		`["pr\u0065ss",3,1e2,2.50,-0,80]`,
		"[\"why\",3,1,9,\"é \u2028 <b>&\\u003c\\/ \\ud83d\"]",
		`{"b":1,"a":2,"b":3}`,
		`[[[ ]], {  } ]`,
		`null`, `true`, `12345678901234567890123456789`, `"x y"`, `[]`,
	}
	for _, sep := range []string{",", " ,", ", ", "\n,\t\n"} {
		payload := envelope(`[["press",3,123456,2,80]]`, "["+strings.Join(records, sep)+strings.ReplaceAll(sep, ",", "")+"]")
		b, err := DecodeBatch(payload)
		if err != nil {
			t.Fatalf("%q: %v", sep, err)
		}
		if len(b.Records) != len(records) {
			t.Fatalf("%q: got %d records, want %d", sep, len(b.Records), len(records))
		}
		for i, want := range records {
			if got := string(b.Records[i]); got != want {
				t.Errorf("%q: got %q, want %q", sep, got, want)
			}
		}
		again, err := EncodeBatch(b)
		if err != nil {
			t.Fatal(err)
		}
		if want := `"records":[` + strings.Join(records, ",") + `]}`; !bytes.HasSuffix(again, []byte(want)) {
			t.Errorf("encoded: got %s, want it to end in %s", again, want)
		}
	}
}

// A decoded batch shares no memory between its records.
func TestDecodeBatch_ownRecords(t *testing.T) {
	b, err := DecodeBatch(envelope(`["press",3,123456,2,80]`, `["a",1,1],["b",1,1]`))
	if err != nil {
		t.Fatal(err)
	}
	_ = append(b.Records[0], "overrun"...)
	if got := string(b.Records[1]); got != `["b",1,1]` {
		t.Errorf("got %s after the record before was appended to", got)
	}
}

func TestEncodeBatch_refuses(t *testing.T) {
	good := Batch{Re: Re{"n", 1}, Epoch: 1, First: 1, Oldest: 1, Next: 2}
	with := func(change func(*Batch)) Batch {
		b := good
		change(&b)
		return b
	}
	record := func(r string) Batch {
		return with(func(b *Batch) { b.Records = []json.RawMessage{json.RawMessage(r)} })
	}
	tests := []struct {
		name  string
		batch Batch
		want  string
	}{
		{"no epoch", with(func(b *Batch) { b.Epoch = 0 }), "epoch is missing"},
		{"first is 0", with(func(b *Batch) { b.First = 0 }), "out of range"},
		{"a hash before record 1", with(func(b *Batch) { b.Before[3] = 1 }), "not zero"},
		{"a nonce that is not UTF-8", with(func(b *Batch) { b.Re.Nonce = "\xff" }), "nonce"},
		{"501 records", with(func(b *Batch) { b.Records = make([]json.RawMessage, 501) }), "501 records"},
		{"a record of nothing", record(""), "record 1 is not a JSON value"},
		{"half a record", record(`["press",1`), "record 1 is not a JSON value"},
		{"two records in one", record(`["press"],["press"]`), "record 1 is not a JSON value"},
		{"a record that closes the list", record(`1],"next":[2`), "record 1 is not a JSON value"},
		{"space before a record", record(` ["press"]`), "record 1 is not a JSON value"},
		{"space after a record", record("[\"press\"]\n"), "record 1 is not a JSON value"},
		{"a record that is not UTF-8", record("[\"\xe9\"]"), "record 1 is not a JSON value"},
		{"64 KiB", record(`["` + strings.Repeat("a", MaxBytes) + `"]`), "bytes, at most 65536"},
		{"texts of 64 KiB", with(func(b *Batch) { b.Texts = []Text{{Text: strings.Repeat("<", 20_000)}} }), "bytes, at most 65536"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := EncodeBatch(tt.batch)
			sentence[*EnvelopeError](t, err, tt.want)
		})
	}
	if _, err := EncodeBatch(good); err != nil {
		t.Errorf("a good batch: %v", err)
	}
}

// A full batch of presses, and the longest comment, fit.
func TestEncodeBatch_fits(t *testing.T) {
	b := Batch{Re: Re{strings.Repeat("n", 64), math.MaxInt64}, Epoch: math.MaxUint64, First: maxSafe - 600, Before: goldenHash(), Oldest: 1, Next: maxSafe}
	for range MaxRecords {
		b.Records = append(b.Records, AppendRecord(nil, feedback.Record{
			Stamp: feedback.Stamp{Boot: 99_999, Since: 400 * 24 * 3600 * 1000},
			Fact:  feedback.Press{Rating: 10, Held: 10_000, Flow: 99_999},
		}))
	}
	if got, err := EncodeBatch(b); err != nil {
		t.Errorf("500 presses: %v", err)
	} else if len(got) > MaxBytes/2 {
		t.Errorf("500 presses take %d bytes, want at most half of what is allowed", len(got))
	}
	b.Records = b.Records[:1]
	for _, char := range []string{"\x00", "<", "é", "\U0001F600", "\u2028"} {
		b.Texts = []Text{{Seq: 1, Salt: make([]byte, 32), Text: strings.Repeat(char, MaxComment)}}
		payload, err := EncodeBatch(b)
		if err != nil {
			t.Errorf("a comment of 2,000 × %q: %v", char, err)
			continue
		}
		got, err := DecodeBatch(payload)
		if err != nil || got.Texts[0].Text != b.Texts[0].Text {
			t.Errorf("a comment of 2,000 × %q arrives differently: %v", char, err)
		}
	}
}

func TestText_Digest(t *testing.T) {
	text := Text{Salt: append(make([]byte, 0, 64), "salt"...), Text: "Merci !"}
	want := "40168856cfe3b75c6c8c5e78736706d4083c74e1117239c4c932a6337dfce54a" // sha256sum of saltMerci !
	for range 2 {
		if got := fmt.Sprintf("%x", text.Digest()); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestPeekRe(t *testing.T) {
	want := Re{"n", 7}
	padding := strings.Repeat("x", 10_000)
	tests := []struct {
		name    string
		payload []byte
		want    Re
		ok      bool
	}{
		{"a batch", envelope(), want, true},
		{"a batch that is cut", envelope()[:40], want, true},
		{"of another version", envelope(`"v":1`, `"v":9`), want, true},
		{"of 10 MB", append(envelope(), bytes.Repeat([]byte(" "), 10<<20)...), want, true},
		{"a field before it", envelope(`"v":1`, `"v":{"re":[1]},"x":[[]]`), want, true},
		{"beyond the first 512 bytes", envelope(`"v":1`, `"v":"`+padding+`"`), Re{}, false},
		{"none", envelope(`"re"`, `"er"`), Re{}, false},
		{"within another field only", []byte(`{"x":{"re":["n",7]}}`), Re{}, false},
		{"no pair", envelope(`["n",7]`, `7`), Re{}, false},
		{"a pair of other things", envelope(`["n",7]`, `[7,"n"]`), Re{}, false},
		{"a nonce of 65 bytes", envelope(`"n"`, `"`+strings.Repeat("n", 65)+`"`), Re{}, false},
		{"nothing", nil, Re{}, false},
		{"garbage", []byte("\x10\x05MQTT\x04"), Re{}, false},
		{"an array", []byte(`["re",["n",7]]`), Re{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := PeekRe(tt.payload); got != tt.want || ok != tt.ok {
				t.Errorf("got %v %v, want %v %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestDecode_refuses(t *testing.T) {
	tests := []struct {
		name, payload, want string
	}{
		{"garbage", "\x10\x05MQTT", "invalid character"},
		{"another version", `{"v":2}`, "version 2, this program speaks 1"},
		{"no version", `{}`, "version 0"},
		{"invalid UTF-8", "{\"v\":1,\"store\":\"\xff\"}", "not UTF-8"},
		{"NaN", `{"v":1,"through":NaN}`, "invalid character 'N'"},
		{"an integer of 40 digits", `{"v":1,"through":` + strings.Repeat("9", 40) + `}`, "number"},
		{"nested 200,000 deep", strings.Repeat("[", 200_000), "depth"},
		{"10 MB", strings.Repeat(" ", 10<<20), "10485760 bytes, at most 262144"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Decode[Ack]([]byte(tt.payload))
			sentence[*EnvelopeError](t, err, tt.want)
		})
	}
}

// A kiosk without a press has capacity for ever, which JSON cannot say.
func TestHealth_daysLeft(t *testing.T) {
	for _, tt := range []struct{ days, want float64 }{
		{math.Inf(1), 1e6}, {math.NaN(), 0}, {math.Inf(-1), 0}, {-3, 0}, {0, 0}, {812.5, 812.5}, {2e6, 1e6},
	} {
		h, err := Decode[Health](Encode(Health{V: Version, DaysLeft: tt.days, Presses: 3}))
		if err != nil {
			t.Errorf("%v: %v", tt.days, err)
			continue
		}
		if h.DaysLeft != tt.want || h.Presses != 3 {
			t.Errorf("got %+v, want %v days", h, tt.want)
		}
	}
}

func TestPlan_Asked(t *testing.T) {
	good := Plan{V: 1, Site: "lyon", Touchpoint: "exit", Survey: "visit", Scale: "nps"}
	if got, err := good.Asked(); err != nil || got != (feedback.Asked{Site: "lyon", Touchpoint: "exit", Survey: "visit", Scale: "nps"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	for name, spoil := range map[string]func(*Plan){
		"site": func(p *Plan) { p.Site = "Lyon" }, "touchpoint": func(p *Plan) { p.Touchpoint = "" },
		"survey": func(p *Plan) { p.Survey = "a/b" }, "scale": func(p *Plan) { p.Scale = "stars" },
	} {
		p := good
		spoil(&p)
		if _, err := p.Asked(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got error %v, want one that names it", name, err)
		}
	}
}

// What is encoded decodes to the same, whatever it is.
func TestEncodeBatch_roundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Batch{
			V:      Version,
			Re:     Re{rapid.StringN(0, 16, 64).Draw(t, "nonce"), rapid.Int64().Draw(t, "number")},
			Epoch:  feedback.Epoch(rapid.Uint64Min(1).Draw(t, "epoch")),
			First:  feedback.Seq(rapid.Int64Range(2, maxSafe).Draw(t, "first")),
			Before: feedback.Hash(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "before")),
			Oldest: feedback.Seq(rapid.Int64Range(0, maxSafe).Draw(t, "oldest")),
			Next:   feedback.Seq(rapid.Int64Range(0, maxSafe).Draw(t, "next")),
		}
		for range rapid.IntRange(0, 20).Draw(t, "records") {
			b.Records = append(b.Records, AppendRecord(nil, drawRecord(t)))
		}
		for range rapid.IntRange(0, 3).Draw(t, "texts") {
			b.Texts = append(b.Texts, Text{
				Seq:  feedback.Seq(rapid.Int64Range(1, maxSafe).Draw(t, "of")),
				Salt: rapid.SliceOfN(rapid.Byte(), 1, 32).Draw(t, "salt"), Text: rapid.String().Draw(t, "text"),
			})
		}
		payload, err := EncodeBatch(b)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeBatch(payload)
		if err != nil {
			t.Fatalf("%s: %v", payload, err)
		}
		if !reflect.DeepEqual(got, b) {
			t.Fatalf("got  %+v\nwant %+v", got, b)
		}
		if re, ok := PeekRe(payload); !ok || re != b.Re {
			t.Fatalf("peeked: got %v %v, want %v", re, ok, b.Re)
		}
	})
}

func TestParseTopic(t *testing.T) {
	for _, leaf := range []string{TopicJournal, TopicAck, TopicState, TopicHealth, TopicPlan, TopicCommand, TopicReply} {
		if k, l, ok := ParseTopic(Topic("k-1", leaf)); k != "k-1" || l != leaf || !ok {
			t.Errorf("got %s %s %v, want k-1 %s", k, l, ok, leaf)
		}
	}
	for _, topic := range []string{
		"", "sourire/1/", "sourire/1/k", "sourire/2/k/ack", "sourire/1//ack", "sourire/1/K/ack", "sourire/1/k/a/b",
		"sourire/1/+/ack", "x/sourire/1/k/ack", EveryKiosk("ack"),
	} {
		if k, l, ok := ParseTopic(topic); ok {
			t.Errorf("%q: got %s %s, want none", topic, k, l)
		}
	}
}
