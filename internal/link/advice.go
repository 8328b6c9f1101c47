package link

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
)

// Advice is what a program tells the person who wrote its settings when a broker
// cannot be used: the names of the settings that decide each matter.
type Advice struct {
	Address   string // key of the address
	Authority string // key of the file of the authority that is trusted; "" where the system's are
	Own       string // key of this side's certificate; "" where it has none
	// Credentials is a sentence about the name and the password.
	Credentials string
}

// Explain adds to an error of Dial which setting to look at and what to do. It
// leaves other errors alone.
func (a Advice) Explain(err error) error {
	dial, ok := errors.AsType[*DialError](err)
	if !ok {
		return err
	}
	if say := a.about(dial); say != "" {
		return fmt.Errorf("%w; %s", err, say)
	}
	return err
}

func (a Advice) about(e *DialError) string {
	switch {
	case errors.Is(e.Reason, ErrCredentials):
		return a.Credentials
	case errors.Is(e.Reason, ErrTLS):
		return a.aboutTrust(e.Cause)
	case errors.Is(e.Reason, ErrSubscription):
		return "let this user hear it, in the broker's access list"
	case errors.Is(e.Reason, ErrRefused):
		return "see the broker's log, and that nobody else uses this name"
	case errors.Is(e.Reason, ErrUnreachable):
		return a.aboutSilence(e)
	}
	return ""
}

// aboutTrust tells whose certificate is not trusted, and by whom.
func (a Advice) aboutTrust(cause error) string {
	if _, ok := errors.AsType[x509.HostnameError](cause); ok {
		return fmt.Sprintf("write a host into %s that the broker's certificate is for, or have it signed for this one", a.Address)
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](cause); ok {
		if a.Authority == "" {
			return "let this system trust the authority that signed the broker's certificate"
		}
		return fmt.Sprintf("name the file of the authority that signed the broker's certificate in %s", a.Authority)
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](cause); ok && invalid.Reason == x509.Expired {
		return "set the clock of this machine, or renew the broker's certificate"
	}
	if a.Own == "" {
		return "see that the broker's certificate is right, and whether it wants to see one of this side"
	}
	return fmt.Sprintf("see that %s is a certificate which the broker trusts, or give it one if it is empty", a.Own)
}

// aboutSilence tells an address where nobody is from one where somebody answers
// who does not speak as was expected.
func (a Advice) aboutSilence(e *DialError) string {
	op, ok := errors.AsType[*net.OpError](e.Cause)
	late := errors.Is(e.Cause, context.DeadlineExceeded) || errors.Is(e.Cause, os.ErrDeadlineExceeded)
	if late || ok && op.Op == "dial" {
		return fmt.Sprintf("see that the broker runs, that the network is there, and that %s is its host and port", a.Address)
	}
	if strings.HasPrefix(e.Address, "mqtts:") {
		return fmt.Sprintf("something answers there: see that %s is the broker's encrypted port, or write mqtt:// if it does not encrypt", a.Address)
	}
	return fmt.Sprintf("something answers there: see that %s is the broker's port, and write mqtts:// if it encrypts", a.Address)
}
