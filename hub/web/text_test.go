package web_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sourire/assets"
	"sourire/internal/feedback"
	"sourire/internal/i18n"
	"sourire/internal/visit"
)

// Every key that a template or this package names exists, and every key that
// exists is named: a text that nobody shows is not translated for nothing.
func TestTexts(t *testing.T) {
	catalog, err := i18n.Load(assets.Locales(), "en")
	if err != nil {
		t.Fatal(err)
	}
	used := composed()
	inTemplate := regexp.MustCompile(`\b[tn] "([a-z0-9_]+)"`)
	inCode := regexp.MustCompile(`"([a-z]+[a-z0-9_]*)"`)
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		switch filepath.Ext(path) {
		case ".html":
			for _, m := range inTemplate.FindAllSubmatch(body, -1) {
				key := string(m[1])
				used[key] = true
				if !slices.Contains(catalog.Keys("en"), key) {
					t.Errorf("%s: no text %s", path, key)
				}
			}
		case ".go":
			for _, m := range inCode.FindAllSubmatch(body, -1) {
				used[string(m[1])] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range catalog.Keys("en") {
		if !used[key] {
			t.Errorf("nothing shows the text %s", key)
		}
	}
	for key := range composed() {
		if !slices.Contains(catalog.Keys("en"), key) {
			t.Errorf("no text %s", key)
		}
	}
}

// composed returns the keys that are put together from values.
func composed() map[string]bool {
	keys := map[string]bool{
		"language": true, "percent": true, "date_long": true, "date_short": true,
		"failure_404_more": true, "failure_500_more": true, "failure_site_more": true,
	}
	for i := range 7 {
		keys[fmt.Sprintf("weekday_%d", i)] = true
	}
	for i := range 12 {
		keys[fmt.Sprintf("month_%d", i+1)] = true
		keys[fmt.Sprintf("month_short_%d", i+1)] = true
	}
	for i := range 5 {
		keys[fmt.Sprintf("mood_%d", i+1)] = true
	}
	for _, s := range feedback.Scales() {
		keys["scale_"+string(s.ID)] = true
	}
	for a := visit.Counted + 1; a < visit.Asides; a++ {
		keys["aside_"+a.String()] = true
	}
	for _, name := range []string{"positive", "neutral", "negative"} {
		keys["group_"+name] = true
	}
	for _, name := range []string{"well", "late", "lost", "retired"} {
		keys["condition_"+name] = true
	}
	return keys
}

// Apostrophes and quotation marks are typographic, and French marks keep what
// stands before them: a narrow space before ; ? and !, a wide one before : % and
// », and after «.
func TestTexts_typography(t *testing.T) {
	value := regexp.MustCompile(`(?m)^\w+ = "(.*)"$`)
	for name, wrong := range map[string]*regexp.Regexp{
		"en.toml": regexp.MustCompile(`'|\\"`),
		"fr.toml": regexp.MustCompile(`'|\\"|[^\x{202f}][;?!]|[^\x{a0}][:%»]|«[^\x{a0}]`),
	} {
		body, err := fs.ReadFile(assets.Locales(), name)
		if err != nil {
			t.Fatal(err)
		}
		texts := value.FindAllSubmatch(body, -1)
		if len(texts) < 100 {
			t.Errorf("%s: found %d texts", name, len(texts))
		}
		for _, m := range texts {
			if at := wrong.Find(m[1]); at != nil {
				t.Errorf("%s: %q in %s", name, at, m[1])
			}
		}
	}
}
