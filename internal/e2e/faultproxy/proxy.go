package faultproxy

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
)

// maxDelayed bounds the packets that are held at one time. When it is reached,
// connections wait.
const maxDelayed = 1024

// Proxy is a running proxy. Its methods may be called from several goroutines.
type Proxy struct {
	listener net.Listener
	running  sync.WaitGroup // the accept loop and all sessions
	delayed  chan struct{}  // one element per packet that is held

	mu       sync.Mutex
	target   string
	rules    []*counter
	refuse   bool
	light    chan struct{} // open: a black hole
	closed   bool
	sessions map[*session]struct{}
	accepted int
	fired    chan struct{} // closed and replaced at each hit
}

// New listens on a free port of the loopback interface and passes connections
// on to target, a host:port.
func New(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("faultproxy: %w", err)
	}
	p := &Proxy{
		listener: l,
		target:   target,
		delayed:  make(chan struct{}, maxDelayed),
		sessions: map[*session]struct{}{},
		fired:    make(chan struct{}),
		light:    make(chan struct{}),
	}
	close(p.light)
	p.running.Go(p.accept)
	return p, nil
}

// Addr is host:port for the clients.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// URL is Addr as an address of MQTT.
func (p *Proxy) URL() string { return "mqtt://" + p.Addr() }

// SetTarget sends new connections to another broker.
func (p *Proxy) SetTarget(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Use replaces all rules and forgets their counts. Where several want to act on
// one packet, the first does.
func (p *Proxy) Use(rules ...Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = nil
	for _, r := range rules {
		p.rules = append(p.rules, &counter{Rule: r})
	}
}

// Hits tells how often each rule has acted, in the order of Use.
func (p *Proxy) Hits() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	hits := make([]int, len(p.rules))
	for i, r := range p.rules {
		hits[i] = r.hits
	}
	return hits
}

// Await returns when every rule has acted at least once, or else says which has
// not when ctx ended.
func (p *Proxy) Await(ctx context.Context) error {
	for {
		p.mu.Lock()
		idle := slices.IndexFunc(p.rules, func(r *counter) bool { return r.hits == 0 })
		fired := p.fired
		p.mu.Unlock()
		if idle < 0 {
			return nil
		}
		select {
		case <-fired:
		case <-ctx.Done():
			return fmt.Errorf("faultproxy: rule %d has never acted: %w", idle, ctx.Err())
		}
	}
}

// Connections tells how many connections are open, and how many were accepted.
func (p *Proxy) Connections() (open, accepted int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.sessions), p.accepted
}

// Cut closes all connections now, with whatever is under way in them.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.sessions {
		s.kill()
	}
}

// Refuse makes new connections fail at once, or lets them in again.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = on
}

// BlackHole takes bytes from both sides and passes none on, nor that a side has
// hung up, or ends that. The bytes are lost.
func (p *Proxy) BlackHole(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case on && isClosed(p.light):
		p.light = make(chan struct{})
	case !on && !isClosed(p.light):
		close(p.light)
	}
}

// daylight is closed when there is no black hole.
func (p *Proxy) daylight() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.light
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Close cuts everything and waits until nothing runs any more.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	_ = p.listener.Close()
	p.Cut()
	p.running.Wait()
}

// accept runs until Close.
func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		client := conn.(*net.TCPConn)
		if target, ok := p.admit(); ok {
			p.running.Go(func() { p.serve(client, target) })
		} else {
			_ = client.SetLinger(0) // a reset, as from a closed port
			_ = client.Close()
		}
	}
}

func (p *Proxy) admit() (target string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse || p.closed {
		return "", false
	}
	p.accepted++
	return p.target, true
}

// serve runs one connection to its end.
func (p *Proxy) serve(client *net.TCPConn, target string) {
	broker, err := net.DialTimeout("tcp", target, drainTimeout)
	if err != nil {
		_ = client.Close()
		return
	}
	s := newSession(p, client, broker.(*net.TCPConn))
	p.mu.Lock()
	p.sessions[s] = struct{}{}
	if p.closed {
		s.kill()
	}
	p.mu.Unlock()
	s.run()
	p.mu.Lock()
	delete(p.sessions, s)
	p.mu.Unlock()
}

// judge finds what to do with a packet.
func (p *Proxy) judge(d Direction, packet Packet, topic string) (rule Rule, act, swallow bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !isClosed(p.light) {
		return Rule{}, false, true
	}
	for _, c := range p.rules {
		if c.meets(d, packet, topic) && !act {
			rule, act = c.Rule, true
			c.hits++
			close(p.fired)
			p.fired = make(chan struct{})
		}
	}
	return rule, act, false
}
