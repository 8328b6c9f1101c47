// Package uplink is the kiosk's side of the conversation with the hub.
//
// It stands on the line between kiosk/journal and the wire: it takes batches of
// records out of the journal, sends them over internal/link, and moves the
// journal's mark when, and only when, the hub's answer to the outstanding request
// says so. A PUBACK, a library's token or an open connection mean nothing.
//
// # One connection
//
// [Uplink.Run] dials, announces the kiosk (its birth, retained, with a session
// number that rises with each connection and stands in the will too), and then
// goes through the epochs that the journal holds, oldest first, asking of each
// "where are we?". The answer tells the number S up to which the hub has it:
//
//   - S is where the request ended: verified by its hash, the mark moves there.
//   - S is further: ask there, for only a hash that was compared proves that what
//     the hub has is ours. A mark that moved on trust would leave records of a
//     restored card behind.
//   - S is less: the hub lost something, go back to S. Of what is no longer held
//     there (it was pruned, or damaged) the journal still hands out the records
//     that say what holds, each alone; the rest is left out, and the hub declares
//     a gap.
//   - refused as a fork, or S beyond everything this kiosk ever wrote: find the
//     last record that both share by binary search, and let the journal go on
//     from there in a new epoch.
//
// Then everything that is new goes out as it comes: one request is outstanding
// at a time, a press on an idle line goes at once and alone, a backlog in full
// batches. Without an answer the same is asked again under a new number, ever
// more patiently; after several times the connection is thrown away.
//
// # What survives a crash
//
// Everything that matters is the journal's. What is lost here is a question.
//
// # Goroutines
//
// Run owns them and returns when they have ended: one holds the conversation,
// one takes care of births, health and plans, and short ones each see one
// message out of the door.
//
// The package must not know screens, files or SQL.
package uplink
