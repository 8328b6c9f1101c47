package history

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"sourire/internal/feedback"
)

// Place is where a row was pressed.
type Place struct {
	Site       feedback.SiteID
	Touchpoint feedback.TouchpointID
}

// Mapping says what the columns of a file mean. The time and rating columns, the
// scale, the survey and the touchpoint are needed, and a location column or a site.
type Mapping struct {
	Time       []string // columns that together are the time, joined by a space
	Rating     string   // column
	Location   string   // column; "" when all is of Site
	Site       feedback.SiteID
	Touchpoint feedback.TouchpointID // of places that Places does not name
	Survey     feedback.SurveyID
	Scale      feedback.ScaleID
	// Ratings are the steps of texts; nil when the column holds the steps.
	Ratings map[string]int
	// Places are the places of location texts; nil when ids are made from the
	// texts. Texts are compared without regard to case and spaces around them.
	Places    map[string]Place
	Separator rune   // 0: found out from the titles
	Dates     string // DayFirst or MonthFirst; "": found out from the dates
	Zone      string // of times without an offset; "": of the site
	Presses   bool   // rows are raw presses: the visit rule joins and sets aside
}

// Orders of a date such as 03/04/2024.
const (
	DayFirst   = "dmy"
	MonthFirst = "mdy"
)

// check says what is wrong with a mapping.
func (m Mapping) check() error {
	scale, err := feedback.ParseScale(string(m.Scale))
	if err != nil {
		return err
	}
	if m.Location == "" && m.Site == "" {
		return fmt.Errorf("where was it? name the location column, or the site of all rows")
	}
	if m.Places != nil && m.Location == "" {
		return fmt.Errorf("a location map needs the location column")
	}
	if m.Site != "" {
		if _, err := feedback.ParseSiteID(string(m.Site)); err != nil {
			return err
		}
	}
	if _, err := feedback.ParseTouchpointID(string(m.Touchpoint)); err != nil {
		return err
	}
	if _, err := feedback.ParseSurveyID(string(m.Survey)); err != nil {
		return err
	}
	for _, text := range slices.Sorted(maps.Keys(m.Ratings)) {
		if n := m.Ratings[text]; !scale.Has(n) {
			return fmt.Errorf("rating map: %q is %d, scale %s goes from %d to %d", text, n, scale.ID, scale.Lowest, scale.Highest())
		}
	}
	for _, p := range m.Places {
		if _, err := feedback.ParseSiteID(string(p.Site)); err != nil {
			return fmt.Errorf("location map: %w", err)
		}
		if _, err := feedback.ParseTouchpointID(string(p.Touchpoint)); err != nil {
			return fmt.Errorf("location map: %w", err)
		}
	}
	return nil
}

// folded is a text as maps are asked for it.
func folded(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// text writes the mapping in one way, to be hashed.
func (m Mapping) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "time %q rating %q location %q survey %q scale %q dates %q presses %v", m.Time, m.Rating, m.Location, m.Survey, m.Scale, m.Dates, m.Presses)
	for _, k := range slices.Sorted(maps.Keys(m.Ratings)) {
		fmt.Fprintf(&b, " %q=%d", k, m.Ratings[k])
	}
	for _, k := range slices.Sorted(maps.Keys(m.Places)) {
		fmt.Fprintf(&b, " %q=%q", k, m.Places[k])
	}
	return b.String()
}

// epoch returns the epoch of a source: the same for the same file, mapping, place
// and zone, and hardly ever for anything else.
func (m Mapping) epoch(file [32]byte, p Place, zone string) feedback.Epoch {
	sum := sha256.Sum256(fmt.Appendf(nil, "sourire history 1\n%x\n%s\n%q %q %q", file, m.text(), p.Site, p.Touchpoint, zone))
	return max(1, feedback.Epoch(binary.BigEndian.Uint64(sum[:])))
}

// kioskOf names the source of a place.
func (m Mapping) kioskOf(p Place) feedback.KioskID {
	id := feedback.ImportPrefix + string(p.Site)
	if p.Touchpoint != m.Touchpoint {
		id += "-" + string(p.Touchpoint)
	}
	if len(id) > feedback.MaxID {
		sum := sha256.Sum256([]byte(id))
		id = id[:feedback.MaxID-9] + "-" + hex.EncodeToString(sum[:4])
	}
	return feedback.KioskID(id)
}

// slug makes an id from a text, "" when nothing of it is left: "Forêt de Sénart
// (sortie)" becomes foret-de-senart-sortie.
func slug(text string) string {
	var b strings.Builder
	gap := false
	for _, r := range norm.NFKD.String(strings.ToLower(text)) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			if gap && b.Len() > 0 {
				b.WriteByte('-')
			}
			gap = false
			b.WriteRune(r)
		case unicode.Is(unicode.Mn, r): // an accent
		case r == 'œ':
			b.WriteString("oe")
		case r == 'æ':
			b.WriteString("ae")
		case r == 'ß':
			b.WriteString("ss")
		default:
			gap = true
		}
	}
	s := b.String()
	if len(s) > feedback.MaxID {
		sum := sha256.Sum256([]byte(s))
		s = strings.TrimRight(s[:feedback.MaxID-9], "-") + "-" + hex.EncodeToString(sum[:4])
	}
	return s
}
