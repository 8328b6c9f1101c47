package wire

import (
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sourire/internal/feedback"
)

func TestDecodeRecord_refuses(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"nothing", "", "not a JSON array"},
		{"garbage", "\x00\x01", "not a JSON array"},
		{"null", "null", "not a JSON array"},
		{"an object", `{"kind":"press"}`, "not a JSON array"},
		{"half a press", `["press",1,2,`, "not a JSON array"},
		{"a press and a comma", `["press",1,2,2,80,]`, "not a JSON array"},
		{"two presses", `["press",1,2,2,80]["press",1,2,2,80]`, "not a JSON array"},
		{"an empty array", "[]", "kind is missing"},
		{"a kind that is a number", "[1,1,1]", `kind is "1", want a text`},
		{"no stamp", `["press"]`, "boot is missing"},
		{"half a stamp", `["press",1]`, "milliseconds since boot is missing"},
		{"boot 0", `["press",0,2,2,80]`, "boot is 0, want at least 1"},
		{"before the boot", `["press",1,-2,2,80]`, "milliseconds since boot is -2, want at least 0"},
		{"a press without a rating", `["press",1,2]`, "rating is missing"},
		{"a press without a time", `["press",1,2,2]`, "milliseconds held is missing"},
		{"a rating that is a text", `["press",1,2,"2",80]`, "rating is"},
		{"a rating with a fraction", `["press",1,2,2.0,80]`, `rating is "2.0", want an integer`},
		{"a rating with an exponent", `["press",1,2,2e0,80]`, `rating is "2e0", want an integer`},
		{"a rating below 0", `["press",1,2,-1,80]`, "rating is -1, want 0 to 1000"},
		{"a rating that 32 bits cannot hold", `["press",1,2,4294967298,80]`, "rating is 4294967298, want 0 to 1000"},
		{"a time of 2⁵³", `["press",1,9007199254740992,2,80]`, "want an integer"},
		{"a time of 40 digits", `["press",1,` + strings.Repeat("9", 40) + `,2,80]`, "want an integer"},
		{"a leading zero", `["press",1,2,02,80]`, "not a JSON array"},
		{"held for less than nothing", `["press",1,2,2,-1]`, "milliseconds held is -1"},
		{"a turn that is a text", `["press",1,2,2,80,"x"]`, "turn is"},
		{"nested 3,000 deep", `["press",` + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + `]`, "boot is"},
		{"4,097 bytes", `["later",1,1,"` + strings.Repeat("x", MaxRecord-15) + `"]`, "4097 bytes, at most 4096"},
		{"an unknown kind without a stamp", `["later"]`, "boot is missing"},
		{"an epoch's parent in capitals", `["epoch",1,1,"0123456789ABCDEF",0,"` + strings.Repeat("0", 32) + `","",0]`, "16 lower-case hex digits"},
		{"an epoch without a hash", `["epoch",1,1,"",0,"","",0]`, "32 lower-case hex digits"},
		{"an epoch that forgets again", `["epoch",1,1,"",0,"` + strings.Repeat("0", 32) + `",""]`, "records that follow again is missing"},
		{"a plan with a short id", `["plan",1,1,"00","s","t","v","nps"]`, "plan id"},
		{"a plan of a site with a space", `["plan",1,1,"` + strings.Repeat("0", 32) + `","a b","t","v","nps"]`, "site id"},
		{"a plan with an unknown scale", `["plan",1,1,"` + strings.Repeat("0", 32) + `","s","t","v","stars"]`, `scale "stars": want one of smiley3`},
		{"a reason for press 0", `["why",1,1,0,"x"]`, "sequence number of the press is 0"},
		{"a digest that is too short", `["comment",1,1,9,"abab"]`, "digest is not 64 hex digits"},
		{"a digest that is no hex", `["comment",1,1,9,"` + strings.Repeat("x", 64) + `"]`, "digest is not 64 hex digits"},
		{"a clock fix of boot 0", `["fix",1,1,0,5,5,"hub"]`, "boot is 0"},
		{"a clock fix with less than no uncertainty", `["fix",1,1,1,5,-5,"hub"]`, "uncertainty is -5"},
		{"a test that is true", `["test",1,1,true]`, "want an integer"},
		{"a test that is 2", `["test",1,1,2]`, "on is 2, want 0 or 1"},
		{"down since −2", `["boot",1,1,"v",-2]`, "down time is -2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := DecodeRecord([]byte(tt.body))
			sentence[*RecordError](t, err, tt.want)
		})
	}
}

