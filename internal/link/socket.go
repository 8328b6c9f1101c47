package link

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// maxPacket bounds what the other side can make this one allocate. The embedded
// broker lets a quarter of it through.
const maxPacket = 1 << 20

// socket is what the library sees of the network. It makes up for habits of
// it: pings and subscriptions are written without a deadline, headers are read
// byte by byte, any announced length is allocated, a SUBACK with too many codes
// is a panic, and a connection cut from outside goes unnoticed.
type socket struct {
	net.Conn
	filters int // asked for in the one SUBSCRIBE

	// Below belongs to the one goroutine that reads.
	r    *bufio.Reader
	left int // of the packet that is being read
}

// open connects to t, with TLS where it asks for it.
func open(ctx context.Context, t target, o Options) (*socket, error) {
	conn, err := o.Dialer(ctx, t.hostport)
	if err != nil {
		return nil, &DialError{Address: o.Address, Reason: ErrUnreachable, Cause: err}
	}
	if t.tls != nil {
		secured := tls.Client(conn, t.tls)
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, &DialError{Address: o.Address, Reason: refusal(err), Cause: causeOf(err)}
		}
		conn = secured
	}
	return &socket{Conn: conn, filters: len(o.Subscriptions), r: bufio.NewReaderSize(conn, 16<<10)}, nil
}

// Read gives at most the rest of one packet.
func (s *socket) Read(p []byte) (n int, err error) {
	if s.left == 0 {
		s.left, err = s.nextPacket()
	}
	if err == nil {
		n, err = s.r.Read(p[:min(len(p), s.left)])
		s.left -= n
	}
	if errors.Is(err, net.ErrClosed) {
		err = errCut
	}
	return n, err
}

// nextPacket looks at the fixed header ahead (MQTT 3.1.1, section 2.2) and
// returns the length of the whole packet.
func (s *socket) nextPacket() (int, error) {
	for size := 2; size <= 5; size++ { // no packet is shorter than two bytes
		head, err := s.r.Peek(size)
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

func (s *socket) Write(p []byte) (int, error) {
	if err := s.Conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, fmt.Errorf("write deadline: %w", err)
	}
	return s.Conn.Write(p)
}

// SetWriteDeadline does nothing: Write sets its own, and the library would lift
// it from under a ping that is being written.
func (s *socket) SetWriteDeadline(time.Time) error { return nil }
