// Package uplink is the kiosk's side of the conversation with the hub: it asks
// where they are, sends what the hub lacks, and moves the mark on the hub's word.
//
// It stands at the kiosk's end of the line, after kiosk/journal and before the
// link. Only the answer to the outstanding request moves anything: a PUBACK, a
// token of the MQTT library and an open connection mean nothing. One request is
// outstanding at a time; late, doubled and foreign answers are ignored.
//
// What survives a crash: nothing here, and nothing needs to. The journal holds
// every record until the hub has it, and after a restart the first question
// finds out how far that is.
//
// Epochs are gone through oldest first: at the first connection of a program,
// and whenever the hub's store has changed, all that the journal holds; else the
// current one and those with unacknowledged records. When the hub holds other
// records than the kiosk under the same numbers (a restored card image, a card
// that lied about flushing, a clone), the last number that both share is found
// by halving, with empty requests, and the journal goes on in a new epoch.
//
// A connection without progress is thrown away and dialled anew, for a broker
// may answer pings for hours while nothing reaches the hub.
//
// The package must not know SQL, screens or what a record says.
package uplink
