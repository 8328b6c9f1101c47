// Package broker is the embedded MQTT 3.1.1 broker and the rule of who may say
// what. It is the only importer of the NATS server, which does the work.
//
// # Where it stands
//
// On the straight line it is the step between kiosk/uplink and hub/ingest. It
// carries batches and answers without reading them. A hub may use Mosquitto or
// another broker instead; nothing in here is needed for the conversation but
// the access rules, which an external broker must be given in its own words.
//
// # Who may say what
//
// The list allows, and what it does not name is forbidden:
//
//	hub    publishes and subscribes to sourire/#
//	kiosk  publishes  sourire/1/{k}/journal  /state  /health  /reply
//	       subscribes sourire/1/{k}/ack  /plan  /command  and sourire/1/hub/state
//
// A kiosk's subscriptions are of QoS 0 only. A forbidden subscription is refused
// in the SUBACK; a forbidden publish or will is acknowledged and dropped, as
// MQTT 3.1.1 has no word for "no" there (section 3.3.5). QoS 2 is refused
// altogether, because it lets one kiosk fill the disk.
//
// # Who is who
//
// At a broker the client id decides who is thrown out: a connection with the
// client id of another ends the other. So a kiosk's client id must be its id,
// and a hub's must begin with [HubPrefix], which no kiosk's id can. The server's
// authentication call-back does not hand over the client id, so the call-back
// looks at the server's own field for it. By then the server has read it and has
// not yet looked for older connections (mqttParseConnect comes before
// mqttProcessConnect), so nobody is disturbed before we refuse and no window
// remains. Connz would tell it too, and is asked where the field has another name;
// but it copies the server's table of connections each time, which at 10,000 was
// 1.4 ms and a third of the hub's CPU when all came back at once. If a later
// server stopped answering there as well, all kiosks would be refused, and tests
// would say so.
//
// # When all come back at once
//
// A thousand handshakes a second are all that two cores do. The gate (gate.go)
// lets few of them work at a time, so that presses of others need not stand in one
// queue with thousands of handshakes.
//
// Two machines with one identity take the connection from each other in turn.
// [Broker.Stats] counts that; one take-over is a reconnection, many are twins.
//
// # What survives a crash
//
// Nothing, on purpose. Retained messages live as long as the broker: [Start]
// empties its folder, for the server insists on one. Whoever was connected has
// to come back after a restart and says its state again, and the hub publishes
// all plans at start, so what lay on disk could only be stale or damaged. A
// PUBACK means that the message was read. Messages for a hub that does not
// listen are dropped; kiosks ask again.
//
// # What it must not know
//
// Batches, plans, the store, and which kiosks exist: [Options.Authorize] knows
// that.
package broker
