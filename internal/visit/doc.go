// Package visit turns presses into visits, by a rule that has a version.
//
// It stands between hub/ingest and hub/rollup, and kiosks use it to show in
// commissioning mode what the rule does with each press. The derivation is a
// pure fold over the records of one epoch in the order of their numbers:
// [State.Step] takes one record and tells which visits changed. A State is a
// plain value that is stored with the hub's mark of the epoch, in the same
// transaction, so a crash leaves both or neither; and because the fold looks at
// one record at a time, any split of the records into batches gives the same
// visits.
//
// Rule 1, for buttons:
//   - A press within 2 s of the first press of a visit belongs to it (a fixed
//     window, which later presses do not renew); a later one opens a new visit.
//   - Presses on one face, each within 2 s of the one before, stay one visit
//     however long they go on; from three presses it is marked insistent.
//   - The rating is the first face. With more than one face the visit is mixed.
//
// For a touchscreen the turn that the press carries is the visit, and the
// rating is the last face.
//
// Set aside, in this order of precedence: test, technician gesture, cleaning,
// stuck, play, undated. Play is six or more presses on two or more faces within
// 10 s, with a median spacing under 1 s, across visit borders. measures.md says
// no more; read to the letter it also takes the calm visitor eight seconds
// before a child, so here a stretch of play ends where two presses are more
// than 2 s apart. Opening hours ("closed") are not known to this version.
//
// Time: a visit is dated when the offset of its boot is known. A boot that
// ended without learning it lies between its neighbours: its offset is the
// middle of what they leave possible, half the width its uncertainty. A boot
// that is not dated, or only within more than 12 h, leaves its visits undated.
//
// BUG(visit): people who come one after the other quickly look like play. Of
// genuine Poisson visitors, one press each, rule 1 sets aside 0.02 % at 4 a
// minute, 0.45 % at 10, but 6.4 % at 20 and 22 % at 30, where 1 % is wanted
// (TestState_Step_genuineVisitors prints it). Ending a stretch at 1 s instead of
// 2 would set aside 0.65 % at 20, and miss four of ten children who press at a
// median of 0.7 s.
//
// The package must not know bytes, stores, zones or the present instant.
package visit
