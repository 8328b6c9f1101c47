// Package insight is the one read model: a question goes in, numbers come out.
// Pages, and later the API, reports and alerts, all ask here, so that the same
// question has one answer.
//
// It stands on the line behind hub/store and before hub/web. It reads roll-ups
// and never records: a page costs the same however many presses there were. What
// it asks for are days in a site's own zone, which the store keeps summed up; the
// overview asks for those of all sites at once. It
// must not know SQL, HTTP, languages or how a figure is drawn.
//
// # What a figure may say
//
// Ratings are grouped by what was asked (site, touchpoint, survey, scale), a
// [Moment]. Moments stand side by side and are never pooled: two scales have no
// common share, and a sum of moments would give away by subtraction the one that
// is too small to show. Under [kpi.MinimumCell] ratings a [Figures] holds their
// number and nothing else; the limit is kept here and not in a template.
//
// Figures of a day that is still going on move by at least [kpi.MinimumStep]
// ratings: what was last shown is kept in the store ([Snapshot]), and a reader
// moves it on only when enough has come, by a compare and swap, so that two
// readers at once cannot make two small steps. While neither what is shown nor
// what is stored reaches the minimum cell there is no face to protect and counts
// move freely; presses that are only set aside move freely too. What moves at
// once is [Life]: presses, kiosks, completeness, never which face.
//
// A day that is over shows exactly what is stored, late and corrected records
// included.
// BUG(insight): somebody who keeps the last page of a day and compares it with
// the same day's page after midnight sees the up to four ratings in between.
//
// # What survives a crash
//
// Everything that was shown, for it is stored before it is shown. Clustering
// factors are cached, for an hour or until an overview comes round to them, and are
// read again at a start.
package insight
