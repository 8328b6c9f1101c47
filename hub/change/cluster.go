package change

import "slices"

// ClusterDays is how many of a touchpoint's last open days its clustering
// factor is taken from; with fewer than MinClusterDays it has none.
const (
	ClusterDays    = 56
	MinClusterDays = 14
)

// Day is what a touchpoint counted on one open day: X positive of N ratings.
type Day struct{ X, N int64 }

// Clustering returns the factor φ ≥ 1 by which the variance of a day's share
// exceeds that of independent ratings:
//
//	φ = max(1, Σ (x_d − n_d p)² ÷ (n_d p (1−p)) ÷ (D−1))
//
// over the last ClusterDays of days, oldest first, p being their pooled share
// (Pearson's dispersion; McCullagh and Nelder 1989, 4.5.2). Days without a
// rating do not count. It reports false under MinClusterDays. Where every
// rating is the same, nothing varies and φ is 1.
func Clustering(days []Day) (phi float64, known bool) {
	open := slices.DeleteFunc(slices.Clone(days), func(d Day) bool { return d.N <= 0 })
	open = open[max(0, len(open)-ClusterDays):]
	if len(open) < MinClusterDays {
		return 1, false
	}
	var x, n float64
	for _, d := range open {
		x += float64(d.X)
		n += float64(d.N)
	}
	p := x / n
	if p <= 0 || p >= 1 {
		return 1, true
	}
	sum := 0.0
	for _, d := range open {
		off := float64(d.X) - float64(d.N)*p
		sum += off * off / (float64(d.N) * p * (1 - p))
	}
	return max(1, sum/float64(len(open)-1)), true
}

// Median returns the middle of the factors, the mean of the middle two of an
// even number. It reports false when there is none.
func Median(factors []float64) (float64, bool) {
	n := len(factors)
	if n == 0 {
		return 0, false
	}
	f := slices.Sorted(slices.Values(factors))
	return (f[(n-1)/2] + f[n/2]) / 2, true
}
