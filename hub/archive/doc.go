// Package archive writes everything that a hub's store holds into a folder of
// plain files, and takes such a folder into a store again.
//
// It stands beside the line: [Export] reads the end of it, [Import] is another
// source at its beginning and goes in by the one way there is, hub/ingest. The
// files are for machines (JSON Lines: records as their own bytes, which prove
// themselves by their running hashes) and for people (CSV: visits, roll-ups):
//
//	manifest.json   versions, counts, and of each file rows, bytes and SHA-256
//	README.txt      what stands where
//	sources.jsonl   journals, in the order in which the hub met those of a kiosk
//	records.jsonl   {"kiosk","epoch","seq","day","record":[…]}, "bad" in quarantine, "hash" at some
//	comments.jsonl  {"kiosk","epoch","seq","salt","text"}
//	gaps.jsonl      {"kiosk","epoch","first","last","why","day"}
//	sites.jsonl     kiosks.jsonl  refusals.jsonl
//	visits.csv      rollups.csv
//
// One state of the store, without a transaction that stays open: an export of
// millions of records takes minutes, and a reader of minutes makes the log of a
// serving SQLite hub grow all the while. A short transaction cuts first: it reads
// the marks of all journals, and what stands beside records (gaps, refusals).
// What a journal holds up to its mark never changes, so the records follow in
// pages of some milliseconds each, up to the marks of the cut, whatever comes in
// meanwhile. Visits and roll-ups do change when a later record tells of them, so
// they are not read: they are derived anew from the records up to the cut, by
// the rule of this program, as hub/verify does. Two things could still come
// between: a journal that is read again after an upgrade, which an export
// notices and then refuses; and comments that are deleted, which are then not
// exported.
//
// Memory is bounded: a page, the visits that may still change, and a hundred
// thousand buckets; beyond that both lie in files beside the export until it is
// done. Of a kiosk, an instant for each start whose clock was corrected is kept.
//
// What survives a crash: the folder appears under its name when all of it is on
// the disk, and never replaces one that is there. A crash leaves a folder that
// ends in ".part", which nothing reads. An import that was cut short goes on when
// it is run again, for what is stored is recognised.
//
// What is not in it: the figures that pages have shown, the payloads that were
// refused (refusals.jsonl counts them), users' settings, and the days of storing
// are told but not taken over.
//
// The package must not know SQL, MQTT or pages.
package archive
