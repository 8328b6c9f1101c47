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

// socket is what the library sees of the network. It repairs three habits of
// it: pings and subscriptions are written without a deadline, headers are read
// byte by byte, and a connection cut from outside goes unnoticed.
type socket struct {
	net.Conn
	r *bufio.Reader
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
			return nil, &DialError{Address: o.Address, Reason: refusal(err), Cause: err}
		}
		conn = secured
	}
	return &socket{Conn: conn, r: bufio.NewReaderSize(conn, 16<<10)}, nil
}

func (s *socket) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if errors.Is(err, net.ErrClosed) {
		err = errCut
	}
	return n, err
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
