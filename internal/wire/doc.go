// Package wire is the bytes that a kiosk and a hub exchange: topics, envelopes
// and records, version 1.
//
// It stands on the line between kiosk/uplink and hub/ingest and is used by both,
// so that the two programs meet only here. Goldens in testdata fix every byte;
// they are added to and never edited. testdata's neighbour schema.json says the
// same in JSON Schema, so that somebody else's device can speak this.
//
// A record is bytes. The kiosk writes it once, with [AppendRecord]; from then on
// it is stored, hashed and sent verbatim as a [json.RawMessage] and never encoded
// anew. It is a short JSON array: a kind, the boot, the milliseconds since that
// boot, and what the kind needs:
//
//	["epoch",1,812,"0123456789abcdef",41,"<hash>","why",0]   parent ("": none known), last shared seq, hash there, records repeated here
//	["plan",1,815,"<plan id>","store-1","exit","visit","smiley3"]
//	["boot",1,811,"v0.1.0",-1]                              version, ms the kiosk was down
//	["wall",1,811,1790000000000,1]                          wall clock, trusted
//	["fix",1,9000,1,1789999999189,40,"hub"]                 boot, offset, uncertainty, source
//	["press",1,123456,2,80]                                 rating, ms held
//	["press",1,123456,2,0,17]                               … and the turn of a touchscreen
//	["why",1,125000,9,"waiting"]                            seq of the press, reason
//	["comment",1,130000,9,"<sha-256>"]                      seq of the press, digest of salt and text
//	["end",1,131000,9,"done"]                               done, skipped or timeout
//	["test",1,140000,1]  ["clean",1,150000,1]               on, off
//	["gesture",1,160000,12]  ["stuck",1,170000,12]          seq of the press
//
// Elements beyond those a reader knows are ignored, so later versions may add
// some. The wall clock is not in every record: a wall record states it once a
// boot and whenever it moves by over a second against the time since boot, which
// says the same in a third of the bytes.
//
// The package must not know a journal, a store, a clock or a network.
package wire
