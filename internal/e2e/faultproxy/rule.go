package faultproxy

import (
	"fmt"
	"strings"
	"time"
)

// Direction is where a packet is going.
type Direction int

// The two directions.
const (
	ToBroker Direction = iota
	ToClient
)

func (d Direction) opposite() Direction { return 1 - d }

// Packet is a type of control packet, with its number in MQTT 3.1.1, section
// 2.2.1.
type Packet byte

// The packets of a conversation with QoS 0 and 1. AnyPacket, the zero value,
// matches all.
const (
	AnyPacket  Packet = 0
	Connect    Packet = 1
	ConnAck    Packet = 2
	Publish    Packet = 3
	PubAck     Packet = 4
	Subscribe  Packet = 8
	SubAck     Packet = 9
	PingReq    Packet = 12
	PingResp   Packet = 13
	Disconnect Packet = 14
)

// Action is what happens to a packet.
type Action int

// The faults.
const (
	// Drop swallows the packet and keeps the connection.
	Drop Action = iota

	// CutBefore closes the connection instead of passing the packet on. What was
	// passed on before still reaches the other side.
	CutBefore

	// CutAfter passes the packet on and closes the connection before anything
	// that it causes can come back.
	CutAfter

	// Duplicate passes the packet on twice.
	Duplicate

	// Delay holds the packet for Rule.Delay. Later ones overtake it.
	Delay
)

// String names the action.
func (a Action) String() string {
	names := [...]string{"drop", "cut before", "cut after", "duplicate", "delay"}
	if int(a) < len(names) {
		return names[a]
	}
	return fmt.Sprintf("Action(%d)", int(a))
}

// Rule is one fault. It counts the packets that match it, over all connections,
// and acts on the Nth and the Count-1 that follow.
type Rule struct {
	Direction Direction
	Packet    Packet

	// TopicSuffix restricts the rule to messages whose topic ends in it, and to
	// the acknowledgements of such messages. Empty matches everything.
	TopicSuffix string

	Action Action

	// Delay is how long the action Delay holds a packet.
	Delay time.Duration

	// Nth is 1 for the first matching packet; 0 means 1.
	Nth int

	// Count is how many packets the rule acts on; 0 is all that follow.
	Count int
}

// String tells the rule for the name of a subtest.
func (r Rule) String() string {
	where := "to broker"
	if r.Direction == ToClient {
		where = "to client"
	}
	return fmt.Sprintf("%v packet %d%s %s, nth %d count %d", r.Action, r.Packet, r.TopicSuffix, where, r.Nth, r.Count)
}

// counter is a rule and what it has seen.
type counter struct {
	Rule
	seen, hits int
}

// meets counts a packet and reports whether the rule wants to act on it.
func (c *counter) meets(d Direction, p Packet, topic string) bool {
	if d != c.Direction || c.Packet != AnyPacket && p != c.Packet || !strings.HasSuffix(topic, c.TopicSuffix) {
		return false
	}
	c.seen++
	after := c.seen - max(c.Nth, 1)
	return after >= 0 && (c.Count == 0 || after < c.Count)
}
