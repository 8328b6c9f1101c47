// Package link is one MQTT 3.1.1 connection, and the only importer of the MQTT
// client library.
//
// # Where it stands
//
// kiosk/uplink and hub/ingest talk through it; on the straight line it is the
// arrow marked MQTT. It knows topics as strings and payloads as bytes.
//
// # One connection is one value
//
// A [Conn] is dialled, used, lost or closed, and thrown away. There is no
// reconnection in here, because the library's own one lies: with it a publish
// is reported as delivered on reconnection before any PUBACK was seen (paho
// issue 563). Whoever needs to stay connected dials again in a loop of its own,
// with whatever back-off it wants, and thereby subscribes anew each time.
//
// # What survives a crash
//
// Nothing. Sessions are clean, nothing is stored, every subscription is QoS 0.
// A PUBACK means that a broker has read a message; it never means that anybody
// has stored it. Only the hub's answer means that (see package wire).
//
// # Who owns what
//
// [Dial] starts a fixed number of goroutines, [Conn.Close] and [Conn.Abandon]
// end and await them. [Options.Handler] is called on one of them, message after
// message; it must neither block nor call Close or Abandon, for pings and
// acknowledgements wait behind it.
//
// # What it must not know
//
// Kiosks, hubs, batches, plans, and which topic means what. The names of settings
// that an [Advice] speaks of are its caller's.
package link
