// Package audit is the log of what was done to a hub: by whom, what, and what it
// was before and after.
//
// It stands beside the line. Whatever changes what is kept, or what people may do,
// adds an [Entry] in the transaction that changes it, so that a crash leaves both
// or neither. Entries are never changed and never deleted; the databases refuse it.
//
// The package must not know SQL, nor what its entries are about.
package audit

import (
	"context"
	"encoding/json"
	"time"
)

// Entry is one row of the log.
type Entry struct {
	ID   int64     `json:"id"`
	At   time.Time `json:"at"`
	Who  string    `json:"who"`  // a person, or a part of the hub
	What string    `json:"what"` // one word, such as retention
	// Was and Became are JSON, empty where there is nothing to say.
	Was    json.RawMessage `json:"was,omitempty"`
	Became json.RawMessage `json:"became,omitempty"`
}

// Store reads the log.
type Store interface {
	// Entries returns up to so many entries after the one with that id, the
	// oldest first.
	Entries(ctx context.Context, after int64, most int) ([]Entry, error)
}
