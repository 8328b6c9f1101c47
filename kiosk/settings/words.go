package settings

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"

	"sourire/assets"
	"sourire/internal/feedback"
	"sourire/internal/wire"
)

// baseOf returns the language of a tag without its script and region.
func baseOf(language string) string {
	base, _, _ := strings.Cut(language, "-")
	return strings.ToLower(base)
}

// lexicon holds the default words of one language, as its file has them.
type lexicon struct {
	Thanks    string                        `toml:"thanks"`
	Comment   string                        `toml:"comment"`
	Questions map[string]string             `toml:"questions"` // by scale
	Faces     map[feedback.ScaleID][]string `toml:"faces"`
	// Worst and Best stand behind the numbers at the ends of a scale without
	// words for its steps.
	Worst map[string]string `toml:"worst"`
	Best  map[string]string `toml:"best"`
	Texts map[string]string `toml:"texts"`
}

// anyScale stands for every scale without its own words.
const anyScale = "any"

// defaultWords returns the words of a scale in every language that has some.
func defaultWords(scale feedback.Scale) (map[string]wire.Words, error) {
	files := assets.Survey()
	names, err := fs.Glob(files, "*.toml")
	if err != nil {
		return nil, err
	}
	all := make(map[string]wire.Words, len(names))
	for _, name := range names {
		var l lexicon
		if _, err := toml.DecodeFS(files, name, &l); err != nil {
			return nil, fmt.Errorf("default words %s: %w", name, err)
		}
		all[strings.TrimSuffix(name, ".toml")] = wire.Words{
			Question: either(l.Questions, scale.ID), Thanks: l.Thanks, Faces: l.steps(scale), Comment: l.Comment, Texts: l.Texts,
		}
	}
	return all, nil
}

// steps returns a word for each step, its number where there is none.
func (l lexicon) steps(scale feedback.Scale) []string {
	if faces, ok := l.Faces[scale.ID]; ok {
		return faces
	}
	faces := make([]string, scale.Steps)
	for i := range faces {
		faces[i] = strconv.Itoa(scale.Lowest + i)
	}
	faces[0] += ", " + either(l.Worst, scale.ID)
	faces[scale.Steps-1] += ", " + either(l.Best, scale.ID)
	return faces
}

// either returns what there is for a scale, else what there is for all.
func either(of map[string]string, scale feedback.ScaleID) string {
	if s, ok := of[string(scale)]; ok {
		return s
	}
	return of[anyScale]
}
