// Package revision says what an image reads of the project and hashes it.
//
// What is read comes from the compiled LLB, so build arguments, ONBUILD,
// wildcards, --exclude, --parents and here-documents are right by construction.
// The hash covers what git keeps: path, type, executable bit, content or link
// target. It does not cover times, owners, other permission bits and empty
// directories.
//
// [Reads] finds what a compiled graph reads. A [Request] with the reads of all
// images goes to where the files are, and [Answer] digests them there. [Sum] is an
// image's revision, given that digest.
package revision

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moby/buildkit/solver/pb"
)

// Read is one place of an image's context that its graph reads.
type Read struct {
	// Path is absolute in the context: "/src/*.go".
	Path string `json:"path"`
	// Wildcard says that Path may hold filepath.Match patterns.
	Wildcard bool `json:"wildcard,omitempty"`
	// Follow says that a link at the end of Path is followed.
	Follow bool `json:"follow,omitempty"`
	// Include and Exclude filter what is read below Path, as in a copy.
	Include []string `json:"include,omitempty"`
	Exclude []string `json:"exclude,omitempty"`
}

// whole is the read of a vertex whose selection is not known: everything.
var whole = Read{Path: "/", Follow: true}

// Reads lists what a definition reads of the sources that isContext accepts,
// sorted and without repetition. It fails if the definition is malformed.
func Reads(def *pb.Definition, isContext func(*pb.SourceOp) bool) ([]Read, error) {
	contexts := map[string]bool{}
	var reads []Read
	for i, raw := range def.Def {
		var op pb.Op
		if err := op.UnmarshalVT(raw); err != nil {
			return nil, fmt.Errorf("reading op %d of a definition: %w", i, err)
		}
		if source := op.GetSource(); source != nil {
			if isContext(source) {
				contexts[digestOf(raw)] = true
			}
			continue
		}
		reads = append(reads, readsOf(&op, func(input int64) bool {
			return input >= 0 && input < int64(len(op.Inputs)) && contexts[op.Inputs[input].Digest]
		})...)
	}
	return Merge(reads), nil
}

// Merge sorts reads and removes repetitions.
func Merge(reads []Read) []Read {
	slices.SortFunc(reads, compareReads)
	return slices.CompactFunc(reads, func(a, b Read) bool { return compareReads(a, b) == 0 })
}

func readsOf(op *pb.Op, isContext func(input int64) bool) []Read {
	switch {
	case op.GetFile() != nil:
		return fileReads(op.GetFile(), isContext)
	case op.GetExec() != nil:
		return mountReads(op.GetExec(), isContext)
	default:
		for i := range op.Inputs {
			if isContext(int64(i)) {
				return []Read{whole}
			}
		}
		return nil
	}
}

func fileReads(op *pb.FileOp, isContext func(int64) bool) []Read {
	var reads []Read
	for _, action := range op.Actions {
		if isContext(action.Input) {
			reads = append(reads, whole)
		}
		if !isContext(action.SecondaryInput) {
			continue
		}
		c := action.GetCopy()
		if c == nil {
			reads = append(reads, whole)
			continue
		}
		reads = append(reads, Read{
			Path:     "/" + strings.TrimPrefix(c.Src, "/"),
			Wildcard: c.AllowWildcard,
			Follow:   c.FollowSymlink,
			Include:  c.IncludePatterns,
			Exclude:  c.ExcludePatterns,
		})
	}
	return reads
}

func mountReads(op *pb.ExecOp, isContext func(int64) bool) []Read {
	var reads []Read
	for _, mount := range op.Mounts {
		if isContext(mount.Input) {
			reads = append(reads, Read{Path: "/" + strings.TrimPrefix(mount.Selector, "/"), Follow: true})
		}
	}
	return reads
}

func compareReads(a, b Read) int {
	if c := strings.Compare(a.Path, b.Path); c != 0 {
		return c
	}
	if a.Wildcard != b.Wildcard {
		return boolOrder(a.Wildcard)
	}
	if a.Follow != b.Follow {
		return boolOrder(a.Follow)
	}
	if c := slices.Compare(a.Include, b.Include); c != 0 {
		return c
	}
	return slices.Compare(a.Exclude, b.Exclude)
}

func boolOrder(first bool) int {
	if first {
		return 1
	}
	return -1
}
