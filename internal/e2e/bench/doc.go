// Command bench prints the figures by which a hub is judged, each as a ratio to
// a bare limit of the same machine and with the absolute number beside it.
//
// It stands beside the line and measures it whole: a hub as a process of its own
// (the same program, started again), kiosks over TCP through the embedded broker,
// a store on the disk, visits, roll-ups and answers, everything as it is
// shipped. The bare limit of a figure is the least that the same disk and the
// same driver can be asked for: the same rows inserted by statements of many rows
// in transactions of the size that the hub itself reached, or one row durably
// committed. The two alternate within each round, a second apart, so that what
// disturbs the machine disturbs both; a figure is the median of the rounds, with
// the lowest and the highest beside it. Wall time moves by a factor of two or
// more with what else the machine does; a ratio moves less, and the CPU time of
// a press least.
//
// The load is the hard case of its kind: every press opens a visit (they are 3 s
// apart), each kiosk has a touchpoint of its own, and no kiosk rests: its next
// request leaves when the last is answered. The kiosks are as cheap as can be
// made (ready packets, a socket each), for they share the machine with the hub;
// what that still costs is in the rates, and not in the CPU time, which the hub
// reports for itself.
//
// A hub on PostgreSQL is measured in the same way, on a server of its own
// (internal/postgres); there the limit is hub/store/sqlstore/bare, and all CPU is
// that of client and server. The server forces every commit to the disk, as a
// real one does.
//
// Beside both hubs stands what people would build in their place: Mosquitto, a
// subscriber on Node.js, PostgreSQL. It is built as well as it can be: whatever
// waits goes into one statement and one commit, and the answer follows that. It
// gets the same messages from the same kiosks, and is measured twice: once it does
// what a hub does (hash chain, visits, counts by quarter of an hour, marks), once
// it stores rows and nothing else, which is not the same work and is there so that
// nobody has to wonder. Its packages are pinned in peer/package-lock.json and come
// from the registry into the folder that is measured; where node, npm, mosquitto
// or the registry is missing, the table says so. A short run leaves the peer out.
//
// Light load has three figures more. While one kiosk sends a long backlog, others
// press: their p99 is compared with the one a moment before. A hub with 100 real
// kiosk cores (kiosk/fleetsim, in this process) that nobody comes to is watched
// for its CPU and memory; each kiosk says how it is once in that time, three times
// as often as in a shop. That a p99 is kept means here that it is at most 1.5 times
// what it was, which is a bound of ours.
//
// What the profiles said (two cores): of a press in a full batch, three fifths of
// the hub's CPU go into binding and inserting its two rows, a tenth into collecting
// garbage, a tenth into deciding, and the broker costs next to nothing.
//
// A single press from one of a thousand kiosks takes some 140 µs, and no place of
// it most of that. Two fifths go into the store: five rows (its record, its visit,
// the checkpoint behind it, and the 15 minutes and the day of its touchpoint)
// take 20 µs, and the log of the pages on which they lie, three of them the
// kiosk's own and each written whole, as much again. A third goes into the broker,
// which hands every QoS 1 message through its stream before it says PUBACK, and
// writes to a socket for the PUBACK and for the answer, at 7 µs each; with QoS 0 a
// press costs a tenth less. A tenth is garbage. Without the checkpoint it is 15 µs
// less, with GOGC=400 10 µs; transactions of three hundred presses in place of
// ninety (see Intake.gather) cost the same.
//
// Nothing is kept but results.txt, and that only when it is asked to. It must
// not know more of the hub than its settings and its counters.
package main
