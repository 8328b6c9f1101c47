package wire

import (
	"sourire/internal/feedback"
	"sourire/internal/schedule"
)

// Words are the texts of a plan in one language.
type Words struct {
	Question string   `json:"question"`
	Thanks   string   `json:"thanks"`
	Faces    []string `json:"faces,omitempty"` // worst first, for people who cannot see them
	// Comment asks for a text of the visitor's own.
	Comment string `json:"comment,omitempty"`
	// Texts are those of the codes that the plan's follow-ups name.
	Texts map[string]string `json:"texts,omitempty"`
}

// MaxReasons is how many reasons a visitor may choose from.
const MaxReasons = 6

// FollowUp is what a touchscreen asks after a rating: what it was, out of a few
// reasons, then perhaps a text.
type FollowUp struct {
	// Ratings after which it is asked, and the time of day; none: any.
	Ratings []int          `json:"ratings,omitempty"`
	When    *schedule.Span `json:"when,omitempty"`
	// Ask is the code of its question; "" is the kiosk's own, by the rating.
	Ask     string   `json:"ask,omitempty"`
	Reasons []string `json:"reasons,omitempty"` // codes, at most MaxReasons
	Comment bool     `json:"comment,omitempty"`
}

// Plan is what a kiosk must run, on …/plan, retained. Its id is the hash of its
// bytes. Absent fields leave the kiosk's own settings in force.
type Plan struct {
	V          int                   `json:"v"`
	Site       feedback.SiteID       `json:"site"`
	Touchpoint feedback.TouchpointID `json:"touchpoint"`
	Survey     feedback.SurveyID     `json:"survey"`
	Scale      feedback.ScaleID      `json:"scale"`
	Words      map[string]Words      `json:"words,omitempty"` // by BCP 47 language
	// Languages that visitors may choose, the first is what they see first. None:
	// those of Words.
	Languages []string `json:"languages,omitempty"`
	// FollowUps are looked through in their order; the first that fits is asked,
	// and no other.
	FollowUps []FollowUp `json:"follow_ups,omitempty"`
	// KeepDraft keeps a text that a visitor left half typed; it is dropped
	// otherwise.
	KeepDraft bool `json:"keep_draft,omitempty"`
	// Zone is the IANA time zone of Hours and of each When; "" is the kiosk's own.
	Zone string `json:"zone,omitempty"`
	// Hours are those in which the screen is on, with half an hour before and
	// after. None: always.
	Hours *schedule.Hours `json:"hours,omitempty"`
	// Contrast draws black on white, and white on black.
	Contrast bool `json:"contrast,omitempty"`
	// Link is the address of the same question on the web, shown as a QR code.
	Link string `json:"link,omitempty"`
}

// Asked returns what presses under this plan answer, or why it is no plan.
func (p Plan) Asked() (feedback.Asked, error) {
	r := &arrayReader{}
	a := feedback.Asked{
		Site:       parsed(r, string(p.Site), feedback.ParseSiteID),
		Touchpoint: parsed(r, string(p.Touchpoint), feedback.ParseTouchpointID),
		Survey:     parsed(r, string(p.Survey), feedback.ParseSurveyID),
		Scale:      parsed(r, string(p.Scale), feedback.ParseScale).ID,
	}
	return a, r.err
}
