// Package rollup says what a change of visits changes in the buckets from which
// every page reads.
//
// It stands between internal/visit and hub/store: hub/ingest gives it visits
// before and after, and the [Delta] it gathers is added to the stored cells in
// the transaction that stores the records. It is pure: nothing here is kept, so
// nothing can be lost. New minus old is the only operation; a blind increment is
// a defect, for a record may come twice, late, or in any split.
//
// There are two levels. A [Bucket] is a quarter of an hour in UTC: the truth. A
// [Day] is a date in the zone of a site, for rankings and trends, and is a sum of
// buckets, for all offsets in use are multiples of 15 minutes; [Delta.Days] says
// what a change of buckets changes there, and a [Calendar] which bucket lies on
// which day. When a site gets another zone, or its zone other rules, its days are
// summed anew from its buckets, which know no zone. Visits without a date lie in
// bucket 0, which belongs to no day.
package rollup

import (
	"time"

	"sourire/internal/feedback"
	"sourire/internal/visit"
)

// Bucket numbers quarters of an hour since 1970-01-01 UTC; 0 holds what has no
// date.
type Bucket int64

// Width is the length of a bucket.
const Width = 15 * time.Minute

// BucketOf returns the bucket of an instant in Unix milliseconds; 0 gives 0.
func BucketOf(unixMilli int64) Bucket { return Bucket(unixMilli / Width.Milliseconds()) }

// At returns the beginning of the bucket.
func (b Bucket) At() time.Time { return time.UnixMilli(int64(b) * Width.Milliseconds()).UTC() }

// Key names a cell: what was asked, and when.
type Key struct {
	Asked  feedback.Asked
	Bucket Bucket
}

// Cell counts visits and their presses. It adds up:
//
//	Presses = Ratings() + Repeats() + AsidePresses
//
// and the steps of the scale add up to the ratings.
type Cell struct {
	Steps        [feedback.MaxSteps]int64 // counted visits by step, worst first
	Aside        [visit.Asides]int64      // visits by reason; Aside[visit.Counted] stays 0
	Presses      int64                    // all presses: raw
	AsidePresses int64                    // presses of the visits set aside
	Mixed        int64                    // counted visits with more than one face
	Insistent    int64                    // counted visits marked insistent
}

// Ratings returns the number of counted visits.
func (c Cell) Ratings() int64 {
	var n int64
	for _, s := range c.Steps {
		n += s
	}
	return n
}

// SetAside returns the number of visits set aside, whatever the reason.
func (c Cell) SetAside() int64 {
	var n int64
	for _, s := range c.Aside {
		n += s
	}
	return n
}

// Repeats returns the presses of counted visits beyond the first.
func (c Cell) Repeats() int64 { return c.Presses - c.AsidePresses - c.Ratings() }

// IsZero reports whether the cell counts nothing.
func (c Cell) IsZero() bool { return c == Cell{} }

// Plus returns the sum of two cells.
func (c Cell) Plus(d Cell) Cell {
	for i := range c.Steps {
		c.Steps[i] += d.Steps[i]
	}
	for i := range c.Aside {
		c.Aside[i] += d.Aside[i]
	}
	c.Presses += d.Presses
	c.AsidePresses += d.AsidePresses
	c.Mixed += d.Mixed
	c.Insistent += d.Insistent
	return c
}

// Delta is what is to be added to cells.
type Delta map[Key]Cell

// Add gathers what one change of a visit changes: new minus old.
func (d Delta) Add(c visit.Change) {
	if c.Before != nil {
		d.count(*c.Before, -1)
	}
	if c.After != nil {
		d.count(*c.After, 1)
	}
}

// Count adds a visit.
func (d Delta) Count(v visit.Visit) { d.count(v, 1) }

func (d Delta) count(v visit.Visit, sign int64) {
	key := Key{Asked: v.Asked, Bucket: BucketOf(v.At)}
	c := d[key]
	c.Presses += sign * int64(v.Presses)
	if v.Aside == visit.Counted {
		scale, err := feedback.ParseScale(string(v.Asked.Scale))
		if err == nil && scale.Has(v.Rating) { // visit.State.Step lets no other in
			c.Steps[scale.Step(v.Rating)] += sign
		}
		if v.Mixed {
			c.Mixed += sign
		}
		if v.Insistent {
			c.Insistent += sign
		}
	} else {
		c.Aside[v.Aside] += sign
		c.AsidePresses += sign * int64(v.Presses)
	}
	if c.IsZero() {
		delete(d, key)
		return
	}
	d[key] = c
}

// Merge adds all of other to d.
func (d Delta) Merge(other Delta) {
	for k, c := range other {
		if sum := d[k].Plus(c); sum.IsZero() {
			delete(d, k)
		} else {
			d[k] = sum
		}
	}
}