func TestDecodeRecord_accepts(t *testing.T) {
	at := feedback.Stamp{Boot: 1, Since: 2}
	tests := []struct {
		name, body string
		want       feedback.Record
	}{
		{"space", "[ \"press\" , 1,\n2,2,80]", feedback.Record{Stamp: at, Fact: feedback.Press{Rating: 2, Held: 80}}},
		{"a turn of 0", `["press",1,2,2,80,0]`, feedback.Record{Stamp: at, Fact: feedback.Press{Rating: 2, Held: 80}}},
		{"more than is known", `["press",1,2,2,80,3,"x",{}]`, feedback.Record{Stamp: at, Fact: feedback.Press{Rating: 2, Held: 80, Flow: 3}}},
		{"an escaped kind", `["pr\u0065ss",1,2,2,80]`, feedback.Record{Stamp: at, Fact: feedback.Press{Rating: 2, Held: 80}}},
		{"a kind that is not known", `["later",1,2,{"a":[null]}]`, feedback.Record{Stamp: at, Fact: feedback.Unknown{Name: "later"}}},
		{"4,096 bytes", `["later",1,2,"` + strings.Repeat("x", MaxRecord-16) + `"]`, feedback.Record{Stamp: at, Fact: feedback.Unknown{Name: "later"}}},
		{"2⁵³−1", `["press",9007199254740991,9007199254740991,1000,9007199254740991,9007199254740991]`, feedback.Record{
			Stamp: feedback.Stamp{Boot: maxSafe, Since: maxSafe}, Fact: feedback.Press{Rating: maxRating, Held: maxSafe, Flow: maxSafe},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := DecodeRecord([]byte(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// What AppendRecord writes for buttons and screens takes the short way.
func TestDecodePress_plainForm(t *testing.T) {
	for _, body := range []string{
		`["press",1,0,0,0]`, `["press",3,123456,2,80]`, `["press",3,123456,10,0,17]`, `["press",1,999999999999999,1000,1,1]`,
	} {
		if _, ok := decodePress([]byte(body)); !ok {
			t.Errorf("%s takes the long way", body)
		}
	}
}

// The longest texts that a kiosk writes stay within a record, whatever their
// characters: one letter never takes more than two bytes beyond UTF-8 unless it
// is a control.
func TestAppendRecord_texts(t *testing.T) {
	for _, char := range []string{"a", "<", ">", "&", `"`, `\`, "é", "\U0001F600"} {
		r := feedback.Record{Stamp: feedback.Stamp{Boot: 1}, Fact: feedback.Reason{Press: 1, Code: strings.Repeat(char, 900)}}
		got, err := DecodeRecord(AppendRecord(nil, r))
		if err != nil || got != r {
			t.Errorf("900 × %q: got %.60v, %v", char, got, err)
		}
	}
	got, err := DecodeRecord(AppendRecord(nil, feedback.Record{Stamp: feedback.Stamp{Boot: 1}, Fact: feedback.Reason{Press: 1, Code: "a\xffb"}}))
	if want := (feedback.Reason{Press: 1, Code: "a\uFFFDb"}); err != nil || got.Fact != want {
		t.Errorf("invalid UTF-8: got %+v, %v", got.Fact, err)
	}
}

// drawRecord draws any record that can be written.
func drawRecord(t *rapid.T) feedback.Record {
	num := func(least int64, what string) int64 { return rapid.Int64Range(least, maxSafe).Draw(t, what) }
	text := func(what string) string { return rapid.StringN(0, 30, -1).Draw(t, what) }
	seq := feedback.Seq(num(1, "press"))
	hash := feedback.Hash(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "hash"))
	id := rapid.StringMatching(`[a-z0-9-]{1,40}`)
	on := rapid.Bool().Draw(t, "on")
	facts := []feedback.Fact{
		feedback.EpochBegan{Parent: feedback.Epoch(rapid.Uint64().Draw(t, "parent")), ParentLast: feedback.Seq(num(0, "last")), ParentHash: hash, Why: text("why"), Again: num(0, "again")},
		feedback.PlanApplied{Plan: feedback.PlanID(hash.String()), Asked: feedback.Asked{
			Site: feedback.SiteID(id.Draw(t, "site")), Touchpoint: feedback.TouchpointID(id.Draw(t, "touchpoint")),
			Survey: feedback.SurveyID(id.Draw(t, "survey")), Scale: rapid.SampledFrom(feedback.Scales()).Draw(t, "scale").ID,
		}},
		feedback.Press{Rating: rapid.IntRange(0, maxRating).Draw(t, "rating"), Held: num(0, "held"), Flow: num(0, "turn")},
		feedback.Reason{Press: seq, Code: text("reason")},
		feedback.Comment{Press: seq, Digest: [32]byte{hash[0], hash[1]}},
		feedback.FollowUpEnded{Press: seq, How: text("how")},
		feedback.BootBegan{Version: text("version"), Down: num(-1, "down")},
		feedback.Wall{UnixMilli: num(-maxSafe, "wall"), Trusted: on},
		feedback.ClockFix{Boot: feedback.Boot(num(1, "boot of")), Offset: num(-maxSafe, "offset"), Uncertainty: num(0, "uncertainty"), Source: text("source")},
		feedback.Test{On: on},
		feedback.Cleaning{On: on},
		feedback.Gesture{Press: seq},
		feedback.Stuck{Press: seq},
		feedback.Unknown{Name: "later"},
	}
	return feedback.Record{
		Stamp: feedback.Stamp{Boot: feedback.Boot(num(1, "boot")), Since: num(0, "since")},
		Fact:  facts[rapid.IntRange(0, len(facts)-1).Draw(t, "fact")],
	}
}

// Every record that can be written is read as it was, follows the schema and
// reads the same with more elements behind.
func TestAppendRecord_roundTrip(t *testing.T) {
	s := openSchema(t)
	rapid.Check(t, func(rt *rapid.T) {
		r := drawRecord(rt)
		body := AppendRecord([]byte("before"), r)[len("before"):]
		got, err := DecodeRecord(body)
		if err != nil || !reflect.DeepEqual(got, r) {
			rt.Fatalf("%s: got %+v, %v, want %+v", body, got, err, r)
		}
		if err := s.check(t, "record", body); err != nil {
			rt.Fatalf("%s: %v", body, err)
		}
		if p, ok := r.Fact.(feedback.Press); ok && p.Flow == 0 {
			return // the next element would be the turn
		}
		more := string(body[:len(body)-1]) + `,"more",{"x":[]}]`
		if got, err = DecodeRecord([]byte(more)); err != nil || !reflect.DeepEqual(got, r) {
			rt.Fatalf("%s: got %+v, %v, want %+v", more, got, err, r)
		}
	})
}
