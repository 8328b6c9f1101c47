package wire

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"unicode/utf8"

	"sourire/internal/feedback"
)

// FuzzDecodeRecord holds what is read to what is written: a record that decodes
// re-encodes to bytes that decode to the same, and the short way for presses
// agrees with the general one.
func FuzzDecodeRecord(f *testing.F) {
	for _, g := range goldenRecords() {
		f.Add(readGolden(f, g.file))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := DecodeRecord(body)
		general, generalErr := decodeArray(body)
		if fast, ok := decodePress(body); ok && (generalErr != nil || fast != general) {
			t.Fatalf("the short way reads %+v, the general one %+v, %v", fast, general, generalErr)
		}
		if (err == nil) != (generalErr == nil) || r != general {
			t.Fatalf("got %+v, %v, the general way reads %+v, %v", r, err, general, generalErr)
		}
		if err != nil {
			if _, ok := errors.AsType[*RecordError](err); !ok || err.Error() == "record: " || !utf8.ValidString(err.Error()) {
				t.Fatalf("got error %q (%T), want a sentence of a RecordError", err, err)
			}
			return
		}
		again := AppendRecord(nil, r)
		if len(again) > MaxRecord {
			return // letters that JSON must escape had stood there unescaped
		}
		back, err := DecodeRecord(again)
		if err != nil || back != r {
			t.Fatalf("%s: got %+v, %v, want %+v", again, back, err, r)
		}
	})
}

// FuzzDecodeBatch holds a batch that decodes to what was sent: its records are
// bytes of the payload, and it encodes to a batch that decodes to the same.
func FuzzDecodeBatch(f *testing.F) {
	for _, g := range goldenBatches() {
		f.Add(readGolden(f, g.file))
	}
	f.Add(envelope(`["press",3,123456,2,80]`, "[ \"press\" , 3 ],null , {\"a\":1}"))
	f.Add(envelope(`"records":`, `"records":[],"RECORDS":`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		b, err := DecodeBatch(payload)
		if err != nil {
			if _, ok := errors.AsType[*EnvelopeError](err); !ok || !utf8.ValidString(err.Error()) {
				t.Fatalf("got error %q (%T), want a sentence of an EnvelopeError", err, err)
			}
			return
		}
		if b.V != Version || b.Epoch == 0 || b.First < 1 || len(b.Records) > MaxRecords {
			t.Fatalf("got %+v, which is out of bounds", b)
		}
		rest := payload
		for i, r := range b.Records {
			at := bytes.Index(rest, r)
			if at < 0 || !verbatim(r) {
				t.Fatalf("record %d %q is not in the payload, or has something around it", i, r)
			}
			rest = rest[at+len(r):]
			if rec, err := DecodeRecord(r); err == nil && rec.Fact == nil {
				t.Fatalf("record %d %q says nothing and is not bad", i, r)
			}
		}
		again, err := EncodeBatch(b)
		if err != nil {
			if len(b.Texts) == 0 && len(payload) < MaxBytes-1024 {
				t.Fatalf("what was read cannot be written: %v", err)
			}
			return // texts and nonces take more bytes when they are escaped
		}
		back, err := DecodeBatch(again)
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if len(b.Records) == 0 {
			b.Records = nil
		}
		if len(b.Texts) == 0 {
			b.Texts = nil
		}
		if !reflect.DeepEqual(back, b) {
			t.Fatalf("got  %+v\nwant %+v", back, b)
		}
	})
}

// FuzzPeekRe holds what is peeked to what is read whole.
func FuzzPeekRe(f *testing.F) {
	for _, g := range goldenBatches() {
		f.Add(readGolden(f, g.file))
	}
	f.Add([]byte(`{"re":["`))
	f.Add([]byte(`{"x":{"re":["n",7]},"re":[null,null]}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		re, ok := PeekRe(payload)
		if !ok && re != (Re{}) || len(re.Nonce) > maxNonce {
			t.Fatalf("got %v %v", re, ok)
		}
		b, err := DecodeBatch(payload)
		if err == nil && ok && re != b.Re {
			t.Fatalf("peeked %v, read whole it is %v", re, b.Re)
		}
		if err != nil || len(b.Re.Nonce) > maxNonce {
			return
		}
		// What this package writes can always be peeked, however it is cut.
		b.Records, b.Texts = nil, nil
		b.Before = feedback.Hash{}
		again, err := EncodeBatch(b)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := PeekRe(append(again[:len(again)-1], `,"x":[[[`...)); !ok || got != b.Re {
			t.Fatalf("%s: peeked %v %v, want %v", again, got, ok, b.Re)
		}
	})
}
