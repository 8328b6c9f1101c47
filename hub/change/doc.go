// Package change says how much figures move by themselves, so that a page, a
// report or an alert can tell whether they really changed.
//
// It stands beside the line: hub/insight gives it days and asks. It is pure, so
// there is nothing to lose in a crash. It must not know stores, zones or pages.
//
// So far it holds the clustering factor; comparisons, charts and alerts follow.
package change
