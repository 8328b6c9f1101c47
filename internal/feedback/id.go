package feedback

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// KioskID names a kiosk; it is also the common name of its certificate and its
// MQTT client id.
type KioskID string

// ImportPrefix begins the ids of sources that are no kiosks but imports of
// histories: they speak to nobody and are never waited for.
const ImportPrefix = "import-"

// Imported reports whether a source is an import of a history.
func (k KioskID) Imported() bool { return strings.HasPrefix(string(k), ImportPrefix) }

// SiteID names a store, lounge or branch.
type SiteID string

// TouchpointID names a moment of the customer's journey at one site.
type TouchpointID string

// SurveyID names a question with its scale and follow-ups.
type SurveyID string

// PlanID is the hash of a plan's bytes, as [NewPlanID] makes it.
type PlanID string

// MaxID is the longest id in bytes.
const MaxID = 40

// validID reports whether s matches ^[a-z0-9-]{1,40}$.
func validID(s string) bool {
	if len(s) == 0 || len(s) > MaxID {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// An IDError says that a text is not an id.
type IDError struct {
	What string // "kiosk", "site", …
	Text string
}

// Error tells what an id may hold.
func (e *IDError) Error() string {
	if validID(e.Text) {
		return fmt.Sprintf("%s id %q is reserved: choose another", e.What, e.Text)
	}
	return fmt.Sprintf("%s id %q: use 1 to %d of the characters a-z, 0-9 and -", e.What, e.Text, MaxID)
}

func parseID[T ~string](what, s string) (T, error) {
	if !validID(s) {
		return "", &IDError{What: what, Text: s}
	}
	return T(s), nil
}

// ParseKioskID returns s as a kiosk id, or an [*IDError]. "hub" and "site" are
// none: they stand where a kiosk's id does in the topics of the hub.
func ParseKioskID(s string) (KioskID, error) {
	if s == "hub" || s == "site" {
		return "", &IDError{What: "kiosk", Text: s}
	}
	return parseID[KioskID]("kiosk", s)
}

// ParseSiteID returns s as a site id, or an [*IDError].
func ParseSiteID(s string) (SiteID, error) { return parseID[SiteID]("site", s) }

// ParseTouchpointID returns s as a touchpoint id, or an [*IDError].
func ParseTouchpointID(s string) (TouchpointID, error) {
	return parseID[TouchpointID]("touchpoint", s)
}

// ParseSurveyID returns s as a survey id, or an [*IDError].
func ParseSurveyID(s string) (SurveyID, error) { return parseID[SurveyID]("survey", s) }

// NewPlanID returns the id of a plan: the first 16 bytes of the SHA-256 of its
// bytes, as 32 hex digits.
func NewPlanID(plan []byte) PlanID {
	sum := sha256.Sum256(plan)
	return PlanID(hex.EncodeToString(sum[:16]))
}

// ParsePlanID returns s as a plan id: 32 lower-case hex digits.
func ParsePlanID(s string) (PlanID, error) {
	if _, err := ParseHash(s); err != nil {
		return "", fmt.Errorf("plan id %q: want 32 hex digits", s)
	}
	return PlanID(s), nil
}

// Epoch tells one journal of a kiosk from the next: 64 random bits, drawn when
// the journal is created. Zero is no epoch.
type Epoch uint64

// ParseEpoch reads an epoch as 16 lower-case hex digits.
func ParseEpoch(s string) (Epoch, error) {
	n, err := strconv.ParseUint(s, 16, 64)
	if err != nil || len(s) != 16 || Epoch(n).String() != s {
		return 0, fmt.Errorf("epoch %q: want 16 lower-case hex digits", s)
	}
	return Epoch(n), nil
}

// String writes the epoch as 16 lower-case hex digits.
func (e Epoch) String() string { return fmt.Sprintf("%016x", uint64(e)) }

// MarshalText writes the epoch as its hex digits.
func (e Epoch) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (e *Epoch) UnmarshalText(b []byte) (err error) {
	*e, err = ParseEpoch(string(b))
	return err
}

// Seq numbers the records of an epoch: 1, 2, 3 … without holes. Zero stands
// before the first.
type Seq int64

// Hash is the running hash of a journal: evidence of loss, reordering and
// cloning, not a signature. The zero Hash stands before the first record.
type Hash [16]byte

// Next returns the hash after a record with these bytes: SHA-256 of the hash
// and the bytes, cut to 16.
func (h Hash) Next(body []byte) Hash {
	d := sha256.New()
	d.Write(h[:])
	d.Write(body)
	return Hash(d.Sum(nil)[:len(h)])
}

// ParseHash reads 32 lower-case hex digits.
func ParseHash(s string) (Hash, error) {
	var h Hash
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(h) || hex.EncodeToString(b) != s {
		return h, fmt.Errorf("hash %q: want 32 lower-case hex digits", s)
	}
	return Hash(b), nil
}

// String writes the hash as 32 lower-case hex digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText writes the hash as its hex digits.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (h *Hash) UnmarshalText(b []byte) (err error) {
	*h, err = ParseHash(string(b))
	return err
}
