package uplink

import (
	"sourire/internal/feedback"
	"sourire/internal/link"
	"sourire/internal/wire"
)

// inbox sorts what arrives, on the connection's own goroutine, and never blocks
// it: of answers a few are kept, of plans and hubs the newest.
type inbox struct {
	ackTopic, planTopic string

	acks  chan []byte
	plans chan []byte
	hubs  chan []byte
}

// keptAnswers is ample: one request is outstanding.
const keptAnswers = 16

func newInbox(k feedback.KioskID) *inbox {
	return &inbox{
		ackTopic: wire.Topic(k, wire.TopicAck), planTopic: wire.Topic(k, wire.TopicPlan),
		acks: make(chan []byte, keptAnswers), plans: make(chan []byte, 1), hubs: make(chan []byte, 1),
	}
}

func (in *inbox) take(m link.Message) {
	switch m.Topic {
	case in.ackTopic:
		replaceOldest(in.acks, m.Payload)
	case in.planTopic:
		replaceOldest(in.plans, m.Payload)
	case wire.HubState:
		replaceOldest(in.hubs, m.Payload)
	}
}

// replaceOldest puts p into a full channel by dropping what came first.
func replaceOldest(c chan []byte, p []byte) {
	for {
		select {
		case c <- p:
			return
		default:
		}
		select {
		case <-c:
		default:
		}
	}
}
