// Command crowd is thousands of kiosks in one process, each with a certificate
// and an encrypted connection of its own: the crowd before which a hub is judged.
//
// It stands beside the line, on the kiosks' side of the wire. The conversation
// (kiosk/uplink) and the connection (internal/link) are the shipped ones, with
// their own waits, jitter and back-off. Only the journal is not: it is in memory,
// for ten thousand SQLite files would be 6 GiB. So what the crowd pressed dies
// with it; what it pressed is in a ledger (internal/ledger) before it is sent,
// and whoever compares that with the hub knows what was lost.
//
// It obeys lines: see main. A fork, which no run of it can cause, ends it with an
// error. It must not know what the hub does with presses.
package main
