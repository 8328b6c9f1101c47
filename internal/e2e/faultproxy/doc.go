// Package faultproxy is a TCP proxy that understands MQTT 3.1.1 well enough to
// lose, repeat, delay and cut at a chosen packet.
//
// It stands between a kiosk or a hub and its broker in the failure table: each
// cell is a few Rules, and the table asserts by [Proxy.Hits] that the fault
// really happened. Without rules it passes every byte on. It reads frames in the
// clear, so it cannot look into TLS.
//
// Every connection of a client has one connection to the broker. A packet is
// read whole, at most maxPacket bytes of it, and only then passed on. A packet
// that is delayed is lost when its connection ends before it is due, as one in
// a real network would be.
//
// Nothing of it survives a crash. It must not know kiosks, hubs or what payloads
// mean.
package faultproxy
