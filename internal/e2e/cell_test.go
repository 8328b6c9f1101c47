package e2e

import (
	"fmt"
	"strings"
)

// The failure table of the protocol: what goes wrong, how, and what happens
// besides. Every combination is a cell; cells lists them all, so that none is
// silently absent.

// place is where the line is hit.
type place int

const (
	atAppend  place = iota // a press into the journal
	atPublish              // the request, kiosk → broker
	atPuback               // the broker's acknowledgement of it
	atReceive              // the request, broker → hub
	atCommit               // the hub's transaction
	atAnswer               // the answer, hub → broker
	places
)

func (p place) String() string {
	return [...]string{"append", "publish", "PUBACK", "receive", "commit", "answer"}[p]
}

// mode is how it goes wrong there.
type mode int

const (
	fails    mode = iota
	reported      // it succeeds and is reported as failed
	repeated      // it happens twice
	late          // it happens after the other side has lost patience
	modes
)

func (m mode) String() string {
	return [...]string{"fails", "succeeds but is reported failed", "is repeated", "arrives late"}[m]
}

// event is what happens besides.
type event int

const (
	nothing event = iota
	reconnect
	kioskRestart
	hubRestart
	brokerRestart
	hubRestored
	twoIngesters
	cardRestored
	commitsLost
	clone
	events
)

func (e event) String() string {
	return [...]string{
		"nothing", "reconnect", "kiosk restart", "hub restart", "broker restart", "hub restored while idle",
		"two ingesters", "card image restored", "last commits lost after an ack", "clone",
	}[e]
}

// cell is one combination.
type cell struct {
	place place
	mode  mode
	event event
}

func (c cell) String() string {
	return fmt.Sprintf("%v %v, %v", c.place, c.mode, c.event)
}

// name is the cell as the name of a subtest.
func (c cell) name() string { return strings.ReplaceAll(c.String(), " ", "_") }

// destroys reports whether the event destroys records that nobody else may
// have: they can only be declared. Commits that are lost after an ack are no
// such: the hub has them.
func (c cell) destroys() bool { return c.event == cardRestored }

// killsKiosk and killsHub report whether the program dies at the very point of
// the fault, rather than at the next occasion.
func (c cell) killsKiosk() bool { return c.place == atAppend && c.event == kioskRestart }
func (c cell) killsHub() bool   { return c.place == atCommit && c.event == hubRestart }

func cells() []cell {
	var out []cell
	for p := range places {
		for m := range modes {
			for e := range events {
				out = append(out, cell{p, m, e})
			}
		}
	}
	return out
}
