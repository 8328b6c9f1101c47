package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"sourire/internal/feedback"
	"sourire/internal/schedule"
)

// golden is a message and the file that fixes its bytes.
type golden struct {
	file  string
	value any
}

const (
	goldenEpoch feedback.Epoch  = 0x0123456789abcdef
	goldenPlan  feedback.PlanID = "00112233445566778899aabbccddeeff"
)

func goldenHash() feedback.Hash {
	return feedback.Hash{0xde, 0xad, 0xbe, 0xef, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
}

func goldenRecords() []golden {
	at := func(since int64, f feedback.Fact) feedback.Record {
		return feedback.Record{Stamp: feedback.Stamp{Boot: 3, Since: since}, Fact: f}
	}
	asked := feedback.Asked{Site: "store-1", Touchpoint: "exit", Survey: "visit", Scale: "smiley3"}
	return []golden{
		{"record-epoch", at(812, feedback.EpochBegan{Parent: 0xfedcba9876543210, ParentLast: 41, ParentHash: goldenHash(), Why: "fork", Again: 7})},
		{"record-epoch-first", at(812, feedback.EpochBegan{Why: "new"})},
		{"record-plan", at(815, feedback.PlanApplied{Plan: goldenPlan, Asked: asked})},
		{"record-boot", at(811, feedback.BootBegan{Version: "v0.1.0", Down: 90_000})},
		{"record-boot-down-unknown", at(811, feedback.BootBegan{Version: "v0.1.0", Down: -1})},
		{"record-wall", at(811, feedback.Wall{UnixMilli: 1_790_000_000_000, Trusted: true})},
		{"record-wall-1970", at(811, feedback.Wall{UnixMilli: 4_711})},
		{"record-fix", at(9_000, feedback.ClockFix{Boot: 3, Offset: 1_789_999_999_189, Uncertainty: 40, Source: "hub"})},
		{"record-press", at(123_456, feedback.Press{Rating: 2, Held: 80})},
		{"record-press-worst", at(0, feedback.Press{})},
		{"record-press-touch", at(123_456, feedback.Press{Rating: 10, Flow: 17})},
		{"record-why", at(125_000, feedback.Reason{Press: 9, Code: "waiting"})},
		{"record-why-escaped", at(125_000, feedback.Reason{Press: 9, Code: "à \"lire\" <b>&\\ \t\u2028"})},
		{"record-comment", at(130_000, feedback.Comment{Press: 9, Digest: sha256.Sum256([]byte("saltMerci !"))})},
		{"record-end", at(131_000, feedback.FollowUpEnded{Press: 9, How: "done"})},
		{"record-test", at(140_000, feedback.Test{On: true})},
		{"record-test-off", at(141_000, feedback.Test{})},
		{"record-clean", at(150_000, feedback.Cleaning{On: true})},
		{"record-clean-off", at(151_000, feedback.Cleaning{})},
		{"record-gesture", at(160_000, feedback.Gesture{Press: 12})},
		{"record-stuck", at(170_000, feedback.Stuck{Press: 12})},
	}
}

func goldenBatches() []golden {
	records := func(bodies ...string) []json.RawMessage {
		var out []json.RawMessage
		for _, b := range bodies {
			out = append(out, json.RawMessage(b))
		}
		return out
	}
	b := Batch{V: 1, Re: Re{"6f1c2a", 7}, Epoch: goldenEpoch, First: 9, Before: goldenHash(), Oldest: 2, Next: 12}
	question, full, texts, first := b, b, b, b
	full.Records = records(`["press",3,123456,2,80]`, `["why",3,125000,9,"waiting"]`, `["from-later",3,126000,{"a":[1,2]}]`)
	texts.Records = records(`["press",3,123456,2,80]`, `["comment",3,130000,9,"`+strings.Repeat("ab", 32)+`"]`)
	texts.Texts = []Text{{Seq: 10, Salt: []byte("salt and pepper"), Text: "Merci \"beaucoup\" !\n<3"}}
	first.First, first.Before, first.Oldest, first.Next = 1, feedback.Hash{}, 1, 2
	first.Records = records(`["epoch",3,812,"",0,"` + strings.Repeat("0", 32) + `","new",0]`)
	return []golden{
		{"batch-question", question},
		{"batch-records", full},
		{"batch-texts", texts},
		{"batch-first", first},
	}
}

func goldenMessages() []golden {
	ack := Ack{V: 1, Re: Re{"6f1c2a", 7}, Store: "5f1e0c2d3b4a5968", Term: 3, Epoch: goldenEpoch, Through: 11, At: 1_790_000_000_000}
	refused := func(r Refusal, wait int, why string) Ack {
		a := ack
		a.Refused, a.Wait, a.Why = r, wait, why
		return a
	}
	wait := ack
	wait.Wait = 5
	unreadable := refused(RefusedUnreadable, 0, "envelope: not UTF-8")
	unreadable.Epoch, unreadable.Through = 0, 0
	state := State{
		V: 1, Session: 1_790_000_000_001, Online: true, Version: "v0.1.0", Boot: 3, Epoch: goldenEpoch,
		Oldest: 2, Next: 12, Plan: goldenPlan, At: 1_790_000_000_000,
	}
	will := state
	will.Online, will.At = false, 0
	health := Health{
		V: 1, Session: 1_790_000_000_001, Epoch: goldenEpoch, Next: 12, Queue: 3, At: 1_790_000_000_000, QueuedPresses: 2,
		Presses: 9, DiskFree: 12_000_000_000, DaysLeft: 812.5, WriteMicros: 1_830, ClockTrusted: true, MemoryBytes: 31_457_280,
	}
	board := health
	board.UpSeconds, board.Celsius, board.Throttled, board.MemoryFree, board.DiskWritten, board.LinkDBm = 86_400, 54, 0x50000, 402_653_184, 73_400_320, -61
	board.Buttons = []Button{{Heard: true, TooShort: 4}, {Heard: true}, {Stuck: 1, Lost: 12, Losses: 2}}
	plan := Plan{V: 1, Site: "store-1", Touchpoint: "exit", Survey: "visit", Scale: "smiley3"}
	worded := plan
	worded.Words = map[string]Words{
		"en": {Question: "How was your visit?", Thanks: "Thank you!", Faces: []string{"unhappy", "neutral", "happy"}},
		"fr": {Question: "Comment s'est passée votre visite ?", Thanks: "Merci !"},
	}
	asking := worded
	asking.Words = map[string]Words{
		"ar": {Question: "كيف كانت زيارتك؟", Thanks: "شكرًا!", Comment: "هل تودّ أن تضيف شيئًا؟"},
		"en": {
			Question: "How was your visit?", Thanks: "Thank you!", Comment: "Anything else?",
			Texts: map[string]string{"queue": "The queue", "till-staff": "The staff", "what": "What was it?"},
		},
	}
	asking.Languages = []string{"en", "ar"}
	asking.FollowUps = []FollowUp{
		{Ratings: []int{0, 1}, When: &schedule.Span{From: "11:30", Until: "14:00"}, Ask: "what", Reasons: []string{"queue", "till-staff"}, Comment: true},
		{Ratings: []int{0}, Reasons: []string{"waiting"}},
		{Comment: true},
	}
	asking.KeepDraft, asking.Contrast = true, true
	asking.Zone, asking.Link = "Europe/Paris", "https://example.org/a/7f3k"
	asking.Hours = &schedule.Hours{
		Week:  map[string][]schedule.Span{"mon": {{From: "09:00", Until: "12:00"}, {From: "14:00", Until: "19:00"}}, "sat": {{From: "18:00", Until: "02:00"}}},
		Dates: map[string][]schedule.Span{"2026-12-24": {{From: "09:00", Until: "24:00"}}, "2026-12-25": {}},
	}
	hub := Hub{V: 1, Online: true, Store: "5f1e0c2d3b4a5968", Term: 3, Since: 1_790_000_000_000}
	gone := hub
	gone.Online = false
	return []golden{
		{"ack-stored", ack},
		{"ack-wait", wait},
		{"ack-refused-fork", refused(RefusedFork, 0, "the hash before record 9 differs from what is stored")},
		{"ack-refused-unreadable", unreadable},
		{"ack-refused-busy", refused(RefusedBusy, 7, "the hub has 1000 payloads waiting")},
		{"ack-refused-store", refused(RefusedStore, 2, "the hub could not write to its store and will try again")},
		{"state-birth", state},
		{"state-will", will},
		{"health", health},
		{"health-board", board},
		{"plan", plan},
		{"plan-words", worded},
		{"plan-asking", asking},
		{"hub-online", hub},
		{"hub-will", gone},
	}
}

func allGoldens() []golden {
	return slices.Concat(goldenRecords(), goldenBatches(), goldenMessages())
}

func readGolden(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "golden", file+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// encodeAny writes a value as this package writes values of its type.
func encodeAny(t testing.TB, value any) []byte {
	t.Helper()
	switch v := value.(type) {
	case feedback.Record:
		return AppendRecord(nil, v)
	case Batch:
		b, err := EncodeBatch(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	case message:
		return Encode(v)
	}
	t.Fatalf("no way to write a %T", value)
	return nil
}

// decodeLike reads bytes as a value of the same type as like.
func decodeLike(like any, b []byte) (any, error) {
	switch like.(type) {
	case feedback.Record:
		return DecodeRecord(b)
	case Batch:
		return DecodeBatch(b)
	case Ack:
		return Decode[Ack](b)
	case State:
		return Decode[State](b)
	case Health:
		return Decode[Health](b)
	case Plan:
		return Decode[Plan](b)
	case Hub:
		return Decode[Hub](b)
	}
	return nil, fmt.Errorf("no way to read a %T", like)
}

// The goldens are the wire: what they hold is read as these values, and these
// values are written as they say, byte for byte.
func TestGoldens(t *testing.T) {
	for _, g := range allGoldens() {
		t.Run(g.file, func(t *testing.T) {
			want := readGolden(t, g.file)
			if got := encodeAny(t, g.value); !bytes.Equal(got, want) {
				t.Errorf("encoded:\ngot  %s\nwant %s", got, want)
			}
			got, err := decodeLike(g.value, want)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, g.value) {
				t.Errorf("decoded:\ngot  %+v\nwant %+v", got, g.value)
			}
		})
	}
}

// Goldens are added to, never edited: SHA256SUMS says what each was when it was
// added, and names every one.
func TestGoldens_neverEdited(t *testing.T) {
	sums, err := os.ReadFile("testdata/golden/SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for line := range strings.Lines(string(sums)) {
		want, file, ok := strings.Cut(strings.TrimSpace(line), "  ")
		if !ok {
			t.Fatalf("SHA256SUMS: %q is not a sum and a name", line)
		}
		file = strings.TrimSuffix(file, ".json")
		listed = append(listed, file)
		if got := fmt.Sprintf("%x", sha256.Sum256(readGolden(t, file))); got != want {
			t.Errorf("%s: got sum %s, want %s: a golden is never edited, add another", file, got, want)
		}
	}
	files, err := filepath.Glob("testdata/golden/*.json")
	if err != nil {
		t.Fatal(err)
	}
	var held, tested []string
	for _, f := range files {
		held = append(held, strings.TrimSuffix(filepath.Base(f), ".json"))
	}
	for _, g := range allGoldens() {
		tested = append(tested, g.file)
	}
	slices.Sort(listed)
	slices.Sort(held)
	slices.Sort(tested)
	if !slices.Equal(listed, held) {
		t.Errorf("SHA256SUMS names %v, there are %v", listed, held)
	}
	if !slices.Equal(tested, held) {
		t.Errorf("values are known for %v, there are %v", tested, held)
	}
}

// Every kind of record, and every refusal, has a golden.
func TestGoldens_complete(t *testing.T) {
	kinds := []feedback.Kind{
		feedback.KindEpoch, feedback.KindPlan, feedback.KindPress, feedback.KindReason, feedback.KindComment, feedback.KindEnd,
		feedback.KindBoot, feedback.KindWall, feedback.KindClockFix, feedback.KindTest, feedback.KindCleaning,
		feedback.KindGesture, feedback.KindStuck,
	}
	for _, k := range kinds {
		if !slices.ContainsFunc(goldenRecords(), func(g golden) bool { return g.value.(feedback.Record).Fact.Kind() == k }) {
			t.Errorf("no golden for a record of kind %s", k)
		}
	}
	for _, r := range []Refusal{"", RefusedFork, RefusedUnreadable, RefusedBusy, RefusedStore} {
		if !slices.ContainsFunc(goldenMessages(), func(g golden) bool { a, ok := g.value.(Ack); return ok && a.Refused == r }) {
			t.Errorf("no golden for an ack that is refused %q", r)
		}
	}
}
