package faultproxy

import (
	"bufio"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// drainTimeout is how long the far side of a cut connection is still read. To
// close a socket with unread bytes in it is a reset, and a reset can take away
// what the far side has not read yet.
const drainTimeout = 2 * time.Second

// session is one connection of a client and its twin to the broker.
type session struct {
	proxy *Proxy
	ends  [2]*net.TCPConn // by the direction of what is written to it: the broker's, the client's
	muted atomic.Bool     // nothing more is passed on
	done  chan struct{}   // closed by kill
	once  sync.Once

	pumps sync.WaitGroup
	held  sync.WaitGroup // packets that are delayed

	writing [2]sync.Mutex // one packet at a time, by direction

	mu     sync.Mutex
	topics [2]map[uint16]string // of messages that await their PUBACK, by direction of the message
}

func newSession(p *Proxy, client, broker *net.TCPConn) *session {
	return &session{
		proxy:  p,
		ends:   [2]*net.TCPConn{ToBroker: broker, ToClient: client},
		done:   make(chan struct{}),
		topics: [2]map[uint16]string{{}, {}},
	}
}

// run returns when both sides are closed and nothing runs any more.
func (s *session) run() {
	for _, d := range []Direction{ToBroker, ToClient} {
		s.pumps.Go(func() { s.pump(d) })
	}
	s.pumps.Wait()
	s.kill()
	s.held.Wait()
}

// kill closes both sides, now, and forgets what is delayed.
func (s *session) kill() {
	s.muted.Store(true)
	s.once.Do(func() { close(s.done) })
	for _, end := range s.ends {
		_ = end.Close()
	}
}

// pump passes packets on in one direction until the source ends or is cut.
func (s *session) pump(d Direction) {
	source := bufio.NewReaderSize(s.ends[d.opposite()], 64<<10)
	for {
		f, err := readFrame(source)
		if err != nil {
			break
		}
		if !s.pass(d, f) {
			_ = s.ends[d.opposite()].Close()
			break
		}
	}
	select {
	case <-s.proxy.daylight(): // no news of an end comes out of a black hole
	case <-s.done:
	}
	// The other pump goes on reading from the far side until that has closed too.
	_ = s.ends[d].CloseWrite()
	_ = s.ends[d].SetReadDeadline(time.Now().Add(drainTimeout))
}

// pass does with a packet what the rules say, and reports whether the
// connection stands.
func (s *session) pass(d Direction, f frame) bool {
	rule, act, swallow := s.proxy.judge(d, f.packet(), s.topicOf(d, f))
	switch {
	case swallow:
	case !act:
		s.write(d, f)
	case rule.Action == Drop:
	case rule.Action == Duplicate:
		s.write(d, f)
		s.write(d, f)
	case rule.Action == Delay:
		s.writeLater(d, f, rule.Delay)
	case rule.Action == CutBefore:
		s.muted.Store(true)
		return false
	case rule.Action == CutAfter:
		if !s.muted.Swap(true) {
			s.writeNow(d, f)
		}
		return false
	}
	return true
}

// topicOf finds the topic of a message, or of the message that is acknowledged.
func (s *session) topicOf(d Direction, f frame) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch f.packet() {
	case Publish:
		topic, id := f.message()
		if id != 0 {
			s.topics[d][id] = topic
		}
		return topic
	case PubAck:
		return s.topics[d.opposite()][f.acknowledged()]
	default:
		return ""
	}
}

// write passes f on unless the connection is being cut. A far side that takes
// nothing more will end the connection itself, or its pump will.
func (s *session) write(d Direction, f frame) {
	if !s.muted.Load() {
		s.writeNow(d, f)
	}
}

func (s *session) writeNow(d Direction, f frame) {
	s.writing[d].Lock()
	defer s.writing[d].Unlock()
	_, _ = s.ends[d].Write(f.bytes)
}

// writeLater passes f on after some time, if the connection stands then.
func (s *session) writeLater(d Direction, f frame, delay time.Duration) {
	select {
	case s.proxy.delayed <- struct{}{}:
	case <-s.done:
		return
	}
	s.held.Go(func() {
		defer func() { <-s.proxy.delayed }()
		due := time.NewTimer(delay)
		defer due.Stop()
		select {
		case <-due.C:
			s.write(d, f)
		case <-s.done:
		}
	})
}
