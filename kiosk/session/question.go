package session

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"sourire/internal/feedback"
	"sourire/internal/wire"
	"sourire/kiosk/input"
)

// MaxComment is how many characters a visitor may type: a few sentences.
const MaxComment = 280

// followUp returns what the plan asks after a rating at this time of day, nil for
// nothing.
func (m *step) followUp(rating int) *wire.FollowUp {
	zone := m.plan.Zone
	if zone == nil {
		zone = time.UTC
	}
	for i := range m.plan.FollowUps {
		f := &m.plan.FollowUps[i]
		if len(f.Ratings) > 0 && !slices.Contains(f.Ratings, rating) {
			continue
		}
		if f.When != nil && (m.wall.IsZero() || !f.When.Has(m.wall.In(zone))) {
			continue
		}
		return f
	}
	return nil
}

// ask shows the first question about the answer that was thanked for, if the
// plan has one. Questions follow on a touchscreen only.
func (m *step) ask(from time.Duration) {
	if m.about.seq == 0 || m.clean != 0 {
		return
	}
	m.asked, m.draft = m.followUp(m.about.rating), ""
	switch {
	case m.asked == nil:
	case len(m.asked.Reasons) > 0:
		m.show(Reasons, from+ReasonTimeout)
	case m.asked.Comment:
		m.show(Remarks, from+CommentTimeout)
	}
}

// answered takes what a visitor says beside pressing a face.
func (m *step) answered(s input.Signal) {
	if m.over && s.Kind != input.Language {
		return
	}
	switch {
	case s.Kind == input.Language:
		m.speak(s.Text)
	case s.Kind == input.Skip:
		m.draft = ""
		m.endQuestions("skipped")
	case s.Kind == input.Reason && m.screen == Reasons && slices.Contains(m.asked.Reasons, s.Text):
		m.name(feedback.Reason{Press: m.about.seq, Code: s.Text})
		if m.asked.Comment {
			m.show(Remarks, m.now+CommentTimeout)
			return
		}
		m.endQuestions("done")
	case s.Kind == input.Typing && m.screen == Remarks:
		m.draft = commentOf(s.Text)
		m.until = m.now + CommentTimeout
	case s.Kind == input.Comment && m.screen == Remarks:
		m.draft = ""
		text := commentOf(s.Text)
		if text == "" {
			m.endQuestions("skipped")
			return
		}
		m.name(Remark{Press: m.about.seq, Text: text})
		m.endQuestions("done")
	}
}

// commentOf cuts a text to what is kept of it.
func commentOf(text string) string {
	text = strings.TrimSpace(text)
	if utf8.RuneCountInString(text) > MaxComment {
		text = string([]rune(text)[:MaxComment])
	}
	return text
}

// endQuestions says how the questions ended, if some were open. When all were
// answered they stay on the screen until the disk has that: thanks follow.
func (m *step) endQuestions(how string) {
	if m.screen != Reasons && m.screen != Remarks {
		return
	}
	was := m.over
	m.over = how == "done"
	if !was {
		if m.screen == Remarks && m.draft != "" && m.plan.KeepDraft {
			m.name(Remark{Press: m.about.seq, Text: m.draft})
		}
		m.name(feedback.FollowUpEnded{Press: m.about.seq, How: how})
	}
	m.draft, m.turnUntil = "", 0
	if m.over {
		m.press.done = true
		m.until = m.now + RetryTimeout
		return
	}
	m.about = answer{}
	m.leave()
}

// speak shows another language, until the visitor has gone.
func (m *step) speak(language string) {
	if !slices.Contains(m.plan.Languages, language) {
		return
	}
	m.language, m.languageUntil = language, m.now+LanguageTimeout
	if m.screen == Reasons || m.screen == Remarks {
		m.until = max(m.until, m.now+ReasonTimeout)
	}
}

// leave ends a visit: what is shown is for the next visitor.
func (m *step) leave() {
	m.language = ""
	m.rest()
}

// question is what the screens Reasons and Remarks say.
func (s *State) question(v *View) {
	if s.asked == nil {
		return
	}
	switch s.screen {
	case Reasons:
		code := s.asked.Ask
		switch {
		case code != "":
		case s.about.rating >= s.scale.Positive:
			code = WhyPositive
		case s.about.rating <= s.scale.Negative:
			code = WhyNegative
		default:
			code = WhyNeutral
		}
		v.Ask = v.Words.Texts[code]
		for _, code := range s.asked.Reasons {
			v.Choices = append(v.Choices, Choice{Code: code, Text: v.Words.Texts[code]})
		}
	case Remarks:
		v.Ask = v.Words.Comment
	}
}
