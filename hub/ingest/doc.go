// Package ingest takes batches of records in, each record counted once.
//
// It stands on the line between hub/broker and hub/store: [Intake] receives the
// payloads of …/journal, [Ingester] decides what each batch is by the rules of
// the conversation (a repeat, what follows, a hole, a declared gap, a fork, a
// bad record among good ones), folds the new records into visits and roll-ups
// and hands all of it to the [Store], which commits the group at once; only
// then the answers go out.
//
// What survives a crash: everything that was answered, for the answer is given
// after the commit. A crash before the answer makes the kiosk send again, and
// the repeat is recognised by number and hash.
//
// After an upgrade, [Ingester.Replay] reads journals again that an older version
// of the program could not read in full, or read by another rule: what was in
// quarantine and is understood now counts where it belongs.
//
// A rebuild ([Rebuild], sourire-hub rebuild) derives visits, buckets and days anew
// from the records while the hub serves. What asks for it, which may be another
// process, marks the journals and writes the request down; the hub that ingests
// looks for one every second and does the work beside, so that a data folder has
// one owner and a store one writer under its term. A crash in the middle costs
// nothing: what is left is done at the next start.
//
// Between two groups the hub also packs what is old ([Packs]), one stretch of a
// journal at a time, a round each hour.
//
// Correctness rests on the store: [Change] carries the point of the journal from
// which it was computed, and the store refuses it unless its mark still stands
// there, inside the transaction that writes. So two ingesters, or one that
// computed from a stale cache, cannot count anything twice: one of them is
// refused, gives no answer, and the kiosk asks again. The term is checked in the
// same transaction, so that one that was superseded stops.
//
// The package must not know MQTT, SQL or pages.
package ingest
