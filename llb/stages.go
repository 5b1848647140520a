package llb

import (
	"fmt"
	"strings"
)

// maxWays bounds the ways on which a stage's needs can be followed, stage by
// stage: the compiler's outline goes all of them.
const maxWays = 1 << 16

// checkStages refuses a container file whose outline would not end: 30 stages
// that use the one before them twice have a billion ways. Predefined are the
// arguments of the platform.
func checkStages(source Source, predefined map[string]string) error {
	found := readNamings(source.Map.Data, predefined, source.Args)
	target, ok := found.stages-1, found.stages > 0
	if source.Target != "" {
		target, ok = found.byName[strings.ToLower(source.Target)]
	}
	if ok && ways(target, found.needs(), map[int]int{}) >= maxWays {
		return fmt.Errorf("its stages use each other in %d ways or more: let stages copy from fewer others", maxWays)
	}
	return nil
}

// needs are the stages that each stage uses, once as its base and once otherwise.
func (n namings) needs() [][]int {
	type use struct {
		by, stage int
		from      bool
	}
	needs := make([][]int, n.stages)
	seen := map[use]bool{}
	for _, place := range n.places {
		stage, ok := n.stageOf(place)
		if u := (use{place.stage, stage, place.from}); ok && !seen[u] {
			seen[u] = true
			needs[place.stage] = append(needs[place.stage], stage)
		}
	}
	return needs
}

// ways counts those from a stage on, up to maxWays. Stages in a circle count
// once; the compiler reports them.
func ways(stage int, needs [][]int, known map[int]int) int {
	if count, ok := known[stage]; ok {
		return count
	}
	known[stage] = 0
	count := 1
	for _, need := range needs[stage] {
		count = min(count+ways(need, needs, known), maxWays)
	}
	known[stage] = count
	return count
}
