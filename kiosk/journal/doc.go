// Package journal keeps what happened at a kiosk on disk until the hub says
// that it has it.
//
// It stands on the line between kiosk/session and kiosk/uplink. A record is
// numbered, stamped, hashed and encoded once, in [Journal.Append]; from then on
// it is bytes, which are kept and sent verbatim.
//
// # What survives a crash
//
// Everything that Append returned: it is in the file, forced to the disk, when
// Append returns. Records that are handed over together are there together or
// not at all. What is not forced at once is the mark of what the hub has: it is
// written with the next record or by [Journal.Renew], because a mark that is too
// low costs one question to the hub and nothing else.
//
// # On disk
//
// One SQLite file, written by one connection with synchronous=FULL. The tables
// are drawn in schema/001_journal.sql. The number of the next record and the
// hash at the head are a row of their own, never derived from the records. An
// Append is one INSERT for each record and one UPDATE of that row, and calls
// that meet share one commit.
//
// # Epochs
//
// A record's key is (kiosk, epoch, seq). There is one epoch to which records are
// appended and, behind it, older ones that are closed: they are held until the
// hub has them and until they are old. An epoch is closed, and the next begun,
//
//   - by [Journal.Fork], when the hub holds other records under the same
//     numbers. What it does not share is appended to the new epoch again,
//     byte for byte; only a number by which a record names a press is moved
//     along with that press. What was in force at that point is stated first.
//   - when the file was found damaged. The readable records that were not known
//     to be acknowledged are salvaged. Unlike protocol.md, which moves them into
//     the new epoch, they keep their own epoch and numbers: where the hub has
//     some of them already, they are repeats, and never count twice. What could
//     not be read in between is a hole, which the hub declares as a gap; the new
//     epoch names the old one and the last number salvaged.
//
// # Landmarks
//
// Records that say what holds from there on (a plan, a test, a cleaning, a start,
// a clock) are written twice: once more, with the hash before them, in a table of
// their own, where pruning leaves the last of each kind. Where the records around
// one are gone, in a hole or pruned, [Journal.Batch] hands out the copy, under its
// own number and in its order; so the hub, which declares a gap on either side of
// it, counts each press behind the gap under what was asked when it was made.
//
// If damage took both a hole and landmarks, nobody can tell what was applied inside
// the hole: what could be read of the landmarks is sent, and for the rest the
// presses behind the hole count under what the hub knew before it, until the next
// record that says otherwise. The gap is declared all the same, and the first
// record of the next epoch says why ("damaged, and what was asked behind a gap may
// have been something else"), and so it does when the file had no length any more,
// or was gone and had left its log.
//
// BUG(kiosk): a record that names a press (why, comment, end, gesture, stuck) is
// dropped by a fork that leaves the press itself behind, because in the new
// epoch it would name another one.
//
// # Time
//
// Each start of the program writes a boot and a wall record; wall is repeated
// when the wall clock moved by over a second against the time since boot, or
// when the system's trust in it changed. The offset of a boot is stated by a fix
// record: from the system once it holds its clock to be synchronised, else from
// an answer of the hub with a short round trip, and again only if the
// uncertainty at least halves.
//
// # Room
//
// Acknowledged records stay for a time, so that a hub restored from an old
// backup can ask again; they go when they are too old, or when room is needed.
// Records that are not acknowledged never go: when nothing else is left to
// drop, Append fails with [ErrFull], and the visitor is not thanked.
//
// A fork takes records out of the old epoch step by step before it writes them
// into the new one, so a file that is full of them has room for it: each time they
// lie up to 2 % closer or looser, for which, if need be, the bound gives way by a
// sixteenth. It does need room on the disk, outside the
// file: until its one transaction is over, the log (FILE-wal) grows to about one
// and a half times what is moved. On a disk that has not so much, Fork fails with
// ErrFull and changes nothing; presses are kept as long as they fit, but the hub
// gets no more of this epoch, until somebody frees space. Appends wait for a fork:
// about 10 s for a million records on a PC.
//
// The package has no goroutine. It must not know MQTT, screens, or what a plan
// holds.
package journal
