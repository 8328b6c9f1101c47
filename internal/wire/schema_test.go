package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"sourire/internal/feedback"
	"sourire/internal/schedule"
)

// schemas compiles the definitions of schema.json that tests ask for.
type schemas struct {
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
}

func openSchema(t *testing.T) *schemas {
	t.Helper()
	b, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("urn:sourire:wire:1", doc); err != nil {
		t.Fatal(err)
	}
	return &schemas{compiler: c, compiled: make(map[string]*jsonschema.Schema)}
}

// check holds a payload to a definition.
func (s *schemas) check(t *testing.T, def string, payload []byte) error {
	t.Helper()
	schema, ok := s.compiled[def]
	if !ok {
		var err error
		if schema, err = s.compiler.Compile("urn:sourire:wire:1#/$defs/" + def); err != nil {
			t.Fatal(err)
		}
		s.compiled[def] = schema
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(payload))
	if err != nil {
		t.Fatalf("%s: %v", payload, err)
	}
	return schema.Validate(doc)
}

// definition returns the definition that a golden follows: the first word of
// its name.
func definition(file string) string {
	word, _, _ := strings.Cut(file, "-")
	return word
}

func TestSchema_acceptsGoldens(t *testing.T) {
	s := openSchema(t)
	for _, g := range allGoldens() {
		if err := s.check(t, definition(g.file), readGolden(t, g.file)); err != nil {
			t.Errorf("%s: %v", g.file, err)
		}
	}
}

// The schema names every field that is written, and no other.
func TestSchema_namesEveryField(t *testing.T) {
	b, err := os.ReadFile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Defs map[string]struct{ Properties map[string]any } `json:"$defs"`
	}
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	types := map[string]any{
		"batch": Batch{}, "text": Text{}, "ack": Ack{}, "state": State{}, "health": Health{}, "button": Button{}, "plan": Plan{}, "hub": Hub{},
		"followUp": FollowUp{}, "hours": schedule.Hours{}, "span": schedule.Span{},
	}
	for def, v := range types {
		var fields []string
		for f := range reflect.TypeOf(v).Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			fields = append(fields, name)
		}
		slices.Sort(fields)
		if got := slices.Sorted(maps.Keys(doc.Defs[def].Properties)); !slices.Equal(got, fields) {
			t.Errorf("%s: the schema names %v, the type has %v", def, got, fields)
		}
	}
	for _, name := range batchFields {
		if _, ok := doc.Defs["batch"].Properties[name]; !ok {
			t.Errorf("repeatedField knows %q, a batch does not have it", name)
		}
	}
	if got, want := len(batchFields), len(doc.Defs["batch"].Properties); got != want {
		t.Errorf("repeatedField knows %d fields, a batch has %d", got, want)
	}
	var scales []string
	for _, sc := range feedback.Scales() {
		scales = append(scales, string(sc.ID))
	}
	if !strings.Contains(string(b), `"scale": { "enum": ["`+strings.Join(scales, `", "`)+`"] }`) {
		t.Errorf("the schema does not name the scales %v", scales)
	}
}

// mutant is a golden with one thing wrong.
type mutant struct {
	what    string
	payload []byte
}

// mutants spoils each part of a golden: it leaves it out, or gives it a value of
// another type. Fields that may be absent are not left out.
func mutants(t *testing.T, file string, optional map[string]bool) []mutant {
	t.Helper()
	var out []mutant
	add := func(what string, v any) {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, mutant{what, b})
	}
	var doc any
	d := json.NewDecoder(bytes.NewReader(readGolden(t, file)))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	switch doc := doc.(type) {
	case map[string]any:
		for k, v := range doc {
			m := maps.Clone(doc)
			if !optional[k] {
				delete(m, k)
				add("without "+k, m)
			}
			for _, other := range otherTypes(v) {
				m[k] = other
				add(fmt.Sprintf("%s is %v", k, other), m)
			}
		}
		m := maps.Clone(doc)
		m["v"] = 2
		add("version 2", m)
	case []any:
		for i, v := range doc {
			m := slices.Clone(doc)
			for _, other := range otherTypes(v) {
				m[i] = other
				add(fmt.Sprintf("element %d is %v", i, other), m)
			}
		}
		need := len(doc)
		if file == "record-press-touch" {
			need-- // the turn may be absent
		}
		for n := range need {
			add(fmt.Sprintf("cut to %d elements", n), doc[:n])
		}
	}
	add("null", nil)
	add("a text", "text")
	add("a number", 7)
	return out
}

// otherTypes returns values that can never stand where v does.
func otherTypes(v any) []any {
	out := []any{nil, map[string]any{"a": 1}, 0.5, json.Number("1e400")}
	switch v := v.(type) {
	case json.Number:
		if v == "812.5" { // days_left is no integer
			out = []any{nil, map[string]any{"a": 1}}
		}
		out = append(out, "7", true, json.Number("-9007199254740993"), json.Number("9007199254740993"))
	case bool:
		out = append(out, "true", 1)
	default:
		out = append(out, 7, true)
	}
	return out
}

