package wire

import (
	"strings"

	"sourire/internal/feedback"
)

// Prefix begins every topic of this version.
const Prefix = "sourire/1/"

// HubState is the topic of the hub's own state.
const HubState = Prefix + "hub/state"

// The leaves of a kiosk's topics; each doc says who publishes and how.
const (
	TopicJournal = "journal" // kiosk → hub, QoS 1: a Batch
	TopicAck     = "ack"     // hub → kiosk, QoS 0: an Ack
	TopicState   = "state"   // kiosk → hub, QoS 1, retained: a State, also as the will
	TopicHealth  = "health"  // kiosk → hub, QoS 0: a Health every minute
	TopicPlan    = "plan"    // hub → kiosk, QoS 1, retained: a Plan
	TopicCommand = "command" // hub → kiosk, QoS 1
	TopicReply   = "reply"   // kiosk → hub, QoS 1
)

// Topic returns the topic of a kiosk: sourire/1/{k}/{leaf}.
func Topic(k feedback.KioskID, leaf string) string { return Prefix + string(k) + "/" + leaf }

// EveryKiosk returns the filter that matches a leaf of all kiosks.
func EveryKiosk(leaf string) string { return Prefix + "+/" + leaf }

// ParseTopic splits a kiosk's topic; it reports false for any other.
func ParseTopic(topic string) (k feedback.KioskID, leaf string, ok bool) {
	rest, ok := strings.CutPrefix(topic, Prefix)
	if !ok {
		return "", "", false
	}
	id, leaf, ok := strings.Cut(rest, "/")
	if !ok || strings.Contains(leaf, "/") {
		return "", "", false
	}
	k, err := feedback.ParseKioskID(id)
	return k, leaf, err == nil
}
