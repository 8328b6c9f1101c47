package feedback_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"sourire/internal/feedback"
)

func TestParseIDs(t *testing.T) {
	parse := map[string]func(string) error{
		"kiosk":      func(s string) error { id, err := feedback.ParseKioskID(s); return same(string(id), s, err) },
		"site":       func(s string) error { id, err := feedback.ParseSiteID(s); return same(string(id), s, err) },
		"touchpoint": func(s string) error { id, err := feedback.ParseTouchpointID(s); return same(string(id), s, err) },
		"survey":     func(s string) error { id, err := feedback.ParseSurveyID(s); return same(string(id), s, err) },
	}
	for what, p := range parse {
		t.Run(what, func(t *testing.T) {
			for _, good := range []string{"a", "0", "-", "till-3", strings.Repeat("z", 40)} {
				if err := p(good); err != nil {
					t.Errorf("%q: %v", good, err)
				}
			}
			for _, bad := range []string{"", "A", "a.b", "a b", "a/b", "a+", "#", "é", "a\n", "a\x00", "$sys", "`", "{", ":", ",", strings.Repeat("z", 41)} {
				err := p(bad)
				ide, ok := errors.AsType[*feedback.IDError](err)
				if !ok {
					t.Errorf("%q: got error %v, want an IDError", bad, err)
					continue
				}
				if ide.What != what || ide.Text != bad || !strings.Contains(err.Error(), what+" id") {
					t.Errorf("%q: got %q", bad, err)
				}
			}
		})
	}
}

func same(got, want string, err error) error {
	if err == nil && got != want {
		return errors.New("parsed as " + got)
	}
	return err
}

func TestEpoch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := feedback.Epoch(rapid.Uint64().Draw(t, "epoch"))
		b, err := json.Marshal(e)
		if err != nil || len(b) != 18 {
			t.Fatalf("got %s, %v", b, err)
		}
		var back feedback.Epoch
		if err := json.Unmarshal(b, &back); err != nil || back != e {
			t.Fatalf("got %v, %v, want %v", back, err, e)
		}
	})
	for _, bad := range []string{"", "0123456789ABCDEF", "123456789abcdef", "00123456789abcdef", "+123456789abcdef", "0x23456789abcdef", "0123456789abcde_"} {
		if e, err := feedback.ParseEpoch(bad); err == nil || !strings.Contains(err.Error(), "16 lower-case hex digits") {
			t.Errorf("%q: got %v, %v", bad, e, err)
		}
	}
}

func TestHash(t *testing.T) {
	var zero feedback.Hash
	a := zero.Next([]byte(`["press",1,2,2,80]`))
	sum := sha256.Sum256([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" + `["press",1,2,2,80]`))
	if string(a[:]) != string(sum[:16]) {
		t.Errorf("got %v, want the first 16 bytes of SHA-256 over the hash before and the bytes", a)
	}
	b := a.Next([]byte("x"))
	if b == zero.Next([]byte("x")) || b == a {
		t.Error("the hash does not depend on what came before")
	}
	if back, err := feedback.ParseHash(b.String()); err != nil || back != b {
		t.Errorf("got %v, %v, want %v", back, err, b)
	}
	for _, bad := range []string{"", "00", strings.Repeat("0", 31), strings.Repeat("0", 33), strings.Repeat("A", 32), strings.Repeat("g", 32)} {
		if h, err := feedback.ParseHash(bad); err == nil || !strings.Contains(err.Error(), "32 lower-case hex digits") {
			t.Errorf("%q: got %v, %v", bad, h, err)
		}
	}
}

func TestPlanID(t *testing.T) {
	id := feedback.NewPlanID([]byte("{}"))
	if want := feedback.PlanID("44136fa355b3678a1146ad16f7e8649e"); id != want { // sha256sum of {}
		t.Errorf("got %s, want %s", id, want)
	}
	if back, err := feedback.ParsePlanID(string(id)); err != nil || back != id {
		t.Errorf("got %v, %v", back, err)
	}
	if _, err := feedback.ParsePlanID("44"); err == nil || !strings.Contains(err.Error(), "plan id") {
		t.Errorf("got error %v", err)
	}
}

// The scales are those of measures.md.
func TestScales(t *testing.T) {
	classes := map[feedback.ScaleID]string{ // worst first: negative, neutral, positive
		"smiley3": "-0+", "smiley4": "--++", "smiley5": "--0++", "csat5": "--0++", "csat7": "---00++",
		"csat10": "-----000++", "nps": "-------00++", "ces7": "---0+++", "binary": "-+",
	}
	scales := feedback.Scales()
	if len(scales) != len(classes) || scales[0].ID != "smiley3" {
		t.Fatalf("got %d scales, the first %s, want %d and smiley3", len(scales), scales[0].ID, len(classes))
	}
	for _, s := range scales {
		got := ""
		for r := s.Lowest; r <= s.Highest(); r++ {
			switch {
			case !s.Has(r) || s.Step(r) != r-s.Lowest || s.Step(r) >= feedback.MaxSteps:
				t.Errorf("%s: rating %d is not on it", s.ID, r)
			case r >= s.Positive:
				got += "+"
			case r <= s.Negative:
				got += "-"
			default:
				got += "0"
			}
		}
		if got != classes[s.ID] {
			t.Errorf("%s: got classes %s, want %s", s.ID, got, classes[s.ID])
		}
		if s.Has(s.Lowest-1) || s.Has(s.Highest()+1) {
			t.Errorf("%s has ratings beyond its ends", s.ID)
		}
		if len(s.Weights) > 0 && (len(s.Weights) != s.Steps || s.Weights[0] != 0 || s.Weights[s.Steps-1] != 100) {
			t.Errorf("%s: got weights %v", s.ID, s.Weights)
		}
		if back, err := feedback.ParseScale(string(s.ID)); err != nil || back.ID != s.ID {
			t.Errorf("%s: got %v, %v", s.ID, back, err)
		}
	}
	scales[0].ID = "changed"
	if feedback.Scales()[0].ID != "smiley3" {
		t.Error("the table of scales can be changed from outside")
	}
	if _, err := feedback.ParseScale("stars"); err == nil || !strings.Contains(err.Error(), "want one of smiley3 smiley4") {
		t.Errorf("got error %v", err)
	}
}

func TestKioskID_Imported(t *testing.T) {
	for id, want := range map[feedback.KioskID]bool{"import-lyon": true, "import-": true, "import": false, "k-import-1": false} {
		if got := id.Imported(); got != want {
			t.Errorf("%s: got %v, want %v", id, got, want)
		}
	}
}
