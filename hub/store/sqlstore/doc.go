// Package sqlstore is the hub's store: one body of SQL on SQLite and PostgreSQL.
//
// It stands at the end of the line from a finger to a row. Every consumer
// declares the small contract that it needs (ingest.Store, ingest.Rebuilds,
// verify.Store, insight.Store, fleet.Store); [Store] satisfies them, one file
// for each, and the suites of hub/store/storetest hold it to them, on both
// databases. A verb is a transaction; no transaction leaks out.
//
// What survives a crash: every transaction whose verb returned nil. SQLite has
// WAL with synchronous=FULL; a PostgreSQL server must have fsync,
// full_page_writes and synchronous_commit, which is looked at for each connection
// and then held for the last. A commit that was cut off is an error, made or not.
// What may be lost: nothing that was answered, as long as the disk is there. When
// a standby takes over that lacks the last commits, the next batch of a kiosk
// finds the mark behind, and the kiosk sends again.
//
// # The dialect
//
// What the databases do differently is behind the type dialect, in one file each,
// dialect_sqlite.go and dialect_postgres.go (with election_postgres.go for several
// hubs); dial.go connects, or refuses in a sentence. In the body placeholders are ?, upserts are ON CONFLICT, booleans are
// TRUE and FALSE, the larger of two is CASE (max is an aggregate in one, greatest
// unknown in the other), sums are cast, nothing depends on rowids, and an answer
// is read to its end before the next question.
//
// Rows that come in bulk (records, visits, cells) are written by statements of
// many rows: multi-row VALUES, prepared for some sizes, on SQLite; one array for
// each column on PostgreSQL, where the marks of all journals are moved by one
// statement too, for each is a way to the server and back. COPY was not needed:
// with all else that ingest does, arrays reach 0.7 of a bare COPY-and-merge
// (BenchmarkPostgres).
//
// # Who waits for whom
//
// Transactions that write under a term come one after the other: by SQLite's
// write lock, and on PostgreSQL by the row of the term, which each locks first, at
// READ COMMITTED. A shared lock there would let two ingest at once, which nobody
// should, and then lock each other out over journals, visits and cells that they
// take in different orders. Who moves days to another zone locks that row too. What is
// written beside (sightings, sites, refused payloads, what pages show) takes its rows in the order of their keys. A deadlock
// or a broken connection, should one come, fails the verb, and kiosks ask again.
// A hub that hangs in a transaction is thrown out after five seconds. Readers see
// one snapshot (REPEATABLE READ, READ ONLY) and wait for nobody.
//
// # Several hubs
//
// Hubs on one PostgreSQL elect the one that ingests by an advisory lock of a
// session of its own, and hear of commits by NOTIFY on another (election.go,
// election_postgres.go). A hub that hangs is silent, and the server ends its
// sessions and its transactions within five seconds. The lock only elects: what
// is written under an older term is refused. News may be lost with a connection;
// whoever connects again is told that anything may have changed.
//
// # Records
//
// The key of a record begins with the day of its storing, which never changes. On
// PostgreSQL a month of these days is a partition, made when its first record
// comes. That a record is stored once rests on the mark of its journal, which
// moves over each number once and is locked while it moves; the key tells apart
// within a day only, and sourire-hub verify counts all of them.
//
// # Packs
//
// What is old lies in packs: a row of the table pack holds a stretch of a journal,
// whole batches stored in one month, and its rows of record, checkpoint and visit
// are gone.
//
//	journal   1 ············ 900 │ 901 ······ 1900 │ gap │ 1921 ·· 2040
//	          pack                 another            rows, 1920 an anchor
//
//	pack      source, first, last, days of storing, boots of its visits, what they
//	          answer; the running hash before first and after last
//	bodies    1 │ deflate( batches n, n × (records, days later)     │ checksum
//	            │          length + 1 of each record, 0: quarantine │
//	            │          the records, verbatim )                  │
//	visits    1 │ deflate( n, column by column n differences )      │ checksum
//
// 1 is the format. A checksum (CRC-32C) covers its blob and the rest of the row;
// the records are proved by the running hash too, whenever they are read. Numbers
// are varints. Quarantined records, comments, gaps and anchors stay rows; what the
// running hash does not prove, and a batch out of which a record is declared lost,
// stay rows as well, for verify to find.
//
// The one rule: rows are written, packs never. A change that works on what is
// packed (a clock fix, a press that joins an old visit, a replay) turns those packs
// back into the same rows first, in its transaction; the packer packs them again.
// So the suites of hub/store/storetest run with packing thrown in. That a journal
// has packs at all is remembered while term.packing stays what it is: a press costs
// no question. A crash is a transaction that was not made.
//
// On SQLite the pages that packing frees are filled again, and the file does not
// shrink. On PostgreSQL autovacuum does that for visits and checkpoints, and a past
// month whose records are all packed is dropped: under the lock of the term, so
// that no writer slips past, and only when nobody reads records, for 20 ms at most.
// Whoever reads them locks the months before its state is chosen. Months that are
// gone are made again when they are needed, for term.packing rises then too.
//
// A press takes about 11 bytes in a full pack, and up to 18 with its row in one of
// some sixty records (TestPack_bytes). flate and zstd differ by four in a hundred, so
// it is the one of the standard library.
//
// # Roll-ups
//
// Two levels: cells are quarters of an hour in UTC, the truth; days are sums of
// cells in the zone of their site. A transaction that adds to cells adds to days
// too. In which zone the days of a site stand is a row, day_zone, with a fingerprint
// of what the zone database said; a counter beside the term, which each writer
// holds anyway, rises when one changes, so that the rows need not be read for each
// group. Where a site's row is missing (its first press, or a store that has just
// been migrated) or says something else than the site's zone does, its days are
// summed anew from its cells in one transaction: when sites and zones are put, which
// a hub does at its start, and at the latest when something is added to them under
// other rules. Until then a reader, who knows which zone it means, sums cells. So a
// migration need not know zones, hubs with different zone databases agree, and a
// crash in the middle costs time only.
//
// A rebuild adds to cells the difference between a recount and what one snapshot
// holds, touchpoint by touchpoint, so that no more than one's cells are in memory.
// Days are not corrected by a difference but summed anew, site by site under the
// lock of the term: it is the same statement as for a new zone, and takes 0.2 s for
// a site of three years.
//
// # Copies
//
// A store moves between a file and PostgreSQL as a whole (CopyTo, Backup). Which
// tables and columns there are is read from both schemas, so that none is missed;
// every row is read back. The target is marked in meta before the first row and
// until the last check, and a marked one is refused by whoever opens it, or opened it
// before and would take it over (mark.go). A database is empty when its term is 0 and
// no table has a row.
//
// Schemas are steps in schema/sqlite and schema/postgres, taken at the opening in
// one transaction, and two hubs that do so wait for each other. Each release
// leaves a database in testdata/released, which the next one must migrate.
package sqlstore
