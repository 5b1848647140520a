package revision

import (
	"io/fs"
	"maps"
	"path"
	"slices"
)

// Entry is something that an image reads, as far as it counts by [Scheme].
type Entry struct {
	// Path is the path in the project; that of a folder ends with a slash.
	Path string `json:"path"`
	// Mode are the permission bits that count, as Unix writes them, "" for none.
	Mode string `json:"mode,omitempty"`
	// Digest is that of a file's contents.
	Digest string `json:"digest,omitempty"`
	// Link is where a link leads.
	Link string `json:"link,omitempty"`
}

// List returns what an image reads, sorted by path; nil if the response is of another
// process and was not asked for it by [Request.List], or if the image reads nothing.
func (r Response) List(image string) []Entry {
	if tree, ok := r.trees[image]; ok {
		return tree.list()
	}
	return r.Lists[image]
}

// Listed reports whether List has an answer about every image.
func (r Response) Listed() bool { return r.trees != nil }

func (t imageTree) list() []Entry {
	names := slices.AppendSeq(slices.Collect(maps.Keys(t.entries)), maps.Keys(t.modes))
	slices.Sort(names)
	var entries []Entry
	for _, name := range slices.Compact(names) {
		file := t.entries[name]
		entry := Entry{Path: path.Join(t.context, name), Mode: t.permissions(name)}
		switch {
		case file == nil:
			entry.Path += "/"
		case file.Mode.IsRegular() && file.Digest == "":
			continue // gone since it was listed
		case file.Mode&fs.ModeSymlink != 0:
			entry.Link = file.Target
		default:
			entry.Digest = file.Digest.String()
		}
		entries = append(entries, entry)
	}
	return entries
}
