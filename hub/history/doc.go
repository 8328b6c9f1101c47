// Package history takes press histories of other systems in, from CSV.
//
// It stands at the beginning of the line, beside kiosks: an import is a source
// with an epoch like any other. For each place of a file there is one, a kiosk
// named import-…, whose epoch is made from the file's bytes, the mapping and the
// place, and whose records (epoch began, plan applied, clock fix, presses in the
// order of time) go through hub/ingest. So a second run of the same file is
// recognised, one that was cut short goes on, and visit rule, roll-ups and
// hub/verify treat it like everything else. A file that overlaps in time with
// another import of the same place, or the same file under another mapping, would
// be counted beside it: that is refused unless it is wished for.
//
// A row is a rating: one visit of its own. The rule of internal/visit joins
// presses that are less than 2 s apart and sets children's play aside by spacings
// under 1 s; of a history that tells seconds, or only minutes, it would make one
// visit of everybody in the same minute, or play. Hence each row is a turn of its
// own (feedback.Press.Flow, as of a touchscreen), and rows stand in another boot
// of the source wherever six within ten seconds could look like play. What is
// lost by that: play, insistence and mixed presses are not found in such a
// history, so it counts somewhat more than a kiosk at the same door would have.
// Where the rows are raw presses of buttons, with seconds at least, Mapping.Presses
// leaves them to the rule.
//
// Instants are as written, and nothing is invented: a time with minutes is the
// beginning of the minute give or take 60 s, which every visit then says. Times
// without an offset are of the place's zone; one that the change to summer time
// skipped, or that happened twice in autumn, is refused with that explanation. A
// line that is refused costs no other line; but nothing is written at all while
// lines are refused, unless they are to be skipped: a file that is mended after
// half of it was taken would be another epoch, and its good lines would count
// twice. This way the person mends the file first, or knows what she leaves out.
//
// Columns that the mapping does not name are never kept: a history may hold names
// and addresses, and they are none of our business.
//
// What survives a crash: what was ingested; the same command goes on. Rows wait
// in memory to be sorted, 32 bytes each.
//
// The package must not know SQL, MQTT or pages.
package history
