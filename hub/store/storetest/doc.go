// Package storetest holds the suites that every store of the hub passes, one
// file for each contract, and a journal in memory that fills a store the way a
// real kiosk does: through a real ingester.
//
// It stands beside the line and is imported by tests only.
package storetest
