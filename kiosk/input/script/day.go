package script

import (
	"math"
	"math/rand/v2"
	"time"
)

// Days makes the days of a model differ: each has a factor of its own, drawn
// from a gamma distribution of mean 1, so that the visitors of a day are
// gamma-Poisson (negative binomial): with a mean of μ they vary by μ + (Spread·μ)²
// where a Poisson process varies by μ (Greenwood and Yule 1920).
//
// All kiosks with one Seed have the same good and bad days.
type Days struct {
	Of     Rated
	Spread float64 // coefficient of variation of the factor, ≥ 0
	Seed   uint64
	Zone   *time.Location // of the days; nil means UTC
}

// Rate implements Rated.
func (d Days) Rate(at time.Time) (float64, time.Time) {
	perHour, until := d.Of.Rate(at)
	if d.Spread > 0 {
		shape := 1 / (d.Spread * d.Spread)
		perHour *= gamma(shape, d.random(at)) / shape
	}
	year, month, day := at.In(in(d.Zone)).Date()
	if midnight := time.Date(year, month, day+1, 0, 0, 0, 0, in(d.Zone)); until.IsZero() || midnight.Before(until) {
		until = midnight
	}
	return perHour, until
}

// Next implements Arrivals.
func (d Days) Next(after time.Time, r *rand.Rand) time.Time { return next(d, after, r) }

// random returns the source of what is drawn of a day, the same at each call.
func (d Days) random(at time.Time) *rand.Rand { return dayRandom(d.Seed, at.In(in(d.Zone)), 1) }

// dayRandom returns the same source for each instant of a local day; what tells
// its uses apart.
func dayRandom(seed uint64, local time.Time, what uint64) *rand.Rand {
	year, month, day := local.Date()
	return rand.New(rand.NewPCG(seed, what<<32|uint64(year*10_000+int(month)*100+day)))
}

// gamma draws from the gamma distribution of a shape and scale 1 (Marsaglia and
// Tsang 2000; below shape 1 by their section 6).
func gamma(shape float64, r *rand.Rand) float64 {
	if shape < 1 {
		return gamma(shape+1, r) * math.Pow(1-r.Float64(), 1/shape)
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := r.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if math.Log(1-r.Float64()) < 0.5*x*x+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}

// mood draws the weights of a day's faces from a Dirichlet distribution around
// weights, so that the presses of one face on a day are beta-binomial: two
// presses of one day are alike by rho, the correlation within a day, beyond what
// the weights say (Skellam 1948).
func mood(weights []float64, total, rho float64, r *rand.Rand) ([]float64, float64) {
	concentration := (1 - rho) / rho
	out := make([]float64, len(weights))
	sum := 0.0
	for i, w := range weights {
		if w > 0 {
			out[i] = gamma(concentration*w/total, r)
			sum += out[i]
		}
	}
	if sum == 0 { // rho is so near to 1 that all draws were nothing
		return weights, total
	}
	return out, sum
}
