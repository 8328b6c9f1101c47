// Package sqlstore is the hub's store: one body of SQL, today on SQLite.
//
// It stands at the end of the line from a finger to a row. Every consumer
// declares the small contract that it needs (ingest.Store, ingest.Journals,
// verify.Store, insight.Store, fleet.Store); [Store] satisfies them, one file
// for each, and the suites of hub/store/storetest hold it to them. A verb is a
// transaction; no transaction leaks out.
//
// What survives a crash: every transaction whose verb returned nil (WAL with
// synchronous=FULL). What may be lost: nothing that was answered.
//
// Rows that come in bulk (records, visits, cells) are written by statements of
// many rows, prepared once. A profile of one-row statements showed 60 % of the
// time in database/sql and the parser.
//
// The dialect: placeholders are ?, upserts are ON CONFLICT, nothing depends on
// rowids. Schema and opening are in dialect_sqlite.go; PostgreSQL will need a
// file like it and nothing else.
package sqlstore
