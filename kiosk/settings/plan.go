package settings

import (
	"fmt"
	"maps"
	"slices"

	"sourire/internal/feedback"
	"sourire/internal/wire"
	"sourire/kiosk/session"
)

// MaxPlan is the longest plan in bytes.
const MaxPlan = 64 * 1024

// Plan is what a kiosk must run.
type Plan struct {
	session.Plan
	Bytes   []byte // as the hub sent them, or as the settings give them
	FromHub bool
}

// Local returns the plan that the settings are. The settings have passed Check.
func (s Settings) Local() (Plan, error) {
	bytes := wire.Encode(s.wirePlan())
	p, err := s.Read(bytes)
	p.FromHub = false
	return p, err
}

func (s Settings) wirePlan() wire.Plan {
	return wire.Plan{
		V:          wire.Version,
		Site:       feedback.SiteID(s.Kiosk.Site),
		Touchpoint: feedback.TouchpointID(s.Kiosk.Touchpoint),
		Survey:     feedback.SurveyID(s.Kiosk.Survey),
		Scale:      feedback.ScaleID(s.Kiosk.Scale),
	}
}

// Read makes a plan of the hub's bytes: what they leave out is as the settings
// say. The error says why this kiosk cannot run it.
func (s Settings) Read(bytes []byte) (Plan, error) {
	if len(bytes) > MaxPlan {
		return Plan{}, fmt.Errorf("the plan has %d bytes, at most %d are allowed", len(bytes), MaxPlan)
	}
	sent, err := wire.Decode[wire.Plan](bytes)
	if err != nil {
		return Plan{}, fmt.Errorf("the plan cannot be read: %w", err)
	}
	local := s.wirePlan()
	fill(&sent.Site, local.Site)
	fill(&sent.Touchpoint, local.Touchpoint)
	fill(&sent.Survey, local.Survey)
	fill(&sent.Scale, local.Scale)
	asked, err := sent.Asked()
	if err != nil {
		return Plan{}, fmt.Errorf("the plan cannot be run: %w", err)
	}
	words, err := wordsOf(sent)
	if err != nil {
		return Plan{}, fmt.Errorf("the plan cannot be run: %w", err)
	}
	return Plan{
		Plan: session.Plan{
			ID: feedback.NewPlanID(bytes), Asked: asked, Words: words, Language: choose(s.Kiosk.Language, words),
		},
		Bytes:   slices.Clone(bytes),
		FromHub: true,
	}, nil
}

// fill sets what is absent.
func fill[T ~string](to *T, otherwise T) {
	if *to == "" {
		*to = otherwise
	}
}

// wordsOf returns the words of a plan, completed by the default ones: whole
// languages where it has none at all, single texts where it lacks them.
func wordsOf(p wire.Plan) (map[string]wire.Words, error) {
	scale, err := feedback.ParseScale(string(p.Scale))
	if err != nil {
		return nil, err
	}
	if len(p.Words) == 0 {
		return defaultWords(scale), nil
	}
	defaults := defaultWords(scale)
	words := maps.Clone(p.Words)
	for _, language := range slices.Sorted(maps.Keys(words)) {
		if !isLanguage(language) {
			return nil, fmt.Errorf("%.40q is no language", language)
		}
		w := words[language]
		if n := len(w.Faces); n != 0 && n != scale.Steps {
			return nil, fmt.Errorf("it names %d faces in language %s, and scale %s has %d", n, language, scale.ID, scale.Steps)
		}
		otherwise := defaults[baseOf(language)]
		fill(&w.Question, otherwise.Question)
		fill(&w.Thanks, otherwise.Thanks)
		if len(w.Faces) == 0 {
			w.Faces = otherwise.Faces
		}
		if w.Question == "" || w.Thanks == "" {
			return nil, fmt.Errorf("it has no question or no thanks in language %s", language)
		}
		words[language] = w
	}
	return words, nil
}

// choose returns the language that visitors see first: the one that is wanted,
// one that differs from it by its region only, or the first there is.
func choose(wanted string, words map[string]wire.Words) string {
	if _, ok := words[wanted]; ok {
		return wanted
	}
	languages := slices.Sorted(maps.Keys(words))
	for _, language := range languages {
		if baseOf(language) == baseOf(wanted) {
			return language
		}
	}
	return languages[0]
}
