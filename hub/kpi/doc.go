// Package kpi is the arithmetic of scores: what a cell of counted visits says
// about satisfaction, and how sure that is.
//
// It stands beside the line: hub/insight asks it, nobody else needs to. It is
// pure, so there is nothing to lose in a crash. It must not know days, zones,
// stores or pages.
//
// A score of no ratings does not exist: every function says so by a second
// result, and never answers 0 or NaN instead.
package kpi
