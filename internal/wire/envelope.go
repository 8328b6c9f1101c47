package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"sourire/internal/feedback"
)

// Version is the version of the wire that this package speaks.
const Version = 1

// Bounds of a batch.
const (
	MaxRecords = 500       // records in a batch
	MaxBytes   = 64 * 1024 // bytes of an encoded batch
	MaxComment = 2000      // characters of a comment

	// MaxMessage is the longest of all other messages in bytes: a plan with its
	// words in every language.
	MaxMessage = 256 * 1024

	maxNonce = 64 // bytes
)

// An EnvelopeError says why a whole payload cannot be read; nothing in it moves
// any mark.
type EnvelopeError struct{ Why string }

// Error returns why.
func (e *EnvelopeError) Error() string { return "envelope: " + e.Why }

// Re names a request: a nonce drawn at each connection and the request's number
// on it. A kiosk obeys only the answer that carries the Re of its outstanding
// request. On the wire it is a pair: ["6f1c…",7].
type Re struct {
	Nonce  string
	Number int64
}

// MarshalJSON writes the pair.
func (r Re) MarshalJSON() ([]byte, error) { return json.Marshal([2]any{r.Nonce, r.Number}) }

// UnmarshalJSON reads the pair.
func (r *Re) UnmarshalJSON(b []byte) error {
	pair := [2]any{&r.Nonce, &r.Number}
	return json.Unmarshal(b, &pair)
}

// Text is a comment beside its record: the record holds only the digest of
// salt ‖ text, so that the text can be deleted.
type Text struct {
	Seq  feedback.Seq `json:"seq"` // of the comment record
	Salt []byte       `json:"salt"`
	Text string       `json:"text"`
}

// Digest returns the SHA-256 of salt ‖ text.
func (t Text) Digest() [32]byte {
	return sha256.Sum256(append(bytes.Clone(t.Salt), t.Text...))
}

// Batch is a request of a kiosk on …/journal: these records follow each other
// from First, after a record whose running hash is Before. Without records it
// asks "where are we, and do you hold Before at First−1?".
type Batch struct {
	V       int               `json:"v"`
	Re      Re                `json:"re"`
	Epoch   feedback.Epoch    `json:"epoch"`
	First   feedback.Seq      `json:"first"`
	Before  feedback.Hash     `json:"before"`
	Oldest  feedback.Seq      `json:"oldest"` // the oldest record of this epoch that the kiosk still has
	Next    feedback.Seq      `json:"next"`   // the number the next record of this epoch will get
	Records []json.RawMessage `json:"records,omitempty"`
	Texts   []Text            `json:"texts,omitempty"`
}

// Last returns the number of the last record, First−1 when there is none.
func (b Batch) Last() feedback.Seq { return b.First + feedback.Seq(len(b.Records)) - 1 }

// Refusal is the reason for which a hub refuses a request.
type Refusal string

// The refusals.
const (
	RefusedFork       Refusal = "fork"       // the hash before differs from what the hub holds
	RefusedUnreadable Refusal = "unreadable" // the envelope cannot be read; send less
	RefusedBusy       Refusal = "busy"       // wait and ask again
	RefusedStore      Refusal = "store"      // the hub's store refuses to write; it keeps trying
)

// Ack is the hub's answer to one request on …/ack.
type Ack struct {
	V       int            `json:"v"`
	Re      Re             `json:"re"`
	Store   string         `json:"store"` // redrawn when a backup is restored
	Term    int64          `json:"term"`  // rises at each take-over
	Epoch   feedback.Epoch `json:"epoch"`
	Through feedback.Seq   `json:"through"` // everything up to here is stored or declared lost
	At      int64          `json:"at"`      // hub time, Unix milliseconds
	Wait    int            `json:"wait,omitempty"`
	Refused Refusal        `json:"refused,omitempty"`
	Why     string         `json:"why,omitempty"`
}

// check says why no hub would read the batch, or nil.
func (b Batch) check() error {
	switch {
	case b.V != Version:
		return &EnvelopeError{fmt.Sprintf("version %d, this program speaks %d", b.V, Version)}
	case b.Epoch == 0:
		return &EnvelopeError{"epoch is missing"}
	case b.First < 1 || b.Oldest < 0 || b.Next < 0 || b.First > maxSafe || b.Next > maxSafe || b.Oldest > maxSafe:
		return &EnvelopeError{"first, oldest or next is out of range"}
	case len(b.Records) > MaxRecords:
		return &EnvelopeError{fmt.Sprintf("%d records, at most %d are allowed", len(b.Records), MaxRecords)}
	case b.First == 1 && b.Before != feedback.Hash{}:
		return &EnvelopeError{"the hash before the first record is not zero"}
	case len(b.Re.Nonce) > maxNonce || !utf8.ValidString(b.Re.Nonce):
		return &EnvelopeError{fmt.Sprintf("the nonce is longer than %d bytes or not UTF-8", maxNonce)}
	}
	return nil
}

