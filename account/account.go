// Package account says what an image was made of, so that a later plan can name what has
// changed of it: the instructions of its container file, build arguments, and files, each
// with a digest. What looks like a secret has none.
//
// An account is kept beside the log ([Seal]), and compared with the next one by [Changes].
// Nothing is decided by it: whether an image changed is a matter of its revision. So one
// that is lost, or that a hostile registry has made up, costs a sentence.
package account

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/revision"
)

// Account is what one image was made of.
type Account struct {
	// File is the container file's path in the project.
	File string `json:"file"`
	// Target is the stage that was built, "" for the last.
	Target string `json:"target,omitempty"`
	// Steps are what counts of the container file, in its order.
	Steps []Step `json:"steps"`
	// Args are the build arguments that count, with the digests of their values; those that
	// look like secrets have "".
	Args map[string]string `json:"args,omitempty"`
	// Entries are what was read of the project, sorted by path.
	Entries []revision.Entry `json:"entries,omitempty"`
	// Depth is 0 if Entries has every file. Else the files are too many: it has folders
	// down to a depth of Depth-1, with a digest of what lies in and below them.
	Depth int `json:"depth,omitempty"`
}

// Step is an instruction of a container file, or another part of it that counts.
type Step struct {
	// Stage is the name of the stage, or its number.
	Stage string `json:"stage,omitempty"`
	Line  int    `json:"line"`
	// Keyword is the instruction's, in capital letters.
	Keyword string `json:"keyword"`
	Digest  string `json:"digest"`
}

// MaxAccount is how many bytes the JSON of an account may have.
const MaxAccount = 1 << 20

// New is an account in which what looks like a secret has no digest, and all is text.
func New(a Account) Account {
	a.Entries = slices.Clone(a.Entries)
	for i, entry := range a.Entries {
		a.Entries[i].Path, a.Entries[i].Link = strings.ToValidUTF8(entry.Path, "\uFFFD"), strings.ToValidUTF8(entry.Link, "\uFFFD")
		if secret(entry.Path) {
			a.Entries[i].Digest = ""
		}
	}
	slices.SortStableFunc(a.Entries, func(a, b revision.Entry) int { return strings.Compare(a.Path, b.Path) })
	a.Entries = slices.CompactFunc(a.Entries, func(a, b revision.Entry) bool { return a.Path == b.Path }) // read in two ways
	return a
}

// Format writes an account in no more bytes than the limit. Where there are too many files,
// folders take their place.
func Format(a Account, limit int) ([]byte, error) {
	for _, depth := range []int{0, maxDepth, 8, 6, 5, 4, 3, 2} {
		data, err := json.Marshal(a.fold(depth))
		if err != nil || len(data) <= limit {
			return data, err
		}
	}
	return nil, fmt.Errorf("an account has more than %d bytes", limit)
}

// The bounds of what is read: of folders' depths, of instructions and of arguments, and of
// the bytes of a path.
const (
	maxDepth = 64
	maxParts = 5000
	maxText  = 4096
)

// fold puts folders in the place of files.
func (a Account) fold(depth int) Account {
	if depth == 0 || a.Depth > 0 {
		return a
	}
	var folders []revision.Entry
	in := map[string][]revision.Entry{}
	for _, entry := range a.Entries {
		folder := folderOf(entry.Path, depth-1)
		in[folder] = append(in[folder], entry)
	}
	for folder, entries := range in {
		data, _ := json.Marshal(entries) // of texts
		folders = append(folders, revision.Entry{Path: folder, Digest: digest.FromBytes(data).String()})
	}
	slices.SortFunc(folders, func(a, b revision.Entry) int { return strings.Compare(a.Path, b.Path) })
	a.Entries, a.Depth = folders, depth
	return a
}

// folderOf is the folder of a path, or the one above it that has a depth.
func folderOf(name string, depth int) string {
	folder := path.Dir(strings.TrimSuffix(name, "/"))
	if strings.HasSuffix(name, "/") {
		folder = strings.TrimSuffix(name, "/")
	}
	names := strings.Split(folder, "/")
	return strings.Join(names[:min(max(depth, 1), len(names))], "/") + "/"
}

// Parse reads an account that anybody may have written.
func Parse(data []byte) (Account, error) {
	var a Account
	if len(data) > MaxAccount {
		return a, fmt.Errorf("an account has %d bytes, more than %d", len(data), MaxAccount)
	}
	if err := json.Unmarshal(data, &a); err != nil {
		return a, fmt.Errorf("reading an account: %w", err)
	}
	if a.Depth < 0 || a.Depth > maxDepth || len(a.Steps) > maxParts || len(a.Args) > maxParts {
		return a, fmt.Errorf("an account has %d instructions, %d arguments, and folders of depth %d", len(a.Steps), len(a.Args), a.Depth)
	}
	texts := []string{a.File, a.Target}
	for _, step := range a.Steps {
		texts = append(texts, step.Keyword, step.Stage)
	}
	for name := range a.Args {
		texts = append(texts, name)
	}
	for _, entry := range a.Entries {
		texts = append(texts, entry.Path, entry.Mode, entry.Link)
	}
	for _, text := range texts {
		if len(text) > maxText {
			return a, fmt.Errorf("an account has %.40q…, which is too long", text)
		}
	}
	return a, nil
}
