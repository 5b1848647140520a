package revision

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"runtime"
	"slices"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

// imageTree is what an image reads, by path in its context.
type imageTree struct {
	context string // resolved, relative to the project
	linked  bool   // the context is reached through a link
	entries map[string]entry
	problem error // why it cannot be read
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
// ignore patterns look at the same files and share a view; the others are read at
// the same time.
func readTrees(ctx context.Context, project *os.Root, inputs []ImageInputs) ([]imageTree, error) {
	views := map[string][]int{}
	for i, in := range inputs {
		key := ImageInputs{Context: in.Context, Ignore: in.Ignore}.key()
		views[key] = append(views[key], i)
	}
	trees := make([]imageTree, len(inputs))
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(runtime.GOMAXPROCS(0))
	for _, members := range views {
		eg.Go(func() error {
			empty, v := openContext(project, inputs[members[0]])
			if v != nil {
				defer v.root.Close()
			}
			for _, i := range members {
				if err := ctx.Err(); err != nil {
					return err
				}
				trees[i] = empty
				if v != nil {
					trees[i].entries, trees[i].problem = collect(v, inputs[i].Reads)
				}
			}
			return nil
		})
	}
	return trees, eg.Wait()
}

// openContext opens the view of a context, whose root the caller closes. It is nil
// if there is nothing to read: the folder is not there, or lies behind a link.
func openContext(project *os.Root, in ImageInputs) (imageTree, *view) {
	all, err := newView(project, nil)
	if err != nil {
		return imageTree{problem: err}, nil
	}
	dir, links, err := all.resolve(in.Context, true)
	if err != nil {
		return imageTree{problem: err}, nil
	}
	tree := imageTree{context: dir, linked: len(links) > 0}
	if dir == "" || tree.linked {
		return tree, nil
	}
	root, err := project.OpenRoot(dir)
	if absent(err) {
		return tree, nil
	}
	if err != nil {
		return imageTree{problem: err}, nil
	}
	v, err := newView(root, in.Ignore)
	if err != nil {
		root.Close()
		return imageTree{problem: err}, nil
	}
	return tree, v
}

// sumTrees returns the digest of each tree.
func sumTrees(ctx context.Context, project *os.Root, trees []imageTree) ([]digest.Digest, error) {
	contents, err := hashFiles(ctx, project, trees)
	if err != nil {
		return nil, err
	}
	sums := make([]digest.Digest, len(trees))
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(runtime.GOMAXPROCS(0))
	for i, tree := range trees {
		eg.Go(func() error {
			sums[i] = tree.sum(contents)
			return ctx.Err()
		})
	}
	return sums, eg.Wait()
}

// sum is the digest over an image's entries in the order of their paths.
func (t imageTree) sum(contents map[string]digest.Digest) digest.Digest {
	h := newFields("quoit.tree")
	h.number(len(t.entries))
	for _, name := range slices.Sorted(maps.Keys(t.entries)) {
		e := t.entries[name]
		h.text(name)
		switch {
		case e.mode.IsRegular():
			h.text("file")
			if e.exec {
				h.text("executable")
			} else {
				h.text("")
			}
			h.text(contents[path.Join(t.context, name)].String())
		case e.mode&fs.ModeSymlink != 0:
			h.text("link")
			h.text(e.target)
		default:
			h.text("special")
			h.text(e.mode.String())
		}
	}
	return h.digest()
}
