package settings

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"regexp"
	"slices"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/schedule"
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
	if s.Kiosk.PlanFile != "" {
		var err error
		if bytes, err = readPlan(s.Kiosk.PlanFile); err != nil {
			return Plan{}, fmt.Errorf("setting kiosk.plan_file: %w", err)
		}
	}
	p, err := s.Read(bytes)
	p.FromHub = false
	return p, err
}

// readPlan reads a file with a plan, as far as one may go.
func readPlan(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	bytes, err := io.ReadAll(io.LimitReader(file, MaxPlan+1))
	return bytes, errors.Join(err, file.Close())
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
	plan := session.Plan{
		ID: feedback.NewPlanID(bytes), Asked: asked, FollowUps: sent.FollowUps, KeepDraft: sent.KeepDraft,
		Contrast: sent.Contrast, Link: sent.Link,
	}
	if err := cmp.Or(s.speak(&plan, sent), checkFollowUps(sent), setHours(&plan, sent), checkLink(sent.Link)); err != nil {
		return Plan{}, fmt.Errorf("the plan cannot be run: %w", err)
	}
	return Plan{Plan: plan, Bytes: slices.Clone(bytes), FromHub: true}, nil
}

// fill sets what is absent.
func fill[T ~string](to *T, otherwise T) {
	if *to == "" {
		*to = otherwise
	}
}

// speak gives a plan its languages and its words, completed by the default ones:
// whole languages where it has none at all, single texts where it lacks them.
func (s Settings) speak(p *session.Plan, sent wire.Plan) error {
	scale, err := feedback.ParseScale(string(sent.Scale))
	if err != nil {
		return err
	}
	defaults, err := defaultWords(scale)
	if err != nil {
		return err
	}
	p.Words = make(map[string]wire.Words)
	offered := sent.Languages
	switch {
	case len(offered) > 0:
		p.Language = offered[0]
	case len(sent.Words) > 0:
		p.Language = choose(s.Kiosk.Language, sent.Words)
		offered = slices.Sorted(maps.Keys(sent.Words))
	default:
		p.Language = choose(s.Kiosk.Language, defaults)
		offered = []string{p.Language}
	}
	for _, language := range offered {
		if !isLanguage(language) {
			return fmt.Errorf("%.40q is no language", language)
		}
		words, err := completed(sent, sent.Words[language], defaults[baseOf(language)], scale)
		if err != nil {
			return fmt.Errorf("in language %s %w", language, err)
		}
		if _, twice := p.Words[language]; !twice {
			p.Languages = append(p.Languages, language)
		}
		p.Words[language] = words
	}
	return nil
}

// completed fills what words lack.
func completed(sent wire.Plan, w, otherwise wire.Words, scale feedback.Scale) (wire.Words, error) {
	if n := len(w.Faces); n != 0 && n != scale.Steps {
		return w, fmt.Errorf("it names %d faces, and scale %s has %d", n, scale.ID, scale.Steps)
	}
	fill(&w.Question, otherwise.Question)
	fill(&w.Thanks, otherwise.Thanks)
	fill(&w.Comment, otherwise.Comment)
	if len(w.Faces) == 0 {
		w.Faces = otherwise.Faces
	}
	if w.Question == "" || w.Thanks == "" {
		return w, fmt.Errorf("it has no question or no thanks")
	}
	texts := maps.Clone(otherwise.Texts)
	if texts == nil {
		texts = make(map[string]string)
	}
	maps.Copy(texts, w.Texts)
	w.Texts = texts
	for _, f := range sent.FollowUps {
		codes := slices.Clone(f.Reasons)
		switch {
		case len(f.Reasons) == 0:
		case f.Ask == "":
			codes = append(codes, session.WhyNegative, session.WhyNeutral, session.WhyPositive)
		default:
			codes = append(codes, f.Ask)
		}
		for _, code := range codes {
			if texts[code] == "" {
				return w, fmt.Errorf("it has no text for %.40q", code)
			}
		}
		if f.Comment && w.Comment == "" {
			return w, fmt.Errorf("it has no words that ask for a comment")
		}
	}
	return w, nil
}

var code = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

// checkFollowUps says what cannot be asked.
func checkFollowUps(p wire.Plan) error {
	for i, f := range p.FollowUps {
		if n := len(f.Reasons); n > wire.MaxReasons {
			return fmt.Errorf("follow-up %d has %d reasons, at most %d can be shown", i+1, n, wire.MaxReasons)
		}
		for j, r := range f.Reasons {
			if !code.MatchString(r) || slices.Contains(f.Reasons[:j], r) {
				return fmt.Errorf("follow-up %d: reason %.40q stands there twice or is no code: a-z, 0-9 and -, at most 40", i+1, r)
			}
		}
		if f.When != nil {
			if err := f.When.Check(); err != nil {
				return fmt.Errorf("follow-up %d: %w", i+1, err)
			}
		}
	}
	return nil
}

// Grace is how long before and after the opening hours visitors are asked: so
// long the hub counts them.
const Grace = 30 * time.Minute

func setHours(p *session.Plan, sent wire.Plan) error {
	p.Zone = time.Local
	if sent.Zone != "" {
		var err error
		if p.Zone, err = time.LoadLocation(sent.Zone); err != nil {
			return fmt.Errorf("time zone %.40q is not known", sent.Zone)
		}
	}
	if sent.Hours == nil {
		return nil
	}
	hours, err := schedule.New(*sent.Hours, p.Zone, Grace)
	p.Hours = &hours
	return err
}

// maxLink is the longest address whose QR code a phone reads from a small screen.
const maxLink = 100

func checkLink(link string) error {
	if link == "" {
		return nil
	}
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || len(link) > maxLink {
		return fmt.Errorf("link %.80q is no web address of at most %d characters", link, maxLink)
	}
	return nil
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
