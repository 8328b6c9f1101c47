package session

import (
	"slices"
	"time"

	"sourire/internal/feedback"
	"sourire/internal/wire"
	"sourire/kiosk/input"
)

// How long a screen stays when nobody does anything.
const (
	ThanksTimeout     = 2 * time.Second // after a button
	ChangeTimeout     = 4 * time.Second // the offer to change an answer, on a touchscreen
	ReasonTimeout     = 15 * time.Second
	CommentTimeout    = 60 * time.Second
	CleaningTimeout   = 60 * time.Second
	TechnicianTimeout = 10 * time.Second
	LanguageTimeout   = 20 * time.Second // a language that was chosen, before anybody presses
	AwakeTimeout      = 30 * time.Second // faces on a screen that was woken
	// RetryTimeout is how long facts that are owed wait before they are tried
	// again, if no press takes them along.
	RetryTimeout = 5 * time.Second
)

// State is where the flow stands. The zero State stands at the start of the
// program, before any plan. It is a value: Step never changes one that it was
// given.
type State struct {
	plan    Plan
	scale   feedback.Scale // of the plan; Steps is 0 before any
	now     time.Duration  // the latest time an event brought
	wall    time.Time      // what time that is; the zero Time: not known
	screen  Screen
	until   time.Duration // when the screen ends; 0: never
	test    bool
	clean   time.Duration // when cleaning ends; 0: it is not on
	trouble bool

	// flow numbers the turns of a touchscreen. A tap before turnUntil belongs
	// to turn flow, 0: the turn is over; thanked says that it has had its first
	// thanks.
	flow      int64
	turnUntil time.Duration
	thanked   bool

	// epoch is the one in which last and about are numbered.
	epoch feedback.Epoch
	last  [feedback.MaxSteps]feedback.Seq // durable press at each place; 0: none
	about answer                          // what the questions are about

	// asked is the follow-up of the screens Reasons and Remarks, draft what stands
	// in its text field; over says that it is answered and the disk is not done.
	asked *wire.FollowUp
	draft string
	over  bool

	// language is the one that a visitor chose, "" for the plan's. While nobody
	// has pressed it stays until languageUntil.
	language      string
	languageUntil time.Duration

	// closed says that the site is, and lookAt when to see again; 0: never. The
	// screen sleeps but for those who woke it, until awakeUntil; 0: nobody has.
	closed             bool
	lookAt, awakeUntil time.Duration

	pending []group // appended and not answered, oldest first
	owed    owed
	retryAt time.Duration // when to try again what is owed
}

// answer is a durable press of a touchscreen.
type answer struct {
	seq    feedback.Seq // 0: none
	rating int
}

// owed are facts that later presses need in order to be read rightly.
type owed uint8

const (
	owesPlan owed = 1 << iota
	owesTest
	owesClean
)

// group are the facts of one Output.
type group struct {
	press  int // index of the press among the facts, −1 when there is none
	place  int
	rating int
	flow   int64
	owed   owed
	done   bool // all questions are answered
	// What was said about the press before it was durable.
	stuck, gesture bool
}

// Step takes one event.
func Step(s State, e Event) (State, Output) {
	s.pending = slices.Clone(s.pending)
	s.now, s.wall = max(s.now, e.At), e.Wall
	m := &step{State: s, at: e.At, press: group{press: -1}}
	m.expire()
	switch c := e.Cause.(type) {
	case Finger:
		m.finger(c.Signal)
	case Stored:
		m.stored(c)
	case Failed:
		m.failed()
	case NewPlan:
		m.newPlan(c)
	case Test:
		if m.test != c.On {
			m.test = c.On
			m.owe(owesTest)
		}
	case Clean:
		m.cleaning(c.On)
	}
	return m.finish()
}

// step is one Step at work.
type step struct {
	State
	at    time.Duration // of the event
	facts []feedback.Fact
	names bool  // some of the facts name a press
	press group // press is the index among facts, −1 when there is none
	out   Output
}

func (m *step) show(screen Screen, until time.Duration) { m.screen, m.until = screen, until }

// rest shows what is shown while nobody does anything.
func (m *step) rest() {
	switch {
	case m.scale.Steps == 0:
		m.show(Closed, 0)
	case m.clean != 0:
		m.show(Locked, 0)
	case m.closed && m.awakeUntil == 0:
		m.show(Asleep, 0)
	default:
		m.show(Faces, 0)
	}
}

func (m *step) owe(what owed) {
	m.owed |= what
	m.retryAt = m.now
}

