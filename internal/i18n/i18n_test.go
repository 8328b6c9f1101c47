package i18n_test

import (
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"sourire/assets"
	"sourire/internal/i18n"
)

func catalog(t *testing.T) *i18n.Catalog {
	t.Helper()
	c, err := i18n.Load(assets.Locales(), "en")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLoad_everyLanguageHasEveryKey(t *testing.T) {
	for name, of := range map[string]struct {
		files           fs.FS
		keys, languages int // at least
	}{"pages": {assets.Locales(), 50, 2}, "kiosk": {assets.Kiosk(), 15, 8}, "survey": {assets.Survey(), 20, 8}} {
		t.Run(name, func(t *testing.T) {
			c, err := i18n.Load(of.files, "en")
			if err != nil {
				t.Fatal(err)
			}
			if k, l := len(c.Keys("en")), len(c.Languages()); k < of.keys || l < of.languages {
				t.Fatalf("got %d keys in %d languages", k, l)
			}
			sameKeys(t, c)
		})
	}
}

func sameKeys(t *testing.T, c *i18n.Catalog) {
	t.Helper()
	want := c.Keys("en")
	for _, l := range c.Languages() {
		have := c.Keys(l.Tag())
		for _, k := range want {
			if !slices.Contains(have, k) {
				t.Errorf("%s: %s is missing", l.Tag(), k)
			}
		}
		for _, k := range have {
			if !slices.Contains(want, k) {
				t.Errorf("en: %s is missing, which %s has", k, l.Tag())
			}
		}
	}
}

func TestCatalog_Match(t *testing.T) {
	c := catalog(t)
	for _, x := range []struct {
		in   []string
		want string
	}{
		{nil, "en"},
		{[]string{"fr"}, "fr"},
		{[]string{"", "fr-CA,en;q=0.5"}, "fr"},
		{[]string{"de,fr;q=0.8,en;q=0.7"}, "fr"},
		{[]string{"de"}, "en"},
		{[]string{"zz;;;=", "fr"}, "fr"},
		{[]string{"de", "fr"}, "fr"},
		{[]string{"en", "fr"}, "en"},
	} {
		if got := c.Match(x.in...).Tag(); got != x.want {
			t.Errorf("%q: got %s, want %s", x.in, got, x.want)
		}
	}
}

func TestLanguage(t *testing.T) {
	c := catalog(t)
	en, fr := c.Match("en"), c.Match("fr")
	for _, x := range []struct{ got, want string }{
		{en.Int(12345), "12,345"},
		{fr.Int(12345), "12\u00a0345"},
		{en.Percent(0.8493, 1), "84.9%"},
		{fr.Percent(0.8493, 1), "84,9\u00a0%"},
		{en.Percent(1, 0), "100%"},
		{en.Date(2026, time.August, 3), "Monday 3 August 2026"},
		{fr.Date(2026, time.August, 1), "samedi 1er août 2026"},
		{fr.ShortDate(time.February, 28), "28 févr."},
		{en.Count("ratings", 1), "1 rating"},
		{en.Count("ratings", 1200), "1,200 ratings"},
		{fr.Count("ratings", 0), "0 réponse"},
		{fr.Count("ratings", 2), "2 réponses"},
		{en.Text("no_such_key"), "⟦no_such_key⟧"},
		{en.Clock(time.Date(2026, 8, 3, 9, 5, 0, 0, time.UTC)), "09:05"},
	} {
		if x.got != x.want {
			t.Errorf("got %q, want %q", x.got, x.want)
		}
	}
}

func TestLoad_refuses(t *testing.T) {
	for name, f := range map[string]fstest.MapFS{
		"nothing":       {},
		"another first": {"fr.toml": {Data: []byte(`a = "b"`)}},
		"no TOML":       {"en.toml": {Data: []byte(`a = `)}},
	} {
		if _, err := i18n.Load(f, "en"); err == nil {
			t.Errorf("%s: was taken", name)
		}
	}
}
