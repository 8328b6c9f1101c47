package settings_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"sourire/internal/feedback"
	"sourire/internal/wire"
	"sourire/kiosk/settings"
)

// open opens the plans of a kiosk and returns what was logged meanwhile.
func open(t *testing.T, s settings.Settings) (*settings.Plans, string) {
	t.Helper()
	var log bytes.Buffer
	p, err := settings.OpenPlans(s, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return p, log.String()
}

func TestSettings_Local(t *testing.T) {
	p, err := good(t).Local()
	if err != nil {
		t.Fatal(err)
	}
	const bytes = `{"v":1,"site":"main","touchpoint":"exit","survey":"visit","scale":"smiley3"}`
	if string(p.Bytes) != bytes || p.ID != feedback.NewPlanID([]byte(bytes)) || p.FromHub {
		t.Errorf("got %s with id %s, want %s with its hash", p.Bytes, p.ID, bytes)
	}
	if want := (feedback.Asked{Site: "main", Touchpoint: "exit", Survey: "visit", Scale: "smiley3"}); p.Asked != want {
		t.Errorf("got %+v, want %+v", p.Asked, want)
	}
	if got := p.Words[p.Language]; p.Language != "fr" || got.Thanks != "Merci !" {
		t.Errorf("got %+v in %s, want French", got, p.Language)
	}
}

func TestSettings_EveryScaleHasWords(t *testing.T) {
	for _, scale := range feedback.Scales() {
		for _, language := range []string{"fr", "en", "de", "es", "it", "fi", "ar", "zh"} {
			s := good(t)
			s.Kiosk.Scale, s.Kiosk.Language = string(scale.ID), language
			p, err := s.Local()
			if err != nil {
				t.Fatal(err)
			}
			w := p.Words[language]
			seen := map[string]bool{"": true}
			for _, f := range w.Faces {
				if seen[f] {
					t.Errorf("%s in %s: got face %q twice or empty", scale.ID, language, f)
				}
				seen[f] = true
			}
			if w.Question == "" || w.Thanks == "" || len(w.Faces) != scale.Steps {
				t.Errorf("%s in %s: got %+v, want a question, thanks and %d faces", scale.ID, language, w, scale.Steps)
			}
		}
	}
}

// A plan in a file is one that a hub could have sent.
func TestSettings_LocalFromFile(t *testing.T) {
	s := good(t)
	s.Kiosk.PlanFile = filepath.Join(t.TempDir(), "plan.json")
	if _, err := s.Local(); err == nil || !strings.Contains(err.Error(), "kiosk.plan_file") {
		t.Errorf("got %v for a file that is not there", err)
	}
	const text = `{"v":1,"survey":"toilets","languages":["en","ar"],"follow_ups":[{"ratings":[0],"reasons":["cleanliness","waiting"],"comment":true}]}`
	if err := os.WriteFile(s.Kiosk.PlanFile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := s.Local()
	if err != nil {
		t.Fatal(err)
	}
	if p.FromHub || string(p.Bytes) != text || p.Asked.Survey != "toilets" || p.Asked.Touchpoint != "exit" {
		t.Errorf("got %+v, want the file's plan, completed by the settings", p)
	}
}

// A plan brings languages, questions, hours and a link.
func TestSettings_ReadEverything(t *testing.T) {
	p, err := good(t).Read([]byte(`{"v":1,"languages":["ar","en","ar"],"words":{"en":{"question":"Q","texts":{"dirty":"Dirt","what":"What?"}},"ar":{"texts":{"dirty":"قذارة","what":"ماذا؟"}},"de":{"question":"F"}},
		"follow_ups":[{"ratings":[0],"ask":"what","reasons":["dirty","waiting"]},{"comment":true}],"keep_draft":true,"contrast":true,
		"zone":"Asia/Riyadh","hours":{"week":{"sun":[{"from":"09:00","until":"17:00"}]}},"link":"https://example.org/q"}`))
	if err != nil {
		t.Fatal(err)
	}
	if p.Language != "ar" || !slices.Equal(p.Languages, []string{"ar", "en"}) || len(p.Words) != 2 {
		t.Errorf("got %s of %v with %d words, want ar of ar and en", p.Language, p.Languages, len(p.Words))
	}
	if w := p.Words["ar"]; w.Question != "كيف كانت زيارتك؟" || w.Texts["dirty"] != "قذارة" || w.Texts["waiting"] != "الانتظار" || w.Comment == "" {
		t.Errorf("got %+v in Arabic, want it completed", w)
	}
	if len(p.FollowUps) != 2 || !p.KeepDraft || !p.Contrast || p.Link != "https://example.org/q" || p.Zone.String() != "Asia/Riyadh" {
		t.Errorf("got %+v", p.Plan)
	}
	at := func(clock string) time.Time {
		v, err := time.ParseInLocation("2006-01-02 15:04", "2026-11-29 "+clock, p.Zone) // a Sunday
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for clock, want := range map[string]bool{"08:29": false, "08:30": true, "17:29": true, "17:30": false} {
		if open, _ := p.Hours.At(at(clock)); open != want {
			t.Errorf("open is %v at %s, want %v: half an hour around the hours", open, clock, want)
		}
	}
}

func TestSettings_Read(t *testing.T) {
	tests := []struct {
		name, sent string
		asked      feedback.Asked
		language   string
		words      wire.Words
	}{
		{
			"all of it",
			`{"v":1,"site":"s","touchpoint":"t","survey":"q","scale":"binary","words":{"fr":{"question":"Q","thanks":"M","faces":["n","o"]}}}`,
			feedback.Asked{Site: "s", Touchpoint: "t", Survey: "q", Scale: "binary"},
			"fr",
			wire.Words{Question: "Q", Thanks: "M", Faces: []string{"n", "o"}},
		},
		{
			"one field", `{"v":1,"touchpoint":"till-3","new":true}`,
			feedback.Asked{Site: "main", Touchpoint: "till-3", Survey: "visit", Scale: "smiley3"},
			"fr",
			wire.Words{Question: "Comment s’est passée votre visite ?", Thanks: "Merci !", Faces: []string{"mécontent", "neutre", "content"}},
		},
		{
			"a question of a region", `{"v":1,"scale":"binary","words":{"fr-CH":{"question":"Q"},"en":{"question":"E"}}}`,
			feedback.Asked{Site: "main", Touchpoint: "exit", Survey: "visit", Scale: "binary"},
			"fr-CH",
			wire.Words{Question: "Q", Thanks: "Merci !", Faces: []string{"non", "oui"}},
		},
		{
			"another language", `{"v":1,"words":{"pl":{"question":"Q","thanks":"K"}}}`,
			feedback.Asked{Site: "main", Touchpoint: "exit", Survey: "visit", Scale: "smiley3"},
			"pl",
			wire.Words{Question: "Q", Thanks: "K"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := good(t).Read([]byte(tt.sent))
			if err != nil {
				t.Fatal(err)
			}
			if p.Asked != tt.asked || string(p.Bytes) != tt.sent || p.ID != feedback.NewPlanID([]byte(tt.sent)) || !p.FromHub {
				t.Errorf("got %+v, want %+v under the hash of the bytes", p, tt.asked)
			}
			if got := p.Words[p.Language]; p.Language != tt.language || got.Question != tt.words.Question || got.Thanks != tt.words.Thanks || fmt.Sprint(got.Faces) != fmt.Sprint(tt.words.Faces) {
				t.Errorf("got %+v in %s, want %+v in %s", got, p.Language, tt.words, tt.language)
			}
		})
	}
}

// badPlans are payloads that no kiosk can run, with a word of the reason.
func badPlans() map[string]string {
	return map[string]string{
		"":                      "cannot be read",
		"garbage":               "cannot be read",
		`{"v":2}`:               "version 2",
		`{}`:                    "version 0",
		`{"v":1,"scale":"six"}`: "smiley3",
		`{"v":1,"site":"A B"}`:  "site",
		`{"v":1,"words":{"fr":{"question":"Q","faces":["a"]}}}`:                                                   "1 faces",
		`{"v":1,"languages":["pl"]}`:                                                                              "no question",
		`{"v":1,"languages":["x"]}`:                                                                               "no language",
		`{"v":1,"follow_ups":[{"reasons":["dirt"]}]}`:                                                             "no text for",
		`{"v":1,"follow_ups":[{"ask":"w","reasons":["other"]}]}`:                                                  "no text for",
		`{"v":1,"follow_ups":[{"reasons":["other","other"]}]}`:                                                    "twice",
		`{"v":1,"follow_ups":[{"reasons":["waiting","staff","cleanliness","choice","price","comfort","other"]}]}`: "7 reasons",
		`{"v":1,"follow_ups":[{"when":{"from":"9","until":"10:00"}}]}`:                                            "time of day",
		`{"v":1,"zone":"Mars/Olympus"}`:                                                                           "time zone",
		`{"v":1,"hours":{"week":{"mardi":[]}}}`:                                                                   "no day",
		`{"v":1,"link":"javascript:alert(1)"}`:                                                                    "no web address",
		`{"v":1,"words":{"pl":{"question":"Q","thanks":"D"}},"follow_ups":[{"comment":true}]}`:                    "comment",
		`{"v":1,"words":{"pl":{"question":"Q"}}}`:                                                                 "no thanks",
		`{"v":1,"words":{"../../x":{"question":"Q","thanks":"T"}}}`:                                               "no language",
		`{"v":1,"pad":"` + strings.Repeat("x", settings.MaxPlan) + `"}`:                                           "65536",
	}
}

func TestPlans_TakeRefuses(t *testing.T) {
	s := good(t)
	p, _ := open(t, s)
	const first = `{"v":1,"survey":"first"}`
	if _, changed, err := p.Take([]byte(first)); !changed || err != nil {
		t.Fatalf("got changed %v and %v, want a plan taken", changed, err)
	}
	for bad, want := range badPlans() {
		plan, changed, err := p.Take([]byte(bad))
		if changed || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: got %v, want an error with %q", bad, err, want)
		}
		if string(plan.Bytes) != first || p.Current().ID != plan.ID {
			t.Errorf("%.60s: got %s in force, want the first", bad, plan.Bytes)
		}
	}
	if p, _ := open(t, s); string(p.Current().Bytes) != first {
		t.Errorf("got %s after a restart, want the first", p.Current().Bytes)
	}
}

func TestPlans_SurviveRestarts(t *testing.T) {
	s := good(t)
	p, log := open(t, s)
	if p.Current().FromHub || log != "" {
		t.Errorf("got %+v and log %q, want the local plan in silence", p.Current(), log)
	}
	const sent = `{ "v":1, "touchpoint":"till-3" }` // as odd as it came
	plan, changed, err := p.Take([]byte(sent))
	if !changed || err != nil || plan.Asked.Touchpoint != "till-3" {
		t.Fatalf("got %+v, %v and %v", plan, changed, err)
	}
	if _, changed, err := p.Take([]byte(sent)); changed || err != nil {
		t.Errorf("got changed %v and %v the second time, want no news", changed, err)
	}
	kept, err := os.ReadFile(s.Path(settings.PlanFile))
	if err != nil || string(kept) != sent {
		t.Errorf("got %q and %v kept, want it verbatim", kept, err)
	}
	s.Kiosk.Touchpoint, s.Kiosk.Site = "exit-2", "moved" // the settings change: the hub's plan goes before them
	again, log := open(t, s)
	if got := again.Current(); got.ID != plan.ID || got.Asked.Touchpoint != "till-3" || got.Asked.Site != "moved" || log != "" {
		t.Errorf("got %+v and log %q, want the hub's plan with the new site", got, log)
	}
}

// A plan of the hub that says what the settings say is kept all the same.
func TestPlans_TakeTheLocalOne(t *testing.T) {
	s := good(t)
	p, _ := open(t, s)
	if _, changed, err := p.Take(p.Current().Bytes); changed || err != nil {
		t.Errorf("got changed %v and %v, want no news", changed, err)
	}
	if !p.Current().FromHub {
		t.Error("got a plan that is not the hub's, want it kept as that")
	}
	if _, err := os.Stat(s.Path(settings.PlanFile)); err != nil {
		t.Error(err)
	}
}

func TestOpenPlans_IgnoresABadFile(t *testing.T) {
	for bad, want := range badPlans() {
		s := good(t)
		if err := os.WriteFile(s.Path(settings.PlanFile), []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		p, log := open(t, s)
		if p.Current().FromHub || !strings.Contains(log, want) || !strings.Contains(log, "ignored") || !strings.Contains(log, s.Path(settings.PlanFile)) {
			t.Errorf("%.60s: got %s in force and log %q, want the local plan and a sentence with %q", bad, p.Current().Bytes, log, want)
		}
	}
}

func TestPlans_TakeOnlyWhatTheDiskTakes(t *testing.T) {
	s := good(t)
	p, _ := open(t, s)
	local := p.Current().ID
	if err := os.RemoveAll(s.Data); err != nil {
		t.Fatal(err)
	}
	if _, changed, err := p.Take([]byte(`{"v":1,"survey":"other"}`)); changed || err == nil || !strings.Contains(err.Error(), settings.PlanFile) {
		t.Errorf("got changed %v and %v, want an error that names the file", changed, err)
	}
	if p.Current().ID != local {
		t.Error("got a plan in force that would be gone after a restart")
	}
}
