package revision

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"runtime"
	"slices"
	"strconv"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

// imageTree is what an image reads, by path in its context.
type imageTree struct {
	root    string // the project in the tree
	context string // resolved, relative to the project
	linked  bool   // the context is reached through a link
	entries map[string]*File
	modes   map[string]fs.FileMode // of entries, and of folders with some, whose permission bits count
	git     []int                  // reads that take something from the project's .git
	missing []string               // paths of reads at which there has to be something
	problem error                  // why it cannot be read
	beyond  Paths                  // see [Response.Beyond]
}

// distinct returns the inputs of images without names and repetitions, and for
// each image which of them is its own.
func distinct(images []ImageInputs) (inputs []ImageInputs, of []int) {
	known := map[string]int{}
	for _, in := range images {
		in.Name = ""
		key := in.key()
		i, ok := known[key]
		if !ok {
			i = len(inputs)
			known[key] = i
			inputs = append(inputs, in)
		}
		of = append(of, i)
	}
	return inputs, of
}

func (in ImageInputs) key() string { return fmt.Sprintf("%#v", in) }

// readTrees reads what each of the inputs selects. Those with the same context and
// ignore patterns see the same files and share a view; the others are read at the
// same time.
func readTrees(ctx context.Context, lists *lists, inputs []ImageInputs, scheme int, beyond bool) ([]imageTree, error) {
	views := map[string][]int{}
	for i, in := range inputs {
		key := ImageInputs{Project: in.Project, Context: in.Context, Ignore: in.Ignore}.key()
		views[key] = append(views[key], i)
	}
	trees := make([]imageTree, len(inputs))
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(runtime.GOMAXPROCS(0))
	for _, members := range views {
		eg.Go(func() error {
			empty, v := openContext(lists, inputs[members[0]])
			for _, i := range members {
				if err := ctx.Err(); err != nil {
					return err
				}
				trees[i] = empty
				if v == nil {
					if empty.problem == nil && !empty.linked {
						trees[i].missing = allNeeded(inputs[i].Reads)
					}
					continue
				}
				if beyond {
					v.wants = newWants()
				}
				w, err := walk(v, inputs[i].Reads, scheme > FirstScheme && inputs[i].Root)
				trees[i].entries, trees[i].modes, trees[i].git, trees[i].missing, trees[i].problem = w.entries, w.modes, w.git, w.missing, err
				if beyond {
					trees[i].beyond = v.wants.paths().Without(Wanted(inputs[i].Reads))
				}
			}
			return nil
		})
	}
	return trees, eg.Wait()
}

// allNeeded are the paths of reads at which there has to be something.
func allNeeded(reads []Read) (paths []string) {
	for _, read := range reads {
		if needed(read) {
			paths = append(paths, read.Path)
		}
	}
	return paths
}

// openContext returns the view of a context. It is nil if there is nothing to read:
// the folder is not there, or lies behind a link.
func openContext(lists *lists, in ImageInputs) (imageTree, *view) {
	root := path.Join(".", in.Project)
	all, err := newView(lists, root, nil)
	if err != nil {
		return imageTree{problem: err}, nil
	}
	dir, found, links, err := all.resolve(in.Context, true)
	if err != nil {
		return imageTree{problem: err}, nil
	}
	tree := imageTree{root: root, context: dir, linked: len(links) > 0}
	if !found || tree.linked {
		return tree, nil
	}
	file, err := all.lstat(dir)
	if err == nil && !file.Mode.IsDir() {
		err = fmt.Errorf("the context %q is not a directory", dir)
	}
	if err != nil {
		return imageTree{problem: err}, nil
	}
	v, err := newView(lists, path.Join(root, dir), in.Ignore)
	if err != nil {
		return imageTree{problem: err}, nil
	}
	return tree, v
}

// sumTrees returns the digest of each tree. Each file is digested once, however many
// images read it.
func sumTrees(ctx context.Context, tree Tree, trees []imageTree, scheme int) ([]digest.Digest, error) {
	if err := tree.Digest(ctx, filesOf(trees)); err != nil {
		return nil, err
	}
	sums := make([]digest.Digest, len(trees))
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(runtime.GOMAXPROCS(0))
	for i, tree := range trees {
		eg.Go(func() error {
			sums[i] = tree.sum(scheme)
			return ctx.Err()
		})
	}
	return sums, eg.Wait()
}

// filesOf are the regular files of trees by folder, without repetition.
func filesOf(trees []imageTree) map[string][]*File {
	folders := map[string][]*File{}
	seen := map[*File]bool{}
	for _, tree := range trees {
		for name, file := range tree.entries {
			if file.Mode.IsRegular() && !seen[file] {
				seen[file] = true
				folder := path.Join(tree.root, tree.context, path.Dir(name))
				folders[folder] = append(folders[folder], file)
			}
		}
	}
	return folders
}

// sum is the digest over an image's entries in the order of their paths.
func (t imageTree) sum(scheme int) digest.Digest {
	names := slices.Collect(maps.Keys(t.entries))
	if scheme > FirstScheme {
		names = slices.AppendSeq(names, maps.Keys(t.modes))
	}
	slices.Sort(names)
	names = slices.DeleteFunc(slices.Compact(names), func(name string) bool {
		file := t.entries[name]
		return file != nil && file.Mode.IsRegular() && file.Digest == "" // gone since it was listed
	})
	h := newFields("quoit.tree", scheme)
	h.number(len(names))
	for _, name := range names {
		h.text(name)
		file := t.entries[name]
		h.entry(file, scheme)
		if scheme > FirstScheme {
			h.text(t.permissions(name))
		}
	}
	return h.digest()
}

// entry hashes what a file is; nil is a folder.
func (f fields) entry(file *File, scheme int) {
	switch {
	case file == nil:
		f.text("folder")
	case file.Mode.IsRegular():
		f.text("file")
		if scheme == FirstScheme && file.executable() {
			f.text("executable")
		} else if scheme == FirstScheme {
			f.text("")
		}
		f.text(file.Digest.String())
	case file.Mode&fs.ModeSymlink != 0:
		f.text("link")
		f.text(file.Target)
	default:
		f.text("special")
		f.text(file.Mode.Type().String())
	}
}

// permissions are the bits of an entry's mode that count, as Unix writes them, "" for none:
// not the group's write bit, which tells the umasks 002 and 022 apart and nothing else.
func (t imageTree) permissions(name string) string {
	mode, counts := t.modes[name]
	if !counts {
		return ""
	}
	bits := mode.Perm() &^ 0o020
	for i, special := range []fs.FileMode{fs.ModeSticky, fs.ModeSetgid, fs.ModeSetuid} {
		if mode&special != 0 {
			bits |= 0o1000 << i
		}
	}
	return strconv.FormatUint(uint64(bits), 8)
}
