package session

import "time"

// How soon the hours are looked at again: a clock may be set meanwhile, or
// become known.
const (
	hoursLook   = time.Hour
	unknownLook = time.Minute
)

// look finds out whether the screen sleeps. Without knowing the time it does not.
func (m *step) look() {
	was := m.closed
	m.closed, m.lookAt = false, 0
	switch {
	case m.plan.Hours == nil:
	case m.wall.IsZero():
		m.lookAt = m.now + unknownLook
	default:
		open, until := m.plan.Hours.At(m.wall)
		m.closed = !open
		m.lookAt = m.now + min(until.Sub(m.wall), hoursLook)
	}
	if m.awakeUntil != 0 && (m.now >= m.awakeUntil || !m.closed) {
		m.awakeUntil = 0
		was = !m.closed
	}
	if was != m.closed && (m.screen == Faces || m.screen == Asleep) {
		m.leave()
	}
}

// wake shows the faces to somebody who has come to a sleeping screen.
func (m *step) wake() {
	m.awakeUntil = m.now + AwakeTimeout
	m.rest()
}
