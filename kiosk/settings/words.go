package settings

import (
	"slices"
	"strconv"
	"strings"

	"sourire/assets"
	"sourire/internal/feedback"
	"sourire/internal/i18n"
	"sourire/internal/wire"
)

// baseOf returns the language of a tag without its script and region.
func baseOf(language string) string {
	base, _, _ := strings.Cut(language, "-")
	return strings.ToLower(base)
}

// lexicon holds the default words of one language for a scale.
type lexicon struct {
	*i18n.Language
	keys  []string
	scale feedback.Scale
}

// defaultWords returns the words of a scale in every language that has some.
func defaultWords(scale feedback.Scale) (map[string]wire.Words, error) {
	catalog, err := i18n.Load(assets.Survey(), "en")
	if err != nil {
		return nil, err
	}
	all := make(map[string]wire.Words)
	for _, language := range catalog.Languages() {
		l := lexicon{language, catalog.Keys(language.Tag()), scale}
		all[language.Tag()] = wire.Words{
			Question: l.say("question"), Thanks: l.Text("thanks"), Faces: l.steps(), Comment: l.Text("comment"), Texts: l.texts(),
		}
	}
	return all, nil
}

// say returns what there is for the scale, else what there is for all.
func (l lexicon) say(key string) string {
	if own := key + "_" + string(l.scale.ID); slices.Contains(l.keys, own) {
		return l.Text(own)
	}
	return l.Text(key)
}

// steps returns a word for each step, its number where there is none.
func (l lexicon) steps() []string {
	if key := "faces_" + string(l.scale.ID); slices.Contains(l.keys, key) {
		return strings.Split(l.Text(key), " | ")
	}
	faces := make([]string, l.scale.Steps)
	for i := range faces {
		faces[i] = strconv.Itoa(l.scale.Lowest + i)
	}
	faces[0] += ", " + l.say("worst")
	faces[l.scale.Steps-1] += ", " + l.say("best")
	return faces
}

// texts returns what follow-ups may name, by its code.
func (l lexicon) texts() map[string]string {
	all := make(map[string]string)
	for _, key := range l.keys {
		if code, ok := strings.CutPrefix(key, "text_"); ok {
			all[code] = l.Text(key)
		}
	}
	return all
}
