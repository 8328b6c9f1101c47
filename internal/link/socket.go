package link

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// maxPacket bounds what the other side can make this one allocate. The embedded
// broker lets a quarter of it through.
const maxPacket = 1 << 20

// lastWords is how long a socket that takes no more bytes is still read, for a
// TLS alert often says why.
const lastWords = time.Second

// socket is what the library sees of the network, and the only place where it
// can learn that the network is gone. Its own ways to learn that have holes: a
// publish that is handed over while the connection goes down waits for a writer
// that has left, pings and subscriptions are written without a deadline, and a
// connection cut from this side goes unnoticed. So every end comes out of Read:
//
//   - a failed Write is noted, reported as done, and lets Read fail;
//   - silence of the other side lets Read fail, before the library's own clock;
//   - Read tells the Conn first, which lets no new publish in and waits for
//     those on their way, and only then the library.
//
// It also bounds lengths and codes that the library takes on trust, and reads in
// larger pieces than the library's single bytes.
type socket struct {
	net.Conn
	filters int           // asked for in the one SUBSCRIBE
	silence time.Duration // longest pause of the other side
	onEnd   func(error)   // called by Read before it fails; closes the socket

	// These belong to the one goroutine that reads.
	buffer *bufio.Reader
	left   int // of the packet that is being read

	mu       sync.Mutex
	writeErr error // the first one
	coming   int   // packets that are about to be written

	writing sync.Mutex // one Write at a time
	held    []byte     // packets that wait for those that are coming
}

// maxHeld bounds what waits for more.
const maxHeld = 32 << 10

// open connects to t, with TLS where it asks for it.
func open(ctx context.Context, t target, o Options) (*socket, error) {
	conn, err := o.Dialer(ctx, t.hostport)
	if err != nil {
		return nil, dialError(ctx, o.Address, err)
	}
	if t.tls != nil {
		secured := tls.Client(conn, t.tls)
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, dialError(ctx, o.Address, err)
		}
		conn = secured
	}
	s := &socket{
		Conn:    conn,
		filters: len(o.Subscriptions),
		silence: o.KeepAlive*3/2 + min(o.KeepAlive, maxPingTimeout),
	}
	s.buffer = bufio.NewReaderSize(readFunc(s.fill), 16<<10)
	return s, nil
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

// fill reads from the network.
func (s *socket) fill(p []byte) (int, error) {
	if err := s.allow(s.silence); err != nil {
		return 0, err
	}
	n, err := s.Conn.Read(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("nothing was heard for %v: %w", s.silence, err)
	}
	return n, err
}

// allow gives the other side some time to say something.
func (s *socket) allow(d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writeErr != nil {
		d = lastWords
	}
	return s.Conn.SetReadDeadline(time.Now().Add(d))
}

// Read gives at most the rest of one packet.
func (s *socket) Read(p []byte) (n int, err error) {
	if s.left == 0 {
		s.left, err = s.nextPacket()
	}
	if err == nil {
		n, err = s.buffer.Read(p[:min(len(p), s.left)])
		s.left -= n
	}
	if err == nil {
		return n, nil
	}
	if written := s.written(); written != nil && !isTLS(err) {
		err = written
	}
	if errors.Is(err, net.ErrClosed) {
		err = errCut
	}
	s.onEnd(err)
	return n, err
}

// nextPacket looks at the fixed header ahead (MQTT 3.1.1, section 2.2) and
// returns the length of the whole packet.
func (s *socket) nextPacket() (int, error) {
	for size := 2; size <= 5; size++ { // no packet is shorter than two bytes
		head, err := s.buffer.Peek(size)
		if err != nil {
			return 0, err
		}
		if head[size-1] >= 0x80 {
			continue
		}
		rest := 0
		for i := size - 1; i > 0; i-- {
			rest = rest<<7 | int(head[i]&0x7f)
		}
		const suback = 9
		switch {
		case rest > maxPacket:
			return 0, fmt.Errorf("%w: a packet of %d bytes, above the limit of %d", errProtocol, rest, maxPacket)
		case head[0]>>4 == suback && rest > 2+s.filters:
			return 0, fmt.Errorf("%w: a SUBACK for more filters than were asked for", errProtocol)
		}
		return size + rest, nil
	}
	return 0, fmt.Errorf("%w: a length of more than four bytes", errProtocol)
}

// expect says that the library is about to write so many packets: those before
// the last wait for it, so that they make one write to the network. Where they do
// not come, the connection has ended.
func (s *socket) expect(packets int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.coming += packets
}

// more takes note of a packet and reports whether another one is about to come.
func (s *socket) more() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.coming = max(0, s.coming-1)
	return s.coming > 0
}

// Write takes one packet. It never fails; written tells.
func (s *socket) Write(p []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	more := s.more()
	if !more && len(s.held) == 0 {
		s.write(p)
		return len(p), nil
	}
	if s.held = append(s.held, p...); !more || len(s.held) >= maxHeld {
		s.write(s.held)
		s.held = s.held[:0]
	}
	return len(p), nil
}

// write notes its failure for written and Read. The caller has writing.
func (s *socket) write(p []byte) {
	err := s.Conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err == nil {
		_, err = s.Conn.Write(p)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = fmt.Errorf("the broker takes no more bytes: %w", err)
	}
	if err != nil {
		s.mu.Lock()
		if s.writeErr == nil {
			s.writeErr = err
		}
		s.mu.Unlock()
		_ = s.allow(lastWords) // fails only where Read fails as well
	}
}

// written returns the first error of a Write.
func (s *socket) written() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writeErr
}

// SetDeadline does nothing, and neither does SetWriteDeadline: Read and Write
// set their own, and Dial's context ends a handshake.
func (s *socket) SetDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (s *socket) SetWriteDeadline(time.Time) error { return nil }
