package report

import (
	"fmt"
	"maps"
	"slices"

	"github.com/quoitbuild/quoit/integration/bench/project"
)

// maxExponent is the growth that is wanted at most.
const maxExponent = 1.1

// curve is a number of a contestant over sizes.
type curve struct {
	name       string
	contestant string
	of         func(Sample) float64
	// overEmpty takes the median of the empty solve off.
	overEmpty bool
}

func seconds(s Sample) float64 { return s.Seconds }

// curves are what is fitted of no-ops. That of bake is there to compare with.
func curves() []curve {
	return []curve{
		{"time", NameQuoit, seconds, false},
		{"time over an empty solve", NameQuoit, seconds, true},
		{"time of the frontend image over an empty solve", NameImage, seconds, true},
		{"memory, in process", NameQuoit, func(s Sample) float64 { return float64(s.CLI) }, false},
		{"memory of the frontend image", NameImage, func(s Sample) float64 { return float64(s.Frontend) }, false},
		{"memory of buildkitd", NameQuoit, func(s Sample) float64 { return float64(s.Daemon) }, false},
		{"time of bake", NameBake, seconds, false},
		{"time of bake without output", NameBakeDry, seconds, false},
	}
}

// overImages are the no-op rows by number of images.
func overImages(r *Report) map[int]*Row {
	rows := map[int]*Row{}
	for _, row := range r.Rows {
		if row.Work == WorkNoop && row.Shape == string(project.Star) {
			rows[row.Images] = row
		}
	}
	return rows
}

// overFiles are the no-op rows of 100 images by number of files in all.
func overFiles(r *Report) map[int]*Row {
	rows := map[int]*Row{}
	for _, row := range r.Rows {
		if (row.Work == WorkFiles || row.Work == WorkNoop) && row.Shape == string(project.Star) && row.Images == 100 {
			rows[row.Images*row.Files] = row
		}
	}
	return rows
}

// points are a curve's medians.
func (c curve) points(rows map[int]*Row) []point {
	var points []point
	for _, size := range slices.Sorted(maps.Keys(rows)) {
		values := slices.Collect(maps.Values(rows[size].series(c.contestant).values(c.of)))
		if len(values) == 0 {
			continue
		}
		y := spreadOf(values).Median
		if c.overEmpty {
			floor := slices.Collect(maps.Values(rows[size].series(NameEmpty).seconds()))
			if len(floor) == 0 {
				continue
			}
			y -= spreadOf(floor).Median
		}
		points = append(points, point{float64(size), y})
	}
	return points
}

// growthGoals are the fitted exponents.
func growthGoals() []goal {
	var all []goal
	for _, over := range []struct {
		name string
		rows func(*Report) map[int]*Row
	}{{"images", overImages}, {"files", overFiles}} {
		for _, c := range curves() {
			ours := c.contestant != NameBake && c.contestant != NameBakeDry
			want := "exponent ≤ 1.1"
			if !ours {
				want = "shown"
			}
			all = append(all, goal{"growth over " + over.name + ": " + c.name, want, func(r *Report) verdict {
				points := c.points(over.rows(r))
				b, ok := exponent(points)
				if !ok {
					return verdict{}
				}
				return verdict{reached: fmt.Sprintf("%.2f (%d sizes)", b, len(points)), measured: true, met: b <= maxExponent, open: !ours}
			}, nil})
		}
	}
	return all
}
