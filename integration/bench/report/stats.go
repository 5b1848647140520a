package report

import (
	"maps"
	"math"
	"slices"
)

// spread is a sample's median with its quartiles and extremes.
type spread struct {
	Min, Q1, Median, Q3, Max float64
	Count                    int
}

// spreadOf summarizes values; without any, Count is 0.
func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	return spread{
		Min: sorted[0], Q1: quantile(sorted, 0.25), Median: quantile(sorted, 0.5),
		Q3: quantile(sorted, 0.75), Max: sorted[len(sorted)-1], Count: len(sorted),
	}
}

// quantile interpolates between the neighbours of a rank.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	low := int(math.Floor(at))
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (sorted[high]-sorted[low])*(at-float64(low))
}

// paired applies f to the values that two contestants have of the same round.
func paired(a, b map[int]float64, f func(a, b float64) float64) []float64 {
	var out []float64
	for _, round := range slices.Sorted(maps.Keys(a)) {
		if other, ok := b[round]; ok {
			out = append(out, f(a[round], other))
		}
	}
	return out
}

func ratio(a, b float64) float64      { return a / b }
func difference(a, b float64) float64 { return a - b }

// point is a measurement at a size.
type point struct{ x, y float64 }

// exponent is b of the best y = a·x^b: the slope of least squares of the
// logarithms. It is not ok with fewer than two sizes, or a value that has no
// logarithm.
func exponent(points []point) (b float64, ok bool) {
	var n, sx, sy, sxx, sxy float64
	for _, p := range points {
		if p.x <= 0 || p.y <= 0 {
			return 0, false
		}
		x, y := math.Log(p.x), math.Log(p.y)
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	spread := n*sxx - sx*sx
	if n < 2 || spread <= 1e-12 {
		return 0, false
	}
	return (n*sxy - sx*sy) / spread, true
}
