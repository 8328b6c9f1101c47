// Package upkeep deletes what is kept no longer: retention.
//
// It stands beside the line, over the store, and belongs to the hub that ingests:
// each step is one short transaction under that hub's term, so that no press waits
// for long and a hub that was superseded deletes nothing more. A run deletes, in
// this order, comments, refused payloads, records, quarters and days.
//
// # What is kept, and for how long
//
//	comment                texts and salts, by when they were written (by when they
//	                       were stored where the kiosk's clock was not known): comments.
//	                       Never longer than their records.
//	refused                payloads that could not be taken; they may hold comments:
//	                       the shorter of comments and records
//	record, quarantine,    what kiosks recorded, by the day of its storing, oldest
//	checkpoint, visit      first and journal by journal: records
//	cell, settled          quarters of an hour: quarters, and as long as records of
//	                       their visits are kept; visits without a date: forever
//	day, settled_day       days: days, and as long as cells of theirs are kept
//	retention              the run that goes on
//	source, floor, gap,    forever, for they are what keeps a repeat from being
//	refusals               counted, and counts of what was lost or refused
//	asked, site, day_zone, forever, or until replaced by what is newer; published
//	kiosk, life,           holds the newest day of each site only
//	published, rebuild
//	meta, term             forever
//	audit                  forever
//
// # Why numbers stay
//
// A record is deleted from its journal's end that is oldest, up to a floor, which
// keeps the running hash and the fold (visit.State) at that place: plans in force,
// boots and their clocks, visits that may still change. What the fold remembers is
// not deleted yet. What the other visits counted is added to the table settled in
// the same transaction, and settled cells to settled days when cells go. So always
//
//	cell = settled     + what the visits that are kept count
//	day  = settled_day + what its cells count
//
// which is what hub/verify proves and a rebuild derives. Nothing else depends on
// where a floor stands: a record that comes late counts where it belongs, also on
// a day whose quarters are gone, and is itself kept for its period from its
// storing. A repeat of deleted records is known by its numbers and counts nothing;
// whether its bytes are those that were stored cannot be said any more, so a fork
// below a floor goes unnoticed.
//
// A clock that becomes known late dates only visits that are kept. Days whose
// quarters are gone stay in the zone in which they were counted when their site
// moves to another. A new rule of visits changes only visits that are kept.
//
// A journal whose records do not prove what was counted (hub/verify says why), or
// that an upgrade or a rebuild has yet to read again, is left alone.
//
// # What survives a crash
//
// Each step is whole or absent. What a run has deleted is counted in the store
// with each step, and becomes a row of the audit log at its end, or at the begin of
// the next run. Deletion is real when [Store.Erase] has returned: see there what
// each database does, and what remains for a while outside of it.
//
// The package must not know SQL, nor where settings come from.
package upkeep