// The schema refuses every mutant, and DecodeRecord refuses those of records:
// both say the same of what a record is.
func TestSchema_refusesMutants(t *testing.T) {
	s := openSchema(t)
	optional := map[string]bool{
		"records": true, "texts": true, "wait": true, "refused": true, "why": true, "at": true, "words": true,
		"up_s": true, "celsius": true, "throttled": true, "memory_free": true, "disk_written": true, "link_dbm": true, "buttons": true,
		"languages": true, "follow_ups": true, "keep_draft": true, "zone": true, "hours": true, "contrast": true, "link": true,
	}
	total := 0
	for _, g := range allGoldens() {
		may := optional
		if definition(g.file) == "ack" {
			may = maps.Clone(optional)
			delete(may, "at")
		}
		for _, m := range mutants(t, g.file, may) {
			total++
			if s.check(t, definition(g.file), m.payload) == nil {
				t.Errorf("%s, %s: the schema accepts %s", g.file, m.what, m.payload)
			}
			if definition(g.file) != "record" {
				continue
			}
			if r, err := DecodeRecord(m.payload); err == nil {
				t.Errorf("%s, %s: DecodeRecord reads %s as %+v", g.file, m.what, m.payload, r)
			}
		}
	}
	if total < 500 {
		t.Errorf("got %d mutants, want at least 500", total)
	}
}

// What is wrong by its value and not by its type.
func TestSchema_refuses(t *testing.T) {
	s := openSchema(t)
	text := func(n int) string {
		return `{"seq":1,"salt":"YQ==","text":"` + strings.Repeat("é", n) + `"}`
	}
	batch := func(old, replacement string) string {
		return strings.Replace(string(readGolden(t, "batch-records")), old, replacement, 1)
	}
	planWith := func(field string) string {
		return `{"v":1,"site":"lyon","touchpoint":"exit","survey":"visit","scale":"smiley3",` + field + `}`
	}
	tests := []struct{ name, def, payload string }{
		{"a site with a capital", "plan", `{"v":1,"site":"Lyon","touchpoint":"exit","survey":"visit","scale":"smiley3"}`},
		{"a site with a dot", "plan", `{"v":1,"site":"ly.on","touchpoint":"exit","survey":"visit","scale":"smiley3"}`},
		{"an empty site", "plan", `{"v":1,"site":"","touchpoint":"exit","survey":"visit","scale":"smiley3"}`},
		{"a site of 41 letters", "plan", `{"v":1,"site":"` + strings.Repeat("a", 41) + `","touchpoint":"exit","survey":"visit","scale":"smiley3"}`},
		{"an unknown scale", "plan", `{"v":1,"site":"lyon","touchpoint":"exit","survey":"visit","scale":"stars"}`},
		{"seven reasons", "plan", planWith(`"follow_ups":[{"reasons":["a","b","c","d","e","f","g"]}]`)},
		{"a reason twice", "plan", planWith(`"follow_ups":[{"reasons":["a","a"]}]`)},
		{"a reason that is no code", "plan", planWith(`"follow_ups":[{"reasons":["À lire"]}]`)},
		{"a time of day", "plan", planWith(`"follow_ups":[{"when":{"from":"9:00","until":"24:00"}}]`)},
		{"a time after midnight", "plan", planWith(`"follow_ups":[{"when":{"from":"09:00","until":"24:01"}}]`)},
		{"half a span", "plan", planWith(`"hours":{"week":{"mon":[{"from":"09:00"}]}}`)},
		{"a day in French", "plan", planWith(`"hours":{"week":{"lun":[]}}`)},
		{"hours without a week", "plan", planWith(`"hours":{"dates":{}}`)},
		{"a date in German", "plan", planWith(`"hours":{"week":{},"dates":{"25.12.2026":[]}}`)},
		{"a link to nowhere", "plan", planWith(`"link":"javascript:alert(1)"`)},
		{"a comment of 2001 characters", "text", text(2001)},
		{"an epoch of zeros", "batch", batch("0123456789abcdef", "0000000000000000")},
		{"an epoch in capitals", "batch", batch("0123456789abcdef", "0123456789ABCDEF")},
		{"a hash that is too short", "batch", batch("deadbeef", "deadbee")},
		{"first is 0", "batch", batch(`"first":9`, `"first":0`)},
		{"a hash before record 1", "batch", batch(`"first":9`, `"first":1`)},
		{"501 records", "batch", batch(`"records":[`, `"records":[`+strings.Repeat(`["x",1,0],`, 498))},
		{"a bad record", "batch", batch(`123456,2,80`, `-1,2,80`)},
		{"a nonce of 65 characters", "batch", batch("6f1c2a", strings.Repeat("a", 65))},
		{"a request of three", "batch", batch(`["6f1c2a",7]`, `["6f1c2a",7,8]`)},
		{"an unknown refusal", "ack", strings.Replace(string(readGolden(t, "ack-refused-fork")), `"fork"`, `"mood"`, 1)},
		{"boot 0", "record", `["press",0,1,2,80]`},
		{"before the boot", "record", `["press",1,-1,2,80]`},
		{"a rating below zero", "record", `["press",1,1,-1,80]`},
		{"a digest that is too short", "record", `["comment",1,1,9,"abab"]`},
		{"an unknown kind without a stamp", "record", `["later",1]`},
		{"a kind that is no text", "record", `[7,1,1]`},
		{"on is 2", "record", `["test",1,1,2]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if s.check(t, tt.def, []byte(tt.payload)) == nil {
				t.Errorf("the schema accepts %.200s", tt.payload)
			}
		})
	}
	if err := s.check(t, "text", []byte(text(2000))); err != nil {
		t.Errorf("a comment of 2000 characters: %v", err)
	}
	if err := s.check(t, "record", []byte(`["later",1,1,{"a":[]}]`)); err != nil {
		t.Errorf("an unknown kind: %v", err)
	}
	if err := s.check(t, "record", []byte(`["press",1,1,2,80,0,"more"]`)); err != nil {
		t.Errorf("a record with more elements than are known: %v", err)
	}
	if err := s.check(t, "hub", []byte(`{"v":1,"online":true,"store":"a","term":1,"since":1,"later":[]}`)); err != nil {
		t.Errorf("a field that is not known: %v", err)
	}
}
