package session

import (
	"time"

	"sourire/internal/feedback"
)

// ask shows the first question about the answer that was thanked for, if the
// plan has one. Questions follow on a touchscreen only.
func (m *step) ask(from time.Duration) {
	switch {
	case m.about.seq == 0 || m.clean != 0:
	case len(m.plan.Reasons[m.about.rating]) > 0:
		m.show(Reasons, from+ReasonTimeout)
	case m.plan.Comment:
		m.show(Remarks, from+CommentTimeout)
	}
}

func (m *step) reason(c Reason) {
	if m.screen != Reasons {
		return
	}
	m.name(feedback.Reason{Press: m.about.seq, Code: c.Code})
	if m.plan.Comment {
		m.show(Remarks, m.now+CommentTimeout)
		return
	}
	m.endQuestions("done")
}

func (m *step) comment(c Comment) {
	if m.screen != Remarks {
		return
	}
	if c.Text == "" {
		m.endQuestions("skipped")
		return
	}
	m.name(Remark{Press: m.about.seq, Text: c.Text})
	m.endQuestions("done")
}

// endQuestions says how the questions ended, if some were open.
func (m *step) endQuestions(how string) {
	if m.screen != Reasons && m.screen != Remarks {
		return
	}
	m.name(feedback.FollowUpEnded{Press: m.about.seq, How: how})
	m.about = answer{}
	m.turnUntil = 0
	m.rest()
}
