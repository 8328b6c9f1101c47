// Package ledger is the file in which kiosks under test say what must arrive at
// a hub.
//
// It stands beside the line, over both of its ends: kiosk/fleetsim writes it, a
// line for each press that is on a kiosk's disk, and hub/verify holds a store
// against it. A line is one JSON object:
//
//	{"kiosk":"sim-1","epoch":"0123456789abcdef","seq":12,"rating":2,"at":1790000000000}
//	    a press that must be at the hub under this key; the instant in Unix milliseconds
//	{"kiosk":…,"epoch":…,"seq":3,"rating":2,"at":…,"was":{"epoch":…,"seq":12}}
//	    that press has another key now, for its journal went on in a new epoch
//	{"kiosk":…,"epoch":…,"seq":20,"rating":1,"lost":true}
//	    that press went with a card: the hub had not confirmed it, and an earlier
//	    image of the card was put in its place. It need not arrive, and may
//	{"kiosk":…,"epoch":…,"seq":9,"before":true}
//	    presses up to 9 were made before this ledger began, and are not in it; where
//	    a ledger is continued, only the first such line of a kiosk says something
//
// The order of the lines of one kiosk is that in which things happened. A card that
// comes back from an image gives numbers anew that the hub may know as others: two
// presses then have one key, until the journal of the later one goes on in a new
// epoch. What a line says of a key it says of the newest press under it.
//
// What survives a crash of the writer is what it had written; a last line that was
// cut off means nothing. The package must not know how a press travels or where
// it is stored.
package ledger

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"sourire/internal/feedback"
)

// Key names a record for good.
type Key struct {
	Kiosk feedback.KioskID
	Epoch feedback.Epoch
	Seq   feedback.Seq
}

// Press is a press that must be at the hub.
type Press struct {
	Key
	Rating int
	At     int64 // Unix milliseconds, 0 where nobody noted it
}

// line is one line of the file.
type line struct {
	Kiosk  feedback.KioskID `json:"kiosk"`
	Epoch  feedback.Epoch   `json:"epoch"`
	Seq    feedback.Seq     `json:"seq"`
	Rating *int             `json:"rating,omitempty"`
	At     int64            `json:"at,omitempty"`
	Was    *place           `json:"was,omitempty"`
	Lost   bool             `json:"lost,omitempty"`
	Before bool             `json:"before,omitempty"`
}

type place struct {
	Epoch feedback.Epoch `json:"epoch"`
	Seq   feedback.Seq   `json:"seq"`
}

func (l line) key() Key { return Key{l.Kiosk, l.Epoch, l.Seq} }

// AppendPress appends the line of a press to b.
func AppendPress(b []byte, p Press) []byte { return appendLine(b, pressLine(p)) }

// AppendMove appends that a press, which was named was, is now p.
func AppendMove(b []byte, p Press, was Key) []byte {
	l := pressLine(p)
	l.Was = &place{was.Epoch, was.Seq}
	return appendLine(b, l)
}

// AppendLost appends that a press went with a card.
func AppendLost(b []byte, p Press) []byte {
	l := pressLine(p)
	l.Lost = true
	return appendLine(b, l)
}

// AppendBefore appends that presses up to last are not in this ledger.
func AppendBefore(b []byte, last Key) []byte {
	return appendLine(b, line{Kiosk: last.Kiosk, Epoch: last.Epoch, Seq: last.Seq, Before: true})
}

func pressLine(p Press) line {
	return line{Kiosk: p.Kiosk, Epoch: p.Epoch, Seq: p.Seq, Rating: &p.Rating, At: p.At}
}

func appendLine(b []byte, l line) []byte {
	text, err := json.Marshal(l)
	if err != nil {
		panic("ledger: a line of numbers and ids cannot be encoded: " + err.Error())
	}
	return append(append(b, text...), '\n')
}

// Book is what a ledger says in the end.
type Book struct {
	Kiosks map[feedback.KioskID]bool // all that it names
	Must   map[Key]Press             // what must be at the hub
	// Beneath holds what must be there too, under a number that was given anew.
	Beneath map[Key][]Press
	Lost    map[Key][]Press // what went with cards and may be there

	before map[Key]feedback.Seq // with Seq 0: up to where it does not reach
	begun  map[feedback.KioskID]bool
}

// Reaches reports whether a press of one of the ledger's kiosks would be in it.
func (b *Book) Reaches(k Key) bool {
	return b.Kiosks[k.Kiosk] && k.Seq > b.before[Key{Kiosk: k.Kiosk, Epoch: k.Epoch}]
}

// Read reads a ledger. A last line that was cut off is left out; any other that
// cannot be understood is an error which names it.
func Read(from io.Reader) (*Book, error) {
	b := &Book{
		Kiosks: map[feedback.KioskID]bool{}, Must: map[Key]Press{}, Beneath: map[Key][]Press{}, Lost: map[Key][]Press{},
		before: map[Key]feedback.Seq{}, begun: map[feedback.KioskID]bool{},
	}
	in := bufio.NewReader(from)
	for n := 1; ; n++ {
		text, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return nil, fmt.Errorf("ledger: line %d: %w", n, err)
		}
		var l line
		if err := json.Unmarshal(text, &l); err != nil {
			return nil, fmt.Errorf("ledger: line %d is none of a ledger: %w", n, err)
		}
		if err := b.take(l); err != nil {
			return nil, fmt.Errorf("ledger: line %d: %w", n, err)
		}
	}
}

// take takes the next line.
func (b *Book) take(l line) error {
	if _, err := feedback.ParseKioskID(string(l.Kiosk)); err != nil {
		return err
	}
	b.Kiosks[l.Kiosk] = true
	switch k := l.key(); {
	case l.Before:
		begin := Key{Kiosk: k.Kiosk, Epoch: k.Epoch}
		if _, said := b.before[begin]; !said && !b.begun[k.Kiosk] {
			b.before[begin] = k.Seq
		}
		return nil
	case l.Rating == nil:
		return errors.New("it says neither what was pressed nor what was lost")
	case l.Lost:
		b.pull(k)
		b.Lost[k] = append(b.Lost[k], Press{k, *l.Rating, l.At})
	default:
		p := Press{k, *l.Rating, l.At}
		if l.Was != nil {
			p.At = cmp.Or(p.At, b.pull(Key{k.Kiosk, l.Was.Epoch, l.Was.Seq}).At)
		}
		b.push(p)
	}
	b.begun[l.Kiosk] = true
	return nil
}

// push adds a press, unless it is the newest under its key said once more.
func (b *Book) push(p Press) {
	if newest, ok := b.Must[p.Key]; ok {
		if newest.Rating == p.Rating && (p.At == 0 || p.At == newest.At) {
			return
		}
		b.Beneath[p.Key] = append(b.Beneath[p.Key], newest)
	}
	b.Must[p.Key] = p
}

// pull takes the newest press under a key away.
func (b *Book) pull(k Key) Press {
	p := b.Must[k]
	delete(b.Must, k)
	if n := len(b.Beneath[k]); n > 0 {
		b.Must[k] = b.Beneath[k][n-1]
		if b.Beneath[k] = b.Beneath[k][:n-1]; n == 1 {
			delete(b.Beneath, k)
		}
	}
	return p
}
