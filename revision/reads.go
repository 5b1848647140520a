// Package revision says what an image reads of the project and hashes it.
//
// What is read comes from the compiled LLB, so build arguments, ONBUILD,
// wildcards, --exclude, --parents and here-documents are right by construction.
// The hash covers path, type, content or link target, and the permission bits of files
// and of the folders that they are in. It does not cover times, owners, the group's write
// bit, in which the umasks 002 and 022 differ, and empty folders; nor .git of the project's
// root, which is another one in each clone, and none where a git repository is the context.
// Releases of [FirstScheme] were hashed with less: see there.
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
	// Chmod says that permission bits do not count, because the copy sets them all.
	Chmod bool `json:"chmod,omitempty"`
	// Contents says that of a folder at Path what is in it is copied, without its own
	// permission bits.
	Contents bool `json:"contents,omitempty"`
	// Required are paths that have to be there, below Path.
	Required []string `json:"required,omitempty"`
}

// whole is the read of a vertex whose selection is not known: everything.
var whole = Read{Path: "/", Follow: true}

// Reads lists what a definition reads of the sources that isContext accepts,
// sorted and without repetition. It fails if the definition is malformed.
func Reads(def *pb.Definition, isContext func(*pb.SourceOp) bool) ([]Read, error) {
	var reads []Read
	err := EachRead(def, isContext, func(_ string, of []Read) { reads = append(reads, of...) })
	return Merge(reads), err
}

// Equal reports whether two reads are the same.
func (r Read) Equal(other Read) bool { return compareReads(r, other) == 0 }

// EachRead tells the digest of each op that reads something of the sources that isContext
// accepts, and what. It fails as [Reads] does.
func EachRead(def *pb.Definition, isContext func(*pb.SourceOp) bool, tell func(op string, of []Read)) error {
	contexts := map[string]bool{}
	for i, raw := range def.Def {
		var op pb.Op
		if err := op.UnmarshalVT(raw); err != nil {
			return fmt.Errorf("reading op %d of a definition: %w", i, err)
		}
		if source := op.GetSource(); source != nil {
			if isContext(source) {
				contexts[digestOf(raw)] = true
			}
			continue
		}
		reads := readsOf(&op, func(input int64) bool {
			return input >= 0 && input < int64(len(op.Inputs)) && contexts[op.Inputs[input].Digest]
		})
		if len(reads) > 0 {
			tell(digestOf(raw), reads)
		}
	}
	return nil
}

// Reader returns the digest of the first op of a definition that reads a path, "" for none.
func Reader(def *pb.Definition, isContext func(*pb.SourceOp) bool, path string) string {
	contexts := map[string]bool{}
	for _, raw := range def.Def {
		var op pb.Op
		if op.UnmarshalVT(raw) != nil {
			continue
		}
		if source := op.GetSource(); source != nil {
			contexts[digestOf(raw)] = isContext(source)
			continue
		}
		for _, read := range readsOf(&op, func(input int64) bool {
			return input >= 0 && input < int64(len(op.Inputs)) && contexts[op.Inputs[input].Digest]
		}) {
			if read.Path == path || slices.Contains(read.Required, path) {
				return digestOf(raw)
			}
		}
	}
	return ""
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
			Chmod:    c.Mode >= 0 && c.ModeStr == "",
			Contents: c.DirCopyContents,
			Required: c.RequiredPaths,
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
	if a.Chmod != b.Chmod {
		return boolOrder(a.Chmod)
	}
	if a.Contents != b.Contents {
		return boolOrder(a.Contents)
	}
	if c := slices.Compare(a.Include, b.Include); c != 0 {
		return c
	}
	if c := slices.Compare(a.Exclude, b.Exclude); c != 0 {
		return c
	}
	return slices.Compare(a.Required, b.Required)
}

func boolOrder(first bool) int {
	if first {
		return 1
	}
	return -1
}
