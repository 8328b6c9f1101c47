// Package i18n says texts, numbers and dates in a reader's language.
//
// It is mechanism beside the line: pages of the hub and screens of the kiosk
// speak through it. Texts are TOML files, one for each language, read by
// go-i18n; numbers are x/text's; dates are texts of the same files, for x/text
// has none. Nothing is kept. The package must not know any text: a test of the
// folder assets/locales sees to it that every language has every key.
package i18n

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	goi18n "github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/number"
)

// Catalog holds the texts of every language.
type Catalog struct {
	languages []*Language
	matcher   language.Matcher
	keys      map[string][]string // by language
}

// Load reads the files <tag>.toml at the top of fsys. The first language that is
// named is the one of readers whose languages are not among them.
func Load(fsys fs.FS, first string) (*Catalog, error) {
	names, err := fs.Glob(fsys, "*.toml")
	if err != nil {
		return nil, fmt.Errorf("languages: %w", err)
	}
	slices.SortStableFunc(names, func(a, b string) int {
		return boolInt(b == first+".toml") - boolInt(a == first+".toml")
	})
	bundle := goi18n.NewBundle(language.Make(first))
	bundle.RegisterUnmarshalFunc("toml", toml.Unmarshal)
	c := &Catalog{keys: make(map[string][]string)}
	tags := make([]language.Tag, 0, len(names))
	for _, name := range names {
		f, err := bundle.LoadMessageFileFS(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("language %s: %w", name, err)
		}
		tag := strings.TrimSuffix(name, ".toml")
		for _, m := range f.Messages {
			c.keys[tag] = append(c.keys[tag], m.ID)
		}
		slices.Sort(c.keys[tag])
		tags = append(tags, f.Tag)
		c.languages = append(c.languages, &Language{
			tag: tag, localizer: goi18n.NewLocalizer(bundle, tag), printer: message.NewPrinter(f.Tag),
		})
	}
	if len(tags) == 0 || c.languages[0].tag != first {
		return nil, fmt.Errorf("languages: no %s.toml", first)
	}
	c.matcher = language.NewMatcher(tags)
	return c, nil
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Languages returns every language, the first first.
func (c *Catalog) Languages() []*Language { return c.languages }

// Keys returns the keys of a language, sorted.
func (c *Catalog) Keys(tag string) []string { return c.keys[tag] }

// Match returns the best language for preferences, each a tag or the value of
// an Accept-Language header; earlier ones win. Nonsense is passed over.
func (c *Catalog) Match(preferences ...string) *Language {
	for _, p := range preferences {
		tags, _, err := language.ParseAcceptLanguage(p)
		if err != nil || len(tags) == 0 {
			continue
		}
		if _, i, confidence := c.matcher.Match(tags...); confidence > language.No {
			return c.languages[i]
		}
	}
	return c.languages[0]
}

// Language speaks one language. It may be used by several goroutines.
type Language struct {
	tag       string
	localizer *goi18n.Localizer
	printer   *message.Printer
}

// Tag returns the language's BCP 47 tag.
func (l *Language) Tag() string { return l.tag }

// Text returns the text of a key; args are names and values that it holds. A
// key that is missing is returned in brackets, so that it is seen.
func (l *Language) Text(key string, args ...any) string {
	return l.say(&goi18n.LocalizeConfig{MessageID: key, TemplateData: data(args)})
}

// Count returns the text of a key in the form that n wants; the text finds n,
// written in the language's way, as .n.
func (l *Language) Count(key string, n int64, args ...any) string {
	d := data(args)
	d["n"] = l.Int(n)
	return l.say(&goi18n.LocalizeConfig{MessageID: key, TemplateData: d, PluralCount: n})
}

func (l *Language) say(c *goi18n.LocalizeConfig) string {
	s, err := l.localizer.Localize(c)
	if err != nil {
		return "⟦" + c.MessageID + "⟧"
	}
	return s
}

func data(args []any) map[string]any {
	d := make(map[string]any, len(args)/2+1)
	for i := 0; i+1 < len(args); i += 2 {
		if name, ok := args[i].(string); ok {
			d[name] = args[i+1]
		}
	}
	return d
}

// Int writes a whole number.
func (l *Language) Int(n int64) string { return l.printer.Sprint(number.Decimal(n)) }

// Decimal writes a number with that many digits after the point.
func (l *Language) Decimal(x float64, digits int) string {
	return l.printer.Sprint(number.Decimal(x, number.Scale(digits)))
}

// Percent writes a share (0 … 1) as a percentage with that many digits.
func (l *Language) Percent(share float64, digits int) string {
	return l.Text("percent", "x", l.Decimal(100*share, digits))
}

// Date writes a day in full, with its weekday.
func (l *Language) Date(y int, m time.Month, d int) string {
	weekday := time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Weekday()
	return l.Text("date_long", "weekday", l.Text(fmt.Sprintf("weekday_%d", weekday)),
		"day", d, "first", d == 1, "month", l.Text(fmt.Sprintf("month_%d", m)), "year", y)
}

// ShortDate writes a day and its month.
func (l *Language) ShortDate(m time.Month, d int) string {
	return l.Text("date_short", "day", d, "first", d == 1, "month", l.Text(fmt.Sprintf("month_short_%d", m)))
}

// Clock writes the time of day of an instant, in the instant's own zone.
func (l *Language) Clock(at time.Time) string { return at.Format("15:04") }

// Seconds writes the time of day with seconds.
func (l *Language) Seconds(at time.Time) string { return at.Format("15:04:05") }