// expire ends what is over by now.
func (m *step) expire() {
	if m.clean != 0 && m.now >= m.clean {
		m.cleaning(false)
	}
	for m.until != 0 && m.now >= m.until {
		ended := m.until
		switch m.screen {
		case Thanks:
			m.rest()
			if m.pressPending() {
				break // its visitor is still there
			}
			if m.ask(ended); !m.visiting() {
				m.leave()
			}
		case Reasons, Remarks:
			m.endQuestions("timeout")
		default:
			m.rest()
		}
	}
	if m.language != "" && !m.visiting() && m.now >= m.languageUntil {
		m.leave()
	}
	m.look()
}

func (m *step) finger(s input.Signal) {
	switch s.Kind {
	case input.Press:
		m.pressed(s)
	case input.Stuck:
		m.mark(s.Place, func(g *group) { g.stuck = true }, func(p feedback.Seq) feedback.Fact { return feedback.Stuck{Press: p} })
	case input.Cleaning:
		m.noVotes(s)
		m.cleaning(m.clean == 0)
	case input.Gesture:
		m.noVotes(s)
		if m.screen == Faces || m.screen == Thanks || m.screen == Asleep {
			m.show(Technician, m.now+TechnicianTimeout)
		}
	case input.Away:
		m.turnUntil = 0
		switch m.screen {
		case Thanks:
			m.about = answer{}
			m.leave()
		case Asleep:
			m.wake()
		}
	default:
		m.answered(s)
	}
}

// noVotes says of the presses with which a gesture began that they are no votes.
func (m *step) noVotes(s input.Signal) {
	for _, place := range []int{s.Place, s.Other} {
		m.mark(place, func(g *group) { g.gesture = true }, func(p feedback.Seq) feedback.Fact { return feedback.Gesture{Press: p} })
	}
}

// pressed makes a fact of a press.
func (m *step) pressed(s input.Signal) {
	if s.Place < 0 || s.Place >= m.scale.Steps {
		m.out.Ignored = true
		return
	}
	m.endQuestions("skipped") // by somebody who has come to press
	rating := m.scale.Lowest + s.Place
	m.press = group{press: len(m.facts), place: s.Place, rating: rating}
	if s.Touch {
		if m.at >= m.turnUntil {
			m.flow++
			m.turnUntil, m.thanked = m.at+ChangeTimeout, false
		}
		m.press.flow = m.flow
	}
	m.about = answer{}
	m.languageUntil = m.now + LanguageTimeout
	m.facts = append(m.facts, feedback.Press{Rating: rating, Held: max(0, s.Held.Milliseconds()), Flow: m.press.flow})
}

// mark says something about the last press at a place: at once if it is
// durable, with its Stored if it is not yet.
func (m *step) mark(place int, later func(*group), fact func(feedback.Seq) feedback.Fact) {
	if place < 0 || place >= len(m.last) {
		m.out.Ignored = true
		return
	}
	for i := len(m.pending) - 1; i >= 0; i-- {
		if g := &m.pending[i]; g.press >= 0 && g.place == place {
			later(g)
			return
		}
	}
	if seq := m.last[place]; seq != 0 {
		m.name(fact(seq))
	}
}

// name adds a fact that names a press.
func (m *step) name(f feedback.Fact) {
	m.facts = append(m.facts, f)
	m.names = true
}

// take removes the oldest unanswered group.
func (m *step) take() (g group, ok bool) {
	if len(m.pending) == 0 {
		return g, false // an answer to nothing
	}
	g = m.pending[0]
	m.pending = m.pending[1:]
	return g, true
}

func (m *step) stored(c Stored) {
	g, ok := m.take()
	if !ok {
		return
	}
	if m.epoch != c.Epoch { // the numbers that are known name other records now
		m.epoch = c.Epoch
		clear(m.last[:])
		m.about = answer{}
		if m.screen == Reasons || m.screen == Remarks {
			m.over = false
			m.leave()
		}
	}
	m.trouble = false
	if g.done && m.over {
		m.over, m.about = false, answer{}
		m.show(Thanks, m.now+ThanksTimeout)
	}
	if g.press < 0 || g.press >= len(c.Seqs) {
		return
	}
	seq := c.Seqs[g.press]
	m.last[g.place] = seq
	if g.stuck {
		m.name(feedback.Stuck{Press: seq})
	}
	if g.gesture {
		m.name(feedback.Gesture{Press: seq})
	}
	if m.clean == 0 {
		m.thank(g, seq)
	}
}

