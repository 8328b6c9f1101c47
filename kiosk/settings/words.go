package settings

import (
	"strconv"
	"strings"

	"sourire/internal/feedback"
	"sourire/internal/wire"
)

// baseOf returns the language of a tag without its script and region.
func baseOf(language string) string {
	base, _, _ := strings.Cut(language, "-")
	return strings.ToLower(base)
}

// lexicon holds the default words of one language.
type lexicon struct {
	language  string
	thanks    string
	questions map[feedback.ScaleID]string // "": every scale without one of its own
	faces     map[feedback.ScaleID][]string
	// worst and best stand behind the numbers at the ends of a scale without
	// words for its steps.
	worst, best map[feedback.ScaleID]string
}

// lexicons returns the default words.
func lexicons() []lexicon {
	return []lexicon{{
		language: "fr",
		thanks:   "Merci !",
		questions: map[feedback.ScaleID]string{
			"":       "Comment s’est passée votre visite ?",
			"binary": "Avez-vous trouvé ce que vous cherchiez ?",
			"nps":    "Nous recommanderiez-vous à un proche ?",
			"ces7":   "A-t-il été facile d’obtenir ce que vous vouliez ?",
		},
		faces: map[feedback.ScaleID][]string{
			"smiley3": {"mécontent", "neutre", "content"},
			"smiley4": {"très mécontent", "mécontent", "content", "très content"},
			"smiley5": {"très mécontent", "mécontent", "neutre", "content", "très content"},
			"csat5":   {"très insatisfait", "insatisfait", "ni l’un ni l’autre", "satisfait", "très satisfait"},
			"ces7": {
				"très difficile", "difficile", "plutôt difficile", "ni l’un ni l’autre",
				"plutôt facile", "facile", "très facile",
			},
			"binary": {"non", "oui"},
		},
		worst: map[feedback.ScaleID]string{"": "très insatisfait", "nps": "pas du tout"},
		best:  map[feedback.ScaleID]string{"": "très satisfait", "nps": "certainement"},
	}, {
		language: "en",
		thanks:   "Thank you!",
		questions: map[feedback.ScaleID]string{
			"":       "How was your visit?",
			"binary": "Did you find what you were looking for?",
			"nps":    "Would you recommend us to a friend?",
			"ces7":   "Was it easy to get what you wanted?",
		},
		faces: map[feedback.ScaleID][]string{
			"smiley3": {"unhappy", "neutral", "happy"},
			"smiley4": {"very unhappy", "unhappy", "happy", "very happy"},
			"smiley5": {"very unhappy", "unhappy", "neutral", "happy", "very happy"},
			"csat5":   {"very dissatisfied", "dissatisfied", "neither", "satisfied", "very satisfied"},
			"ces7": {
				"very difficult", "difficult", "somewhat difficult", "neither",
				"somewhat easy", "easy", "very easy",
			},
			"binary": {"no", "yes"},
		},
		worst: map[feedback.ScaleID]string{"": "very dissatisfied", "nps": "not at all"},
		best:  map[feedback.ScaleID]string{"": "very satisfied", "nps": "certainly"},
	}}
}

// defaultWords returns the words of a scale in every language that has some.
func defaultWords(scale feedback.Scale) map[string]wire.Words {
	words := make(map[string]wire.Words)
	for _, l := range lexicons() {
		words[l.language] = wire.Words{Question: either(l.questions, scale.ID), Thanks: l.thanks, Faces: l.steps(scale)}
	}
	return words
}

// steps returns a word for each step, its number where there is none.
func (l lexicon) steps(scale feedback.Scale) []string {
	if faces, ok := l.faces[scale.ID]; ok {
		return faces
	}
	faces := make([]string, scale.Steps)
	for i := range faces {
		faces[i] = strconv.Itoa(scale.Lowest + i)
	}
	faces[0] += ", " + either(l.worst, scale.ID)
	faces[scale.Steps-1] += ", " + either(l.best, scale.ID)
	return faces
}

// either returns what there is for a scale, else what there is for all.
func either(of map[feedback.ScaleID]string, scale feedback.ScaleID) string {
	if s, ok := of[scale]; ok {
		return s
	}
	return of[""]
}
