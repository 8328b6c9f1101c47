// Package feedback is the vocabulary of Sourire: the words that a kiosk and a
// hub share when they speak of a press and of what surrounds it.
//
// It stands beside the straight line: a [Record] leaves kiosk/session, lies in
// kiosk/journal, travels in internal/wire and is folded into visits by
// internal/visit. Nothing here survives a crash because nothing here is kept:
// the types are values. The package knows no bytes (internal/wire does), no
// clock, no database and no network, and imports only the standard library.
//
// # Identifiers
//
// Every identifier has a type of its own, so that a site is never passed where
// a kiosk is meant. Kiosk, site, touchpoint and survey ids match
// ^[a-z0-9-]{1,40}$: they are levels of MQTT topics and of NATS subjects, which
// forbid dots and spaces.
package feedback
