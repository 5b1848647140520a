package report

import (
	"fmt"
	"maps"
	"slices"

	"github.com/quoitbuild/quoit/integration/bench/project"
)

// goal is a line of the table of goals.
type goal struct {
	work, want string
	// judge says what was reached; see [verdict].
	judge func(*Report) verdict
	// floor says, with measured numbers, why a goal that is not reached is not;
	// nil if that is not known.
	floor func(*Report) string
}

// verdict is what was measured of a goal.
type verdict struct {
	reached string
	// measured is false if there are no numbers, met says nothing then.
	measured, met bool
	// open is a row that is shown and has no goal.
	open bool
}

// where finds a row.
type where func(*Report) *Row

func at(work string, s project.Shape, images, delay int) where {
	return func(r *Report) *Row { return r.find(work, s, images, delay) }
}

// compare judges what two contestants needed in the same rounds.
func compare(row where, a, b string, of func(a, b float64) float64, unit string, good func(float64) bool) func(*Report) verdict {
	return func(r *Report) verdict {
		found := row(r)
		values := paired(found.series(a).seconds(), found.series(b).seconds(), of)
		return judged(spreadOf(values), unit, good)
	}
}

func judged(s spread, unit string, good func(float64) bool) verdict {
	if s.Count == 0 {
		return verdict{}
	}
	v := verdict{measured: true, reached: fmt.Sprintf("%s (%s to %s, %d rounds)", number(s.Median, unit), number(s.Min, unit), number(s.Max, unit), s.Count)}
	if good == nil {
		v.open = true
	} else {
		v.met = good(s.Median)
	}
	return v
}

func atLeast(limit float64) func(float64) bool { return func(v float64) bool { return v >= limit } }
func atMost(limit float64) func(float64) bool  { return func(v float64) bool { return v <= limit } }
func below(limit float64) func(float64) bool   { return func(v float64) bool { return v < limit } }

// goals are what is wanted of Quoit, in the order of the page.
func goals() []goal {
	small, middle, large := at(WorkNoop, project.Star, 100, -1), at(WorkNoop, project.Star, 300, -1), at(WorkNoop, project.Star, 1000, -1)
	busy, leaf := at(WorkBusy, project.Star, 100, -1), at(WorkLeaf, project.Star, 100, -1)
	one, edited := at(WorkOne, project.Single, 1, -1), at(WorkOneEdit, project.Single, 1, -1)
	all := []goal{
		{"no-op, N=100", "≥ 150× bake with push", compare(small, NameBake, NameQuoit, ratio, "×", atLeast(150)), nil},
		{"no-op, N=100", "≥ 40× bake without output", compare(small, NameBakeDry, NameQuoit, ratio, "×", atLeast(40)), nil},
		{"no-op, N=100", "≤ 0.10 s over starting the program", compare(small, NameQuoit, NameStart, difference, " s", atMost(0.1)), nil},
		{"no-op, N=100, with nothing but the project", "≤ 1.0 s", wall(small, NameFresh, atMost(1)), nil},
		{"no-op, N=100, with nothing but the project", "≤ 8 requests", requests(small, NameFresh, 8), freshFloor},
		{"no-op, N=100, right after a build of 100", "≤ 1.2× of an idle builder", compare(busy, NameAfter, NameQuoit, ratio, "×", atMost(1.2)), nil},
		{"no-op, N=100, beside a build of 100", "≤ 1.2× of an idle builder", compare(busy, NameBeside, NameQuoit, ratio, "×", atMost(1.2)), besideFloor},
		{"no-op, N=100, by the frontend image", "≥ 25× bake with push", compare(small, NameBake, NameImage, ratio, "×", atLeast(25)), noopFloor(small)},
		{"no-op, N=100, by the frontend image", "≤ 0.15 s over docker/dockerfile with one image", compare(small, NameImage, NameDockerfile, difference, " s", atMost(0.15)), noopFloor(small)},
		{"no-op, N=300", "≥ 150× bake with push", compare(middle, NameBake, NameQuoit, ratio, "×", atLeast(150)), nil},
		{"no-op, N=1000, 21k files", "≤ 0.4 s", wall(large, NameQuoit, atMost(0.4)), nil},
		{"one image of 100k files, looked at", "≤ 3× git status", compare(at(WorkLook, project.Single, 1, -1), NamePlan, NameGitStatus, ratio, "×", atMost(3)), nil},
		{"no-op, N=1000, 21k files", "frontend ≤ 200 MB, in process", memory(large, NameQuoit, func(s Sample) int64 { return s.CLI }, 200e6), nil},
		{"no-op, N=1000, 21k files", "frontend ≤ 200 MB, its image", memory(large, NameImage, func(s Sample) int64 { return s.Frontend }, 200e6), nil},
		{"plan, N=100", "≤ no-op", compare(small, NamePlan, NameQuoit, ratio, "×", atMost(1)), planFloor},
		{"plan, N=1000", "≤ no-op", compare(large, NamePlan, NameQuoit, ratio, "×", atMost(1)), planFloor},
		{"one leaf of 100 changed, published", "≤ 1.3× bake of that target with push", compare(leaf, NameQuoit, NameBake, ratio, "×", atMost(1.3)), leafFloor},
		{"one leaf of 100 changed, published", "≥ 10× bake of the project", compare(leaf, NameBakeAll, NameQuoit, ratio, "×", atLeast(10)), nil},
		{"the first time after its base was published", "shown", compare(at(WorkFirst, project.Star, 100, -1), NameQuoit, NameBake, ratio, "×", nil), nil},
		{"base changed, 100 rebuilt", "≤ 0.7× bake", compare(at(WorkBase, project.Star, 100, -1), NameQuoit, NameBake, ratio, "×", atMost(0.7)), baseFloor},
		{"cold, N=100", "shown", compare(at(WorkCold, project.Star, 100, -1), NameQuoit, NameBake, ratio, "×", nil), nil},
		{"one image, nothing changed", "≤ 0.05 s over docker/dockerfile as a syntax image", compare(one, NameImage, NameDockerfile, difference, " s", atMost(0.05)), nil},
		{"one image, changed context", "shown", compare(edited, NameImage, NameDockerfile, difference, " s", nil), nil},
		{"hashing", "≥ 0.8× the speed of parallel sha256sum", compare(at(WorkHash, project.Single, 1, -1), NameSHA256Sum, NameHash, ratio, "×", atLeast(0.8)), nil},
		{"registry, no-op, N=100", "2 tags, nothing stored", twoTags(small), nil},
		{"registry, no-op at 150 ms", "< 0.6 s more than at 0 ms", slower(150, 0.6), nil},
	}
	for _, work := range []string{WorkHuge, WorkHugeOne, WorkHugeAll} {
		all = append(all, goal{work, "context and hash ≤ 1.5× docker/dockerfile's context", contexts(work, 1.5), hugeFloor(work)})
	}
	return append(all, growthGoals()...)
}

