package revision

import (
	"fmt"
	"maps"
	"slices"
)

// Entries lists what images read of a project's tree: by image the paths in its context of
// files, links, and folders, whether or not something is in them. A builder that gets no
// more than these, and the folders on the way to them, builds the same.
func Entries(tree Tree, images []ImageInputs) (map[string][]string, error) {
	lists, entries := newLists(tree), map[string][]string{}
	for _, in := range images {
		empty, v := openContext(lists, in)
		if empty.problem != nil {
			return nil, fmt.Errorf("image %s: %w", in.Name, empty.problem)
		}
		if v == nil {
			continue
		}
		w, err := walk(v, in.Reads, false)
		if err != nil {
			return nil, fmt.Errorf("image %s: %w", in.Name, err)
		}
		entries[in.Name] = slices.AppendSeq(slices.Collect(maps.Keys(w.entries)), maps.Keys(w.folders))
		slices.Sort(entries[in.Name])
	}
	return entries, nil
}
