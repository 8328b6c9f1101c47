package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// Why there is no connection. Dial's errors are a *DialError around one of the
// first five; Conn.Err and Publish give one of the last three.
var (
	// ErrUnreachable means that nobody answered at the address, or not in time,
	// or not in MQTT.
	ErrUnreachable = errors.New("no MQTT broker answers")

	// ErrTLS means that the two sides do not trust each other.
	ErrTLS = errors.New("the encrypted connection was refused")

	// ErrCredentials means a wrong name or password, or one that may not
	// connect.
	ErrCredentials = errors.New("the broker refuses this user name and password")

	// ErrRefused means that the broker answered and wants no such client.
	ErrRefused = errors.New("the broker refuses the connection")

	// ErrSubscription means that the broker does not let this user hear a topic.
	ErrSubscription = errors.New("the broker refuses a subscription")

	// ErrLost means that the connection broke, or that the broker ended it.
	ErrLost = errors.New("connection lost")

	// ErrClosed means that Close ended the connection.
	ErrClosed = errors.New("connection closed")

	// ErrAbandoned means that Abandon ended the connection.
	ErrAbandoned = errors.New("connection abandoned")
)

// DialError says why a broker could not be used.
type DialError struct {
	Address string

	// Reason is one of the sentinels above.
	Reason error

	// Cause is the error below it.
	Cause error
}

// Error gives address, reason and cause.
func (e *DialError) Error() string {
	return fmt.Sprintf("link: dial %s: %v: %v", e.Address, e.Reason, e.Cause)
}

// Unwrap gives reason and cause.
func (e *DialError) Unwrap() []error { return []error{e.Reason, e.Cause} }

// topicError names a topic that the broker does not let this user hear.
type topicError string

// Error names the topic; the reason stands before it.
func (e topicError) Error() string { return "topic " + string(e) }

// Is reports whether target is what such an error always means.
func (e topicError) Is(target error) bool { return target == ErrSubscription }

// lateError says how long there was no answer.
type lateError time.Duration

// Error gives the time.
func (e lateError) Error() string { return fmt.Sprintf("no answer within %v", time.Duration(e)) }

// Is reports whether target says the same without the time.
func (e lateError) Is(target error) bool { return target == context.DeadlineExceeded }

// errProtocol marks what no broker would send.
var errProtocol = errors.New("not MQTT 3.1.1")

// errCut replaces net.ErrClosed on its way into the library, which takes a
// connection "closed" by somebody else for its own doing and would wait for
// ever.
var errCut = errors.New("cut by this side")

// dialError finds the reason in an error of the network, of TLS or of the
// library. The end of ctx is a better cause than what closing the socket then
// brought about.
func dialError(ctx context.Context, address string, err error) error {
	if ctx.Err() != nil {
		return &DialError{Address: address, Reason: ErrUnreachable, Cause: context.Cause(ctx)}
	}
	return &DialError{Address: address, Reason: reasonOf(err), Cause: causeOf(err)}
}

func reasonOf(err error) error {
	switch {
	case errors.Is(err, ErrSubscription):
		return ErrSubscription
	case errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword),
		errors.Is(err, packets.ErrorRefusedNotAuthorised):
		return ErrCredentials
	case errors.Is(err, packets.ErrorRefusedBadProtocolVersion),
		errors.Is(err, packets.ErrorRefusedIDRejected),
		errors.Is(err, packets.ErrorRefusedServerUnavailable):
		return ErrRefused
	case isTLS(err):
		return ErrTLS
	default:
		return ErrUnreachable
	}
}

// isTLS reports whether err says that trust, and not the network, is missing.
// In TLS 1.3 a refused client certificate shows only when the first answer is
// read.
func isTLS(err error) bool {
	if alert := new(net.OpError); errors.As(err, &alert) && (alert.Op == "remote error" || alert.Op == "local error") {
		return true // that is how crypto/tls wraps an alert
	}
	verify := new(tls.CertificateVerificationError)
	return errors.As(err, &verify)
}

// causeOf strips the library's "network Error" from what lies below it, and
// puts the commonest cause in words.
func causeOf(err error) error {
	if several, ok := err.(interface{ Unwrap() []error }); ok && errors.Is(err, packets.ErrorNetworkError) {
		err = several.Unwrap()[1]
	}
	// The port of this side tells nobody anything, and makes each attempt another
	// sentence.
	if op, ok := err.(*net.OpError); ok && op.Source != nil { //nolint:errorlint // one inside another error stays as it is
		there := *op
		there.Source = nil
		err = &there
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the other side hung up: %w", err)
	}
	return err
}