// memory judges a contestant's largest peak.
func memory(row where, contestant string, of func(Sample) int64, limit float64) func(*Report) verdict {
	return func(r *Report) verdict {
		s := row(r).series(contestant)
		values := slices.Collect(maps.Values(s.values(func(sample Sample) float64 { return float64(of(sample)) / 1e6 })))
		if len(values) == 0 || slices.Max(values) == 0 {
			return verdict{}
		}
		return verdict{measured: true, reached: number(slices.Max(values), " MB"), met: slices.Max(values) <= limit/1e6}
	}
}

// wall judges the time that a contestant needs.
func wall(row where, contestant string, good func(float64) bool) func(*Report) verdict {
	return func(r *Report) verdict {
		values := slices.Collect(maps.Values(row(r).series(contestant).seconds()))
		return judged(spreadOf(values), " s", good)
	}
}

// requests judges the most that a contestant asked of the registry, others' images
// included.
func requests(row where, contestant string, limit int) func(*Report) verdict {
	return func(r *Report) verdict {
		s := row(r).series(contestant)
		if s == nil || len(s.Samples) == 0 {
			return verdict{}
		}
		most := 0
		for _, sample := range s.Samples {
			sum := sample.Others
			for _, n := range sample.Requests {
				sum += n
			}
			most = max(most, sum)
		}
		return verdict{measured: true, met: most <= limit, reached: fmt.Sprint(most)}
	}
}

// twoTags judges what a no-op asks the registry of the project's images: the newest record
// by its tag, its config where that is not kept, and that there is none after it.
func twoTags(row where) func(*Report) verdict {
	return func(r *Report) verdict {
		s := row(r).series(NameQuoit)
		if s == nil || len(s.Samples) == 0 {
			return verdict{}
		}
		v := verdict{measured: true, met: true, reached: counts(s.Samples[0].Requests)}
		for _, sample := range s.Samples {
			asked := maps.Clone(sample.Requests)
			if asked["GET blobs"] <= 1 {
				delete(asked, "GET blobs")
			}
			if !maps.Equal(asked, map[string]int{"GET manifests": 1, "HEAD manifests": 1}) || sample.Stored != 0 {
				v.met, v.reached = false, fmt.Sprintf("%s, %d bytes stored", counts(sample.Requests), sample.Stored)
			}
		}
		return v
	}
}

// slower judges the difference between a registry far away and one near.
func slower(delay int, limit float64) func(*Report) verdict {
	return func(r *Report) verdict {
		far := r.find(WorkLatency, project.Star, 100, delay).series(NameQuoit).seconds()
		near := r.find(WorkLatency, project.Star, 100, 0).series(NameQuoit).seconds()
		return judged(spreadOf(paired(far, near, difference)), " s", below(limit))
	}
}

// contexts judges the phases in which a huge image's files are read.
func contexts(work string, limit float64) func(*Report) verdict {
	return func(r *Report) verdict {
		row := r.find(work, project.Single, 1, -1)
		ours := row.series(NameImage).values(func(s Sample) float64 { return s.Phases["context"] + s.Phases["hash"] })
		theirs := row.series(NameDockerfile).values(func(s Sample) float64 { return s.Phases["context"] })
		for round, seconds := range theirs {
			if seconds == 0 {
				delete(theirs, round)
			}
		}
		return judged(spreadOf(paired(ours, theirs, ratio)), "×", atMost(limit))
	}
}
