package kpi

import "math"

// z is the 97.5 % quantile of the normal distribution: intervals are 95 %.
const z = 1.959963984540054

// Interval is a 95 % interval of a proportion, within 0 … 1.
type Interval struct{ Low, High float64 }

// Effective returns n ÷ φ: the number of independent ratings that n clustered
// ones are worth. φ under 1 counts as 1.
func Effective(n int64, phi float64) float64 { return float64(n) / max(1, phi) }

// Wilson returns the score interval of share p of nEff ratings, nEff > 0
// (Wilson 1927; Newcombe 1998, method 3, without continuity correction). It
// lies within 0 … 1, holds p, and is never of zero width.
func Wilson(p, nEff float64) Interval {
	z2 := z * z
	mid := 2*nEff*p + z2
	half := z * math.Sqrt(z2+4*nEff*p*(1-p))
	scale := 2 * (nEff + z2)
	// Rounding may carry an end past p or past the range at p = 0 and p = 1.
	return Interval{
		Low:  min(p, max(0, (mid-half)/scale)),
		High: max(p, min(1, (mid+half)/scale)),
	}
}