// verbatim reports whether a record arrives as the bytes that it is: a JSON
// value in UTF-8 with nothing around it.
func verbatim(record json.RawMessage) bool {
	return len(record) > 0 && len(bytes.TrimSpace(record)) == len(record) && utf8.Valid(record) && json.Valid(record)
}

// EncodeBatch writes a batch; its records go in verbatim. It refuses what no
// hub would read, and a record that would not arrive as it is.
func EncodeBatch(b Batch) ([]byte, error) {
	b.V = Version
	if err := b.check(); err != nil {
		return nil, err
	}
	for i, r := range b.Records {
		if !verbatim(r) {
			return nil, &EnvelopeError{fmt.Sprintf("record %d is not a JSON value in UTF-8: %.40q", b.First+feedback.Seq(i), r)}
		}
	}
	var buf bytes.Buffer
	// The head by the encoder, the records by hand: json.Marshal would compact
	// and so might change the bytes of a record.
	records, texts := b.Records, b.Texts
	b.Records, b.Texts = nil, nil
	head, err := json.Marshal(b)
	if err != nil {
		return nil, &EnvelopeError{err.Error()}
	}
	buf.Write(head[:len(head)-1])
	for i, r := range records {
		if i == 0 {
			buf.WriteString(`,"records":[`)
		} else {
			buf.WriteByte(',')
		}
		buf.Write(r)
	}
	if len(records) > 0 {
		buf.WriteByte(']')
	}
	if len(texts) > 0 {
		t, err := json.Marshal(texts)
		if err != nil {
			return nil, &EnvelopeError{err.Error()}
		}
		buf.WriteString(`,"texts":`)
		buf.Write(t)
	}
	buf.WriteByte('}')
	if buf.Len() > MaxBytes {
		return nil, &EnvelopeError{fmt.Sprintf("%d bytes, at most %d are allowed", buf.Len(), MaxBytes)}
	}
	return buf.Bytes(), nil
}

// DecodeBatch reads a batch. Its records are checked only to be JSON values:
// DecodeRecord judges each, so that one bad record does not cost its
// neighbours. Fields it does not know are ignored.
func DecodeBatch(payload []byte) (Batch, error) {
	var b Batch
	if len(payload) > MaxBytes {
		return b, &EnvelopeError{fmt.Sprintf("%d bytes, at most %d are allowed", len(payload), MaxBytes)}
	}
	if b, ok := plainBatch(payload); ok {
		return b, b.check()
	}
	if !utf8.Valid(payload) {
		return b, &EnvelopeError{"not UTF-8"}
	}
	if err := json.Unmarshal(payload, &b); err != nil {
		return b, &EnvelopeError{err.Error()}
	}
	if name := repeatedField(payload); name != "" {
		return b, &EnvelopeError{fmt.Sprintf("field %s stands there twice", name)}
	}
	return b, b.check()
}

// PeekRe finds the Re of a payload whose envelope cannot, or shall not, be read
// whole. It reports false when there is none.
func PeekRe(payload []byte) (Re, bool) {
	d := json.NewDecoder(bytes.NewReader(payload[:min(len(payload), 512)]))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return Re{}, false
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return Re{}, false
		}
		if key == "re" {
			var re Re
			if d.Decode(&re) != nil || len(re.Nonce) > maxNonce {
				return Re{}, false
			}
			return re, true
		}
		var skip json.RawMessage
		if d.Decode(&skip) != nil {
			return Re{}, false
		}
	}
	return Re{}, false
}

// message is an Ack, State, Health, Plan or Hub. A Batch is none: json.Marshal
// would change the bytes of its records.
type message interface{ version() int }

// Encode writes any message but a Batch: an Ack, State, Health, Plan or Hub.
func Encode(m message) []byte {
	b, err := json.Marshal(m)
	if err != nil {
		// The messages are structs of this package that can be written.
		panic("wire: " + err.Error())
	}
	return b
}

// Decode reads a message of type T, checks its version and ignores fields it
// does not know.
func Decode[T message](payload []byte) (T, error) {
	var m T
	if len(payload) > MaxMessage {
		return m, &EnvelopeError{fmt.Sprintf("%d bytes, at most %d are allowed", len(payload), MaxMessage)}
	}
	if !utf8.Valid(payload) {
		return m, &EnvelopeError{"not UTF-8"}
	}
	if err := json.Unmarshal(payload, &m); err != nil {
		return m, &EnvelopeError{err.Error()}
	}
	if m.version() != Version {
		return m, &EnvelopeError{fmt.Sprintf("version %d, this program speaks %d", m.version(), Version)}
	}
	return m, nil
}

func (a Ack) version() int    { return a.V }
func (s State) version() int  { return s.V }
func (h Health) version() int { return h.V }
func (p Plan) version() int   { return p.V }
func (h Hub) version() int    { return h.V }
