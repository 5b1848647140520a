package revision

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"runtime"
	"slices"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"
)

// Answer computes a Request's Response from the project's tree at dir. Nothing
// outside of dir is read, whatever links say. Each file is read once, however
// many images read it.
func Answer(ctx context.Context, dir string, req Request) (Response, error) {
	if req.Scheme != Scheme {
		return Response{}, fmt.Errorf("revision scheme %d was asked for, this runner knows %d", req.Scheme, Scheme)
	}
	project, err := os.OpenRoot(dir)
	if err != nil {
		return Response{}, fmt.Errorf("opening the project: %w", err)
	}
	defer project.Close()
	images := make([]imageTree, len(req.Images))
	problems := map[string]string{}
	for i, in := range req.Images {
		if images[i], err = readImage(project, in); err != nil {
			problems[in.Name] = err.Error()
		}
	}
	if len(problems) > 0 {
		return Response{Scheme: Scheme, Problems: problems}, nil
	}
	contents, err := hashFiles(ctx, project, images)
	if err != nil {
		return Response{}, err
	}
	res := Response{Scheme: Scheme, Trees: make(map[string]digest.Digest, len(images))}
	for i, in := range req.Images {
		res.Trees[in.Name] = images[i].sum(contents)
		if images[i].linked {
			if res.Links == nil {
				res.Links = map[string]string{}
			}
			res.Links[in.Name] = images[i].context
		}
	}
	return res, nil
}

// AnswerFile reads a Request from one file and writes the Response to another;
// project is the folder with the project's tree.
func AnswerFile(ctx context.Context, project, request, response string) error {
	data, err := os.ReadFile(request)
	if err != nil {
		return fmt.Errorf("reading the request: %w", err)
	}
	var req Request
	if err := json.Unmarshal(data, &req); err != nil {
		return fmt.Errorf("reading the request: %w", err)
	}
	res, err := Answer(ctx, project, req)
	if err != nil {
		return err
	}
	if data, err = json.Marshal(res); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	if err := os.WriteFile(response, data, 0o644); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}

// imageTree is what an image reads, by path in its context.
type imageTree struct {
	context string // resolved, relative to the project
	linked  bool   // the context is reached through a link
	entries map[string]entry
}

func readImage(project *os.Root, in ImageInputs) (imageTree, error) {
	all, err := newView(project, nil)
	if err != nil {
		return imageTree{}, err
	}
	dir, links, err := all.resolve(in.Context, true)
	if err != nil {
		return imageTree{}, err
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
		return imageTree{}, err
	}
	defer root.Close()
	v, err := newView(root, in.Ignore)
	if err != nil {
		return imageTree{}, err
	}
	tree.entries, err = collect(v, in.Reads)
	return tree, err
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

// batchSize is how many files are hashed one after the other.
const batchSize = 64

// batch is some files of one folder: what lies in an open folder is found without
// going its whole path again.
type batch struct {
	folder string
	names  []string
}

// hashFiles digests every regular file that some image reads, once.
func hashFiles(ctx context.Context, project *os.Root, images []imageTree) (map[string]digest.Digest, error) {
	batches := batchesOf(images)
	sums := make([][]digest.Digest, len(batches))
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(runtime.GOMAXPROCS(0))
	for i, b := range batches {
		eg.Go(func() (err error) {
			if err := ctx.Err(); err != nil {
				return err
			}
			sums[i], err = b.hash(project)
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	contents := map[string]digest.Digest{}
	for i, b := range batches {
		for j, name := range b.names {
			contents[path.Join(b.folder, name)] = sums[i][j]
		}
	}
	return contents, nil
}

func batchesOf(images []imageTree) []batch {
	var batches []batch
	open := map[string]int{} // of a folder, the batch that is not full
	seen := map[string]bool{}
	for _, image := range images {
		for name, e := range image.entries {
			full := path.Join(image.context, name)
			if seen[full] || !e.mode.IsRegular() {
				continue
			}
			seen[full] = true
			folder := path.Dir(full)
			i, ok := open[folder]
			if !ok || len(batches[i].names) == batchSize {
				i = len(batches)
				open[folder] = i
				batches = append(batches, batch{folder: folder})
			}
			batches[i].names = append(batches[i].names, path.Base(full))
		}
	}
	return batches
}

// hash digests the files of a batch, in the order of their names.
func (b batch) hash(project *os.Root) ([]digest.Digest, error) {
	folder, err := project.OpenRoot(b.folder)
	if err != nil {
		return nil, fmt.Errorf("hashing: %w", err)
	}
	defer folder.Close()
	sums := make([]digest.Digest, len(b.names))
	h, buf := sha256.New(), make([]byte, 128<<10)
	for i, name := range b.names {
		h.Reset()
		if err := readInto(h, folder, name, buf); err != nil {
			return nil, fmt.Errorf("hashing %q: %w", path.Join(b.folder, name), err)
		}
		sums[i] = digest.NewDigest(digest.SHA256, h)
	}
	return sums, nil
}

func readInto(w io.Writer, folder *os.Root, name string, buf []byte) error {
	f, err := folder.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	// Without the copy that a file does by itself, which has a buffer for each.
	_, err = io.CopyBuffer(w, struct{ io.Reader }{f}, buf)
	return err
}