// thank shows thanks for a press that is durable.
func (m *step) thank(g group, seq feedback.Seq) {
	m.out.Thank = true
	until := m.now + ThanksTimeout
	if g.flow != 0 && g.flow == m.flow && m.turnUntil != 0 {
		if !m.thanked {
			m.turnUntil, m.thanked = m.now+ChangeTimeout, true
		}
		until = max(until, m.turnUntil)
		m.about = answer{seq: seq, rating: g.rating}
	}
	if m.screen == Thanks {
		until = max(until, m.until)
	}
	m.show(Thanks, until)
}

// failed notes that facts are not on disk. A press among them is not made
// again: it may be on disk after all, and nobody was thanked for it.
func (m *step) failed() {
	g, ok := m.take()
	if !ok {
		return
	}
	m.trouble = true
	if g.done && m.over {
		m.over, m.about = false, answer{}
		m.leave()
	}
	m.owed |= g.owed
	m.retryAt = m.now + RetryTimeout
}

func (m *step) pressPending() bool {
	return slices.ContainsFunc(m.pending, func(g group) bool { return g.press >= 0 })
}

func (m *step) newPlan(c NewPlan) {
	scale, err := feedback.ParseScale(string(c.Plan.Asked.Scale))
	if err != nil || c.Plan.ID == "" {
		m.out.Ignored = true
		return
	}
	if m.plan.ID == c.Plan.ID && m.plan.Asked == c.Plan.Asked {
		return
	}
	m.endQuestions("timeout")
	m.turnUntil, m.about = 0, answer{}
	m.plan, m.scale, m.language = c.Plan, scale, ""
	m.look()
	if m.screen == Closed {
		m.rest()
	}
	if !c.Applied {
		m.owe(owesPlan)
	}
}

func (m *step) cleaning(on bool) {
	was := m.clean != 0
	switch {
	case on:
		m.endQuestions("timeout")
		m.clean = m.now + CleaningTimeout
	case was:
		m.clean = 0
	}
	if was != on {
		m.owe(owesClean)
		m.rest()
	}
}

// finish pays what is owed and says what to show.
func (m *step) finish() (State, Output) {
	if m.owed != 0 && (len(m.facts) > 0 || m.now >= m.retryAt) {
		debts := m.debts()
		if m.press.press >= 0 {
			m.press.press += len(debts)
		}
		m.press.owed = m.owed
		m.facts = append(debts, m.facts...)
		m.owed = 0
	}
	if len(m.facts) > 0 {
		m.pending = append(m.pending, m.press)
	}
	m.out.Facts = m.facts
	if m.names {
		m.out.Epoch = m.epoch
	}
	m.out.View = m.State.View()
	m.out.Deadline = m.deadline()
	return m.State, m.out
}

// debts returns what is owed, as it is now.
func (m *step) debts() []feedback.Fact {
	var facts []feedback.Fact
	if m.owed&owesPlan != 0 {
		facts = append(facts, feedback.PlanApplied{Plan: m.plan.ID, Asked: m.plan.Asked})
	}
	if m.owed&owesTest != 0 {
		facts = append(facts, feedback.Test{On: m.test})
	}
	if m.owed&owesClean != 0 {
		facts = append(facts, feedback.Cleaning{On: m.clean != 0})
	}
	return facts
}

func (s *State) deadline() time.Duration {
	next := s.until
	earlier := func(d time.Duration) {
		if d != 0 && (next == 0 || d < next) {
			next = d
		}
	}
	earlier(s.clean)
	earlier(s.lookAt)
	earlier(s.awakeUntil)
	if s.language != "" && !s.visiting() {
		earlier(s.languageUntil)
	}
	if s.offersChange() {
		earlier(s.turnUntil)
	}
	if s.owed != 0 {
		earlier(s.retryAt)
	}
	return next
}

// visiting reports whether the screen is in the middle of a visit.
func (s *State) visiting() bool {
	return s.screen == Thanks || s.screen == Reasons || s.screen == Remarks
}

// offersChange reports whether a tap now would change the last answer.
func (s *State) offersChange() bool {
	return s.screen == Thanks && s.thanked && s.now < s.turnUntil
}

// View returns what to show.
func (s *State) View() View {
	v := View{
		Screen: s.screen, Scale: s.scale, Language: s.plan.Language, Change: s.offersChange(),
		Contrast: s.plan.Contrast, Link: s.plan.Link, Test: s.test, Trouble: s.trouble,
	}
	if s.language != "" {
		v.Language = s.language
	}
	if len(s.plan.Languages) > 1 {
		v.Languages = s.plan.Languages
	}
	v.Words = s.plan.Words[v.Language]
	s.question(&v)
	return v
}
