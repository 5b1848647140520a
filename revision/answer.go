package revision

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/quoitbuild/quoit/internal/input"
)

// Answer computes a Request's Response from the project's tree at dir. Nothing
// outside of dir is read, whatever links say. Each file is read once, however
// many images read it, and what equal inputs select is looked for once.
func Answer(ctx context.Context, dir string, req Request) (Response, error) {
	if req.Scheme != Scheme {
		return Response{}, fmt.Errorf("revision scheme %d was asked for, this runner knows %d", req.Scheme, Scheme)
	}
	project, err := os.OpenRoot(dir)
	if err != nil {
		return Response{}, fmt.Errorf("opening the project: %w", err)
	}
	defer project.Close()
	inputs, of := distinct(req.Images)
	trees, err := readTrees(ctx, project, inputs)
	if err != nil {
		return Response{}, err
	}
	problems := map[string]string{}
	for i, in := range req.Images {
		if err := trees[of[i]].problem; err != nil {
			problems[in.Name] = err.Error()
		}
	}
	if len(problems) > 0 {
		return Response{Scheme: Scheme, Problems: problems}, nil
	}
	sums, err := sumTrees(ctx, project, trees)
	if err != nil {
		return Response{}, err
	}
	res := Response{Scheme: Scheme, Trees: make(map[string]digest.Digest, len(req.Images))}
	for i, in := range req.Images {
		res.Trees[in.Name] = sums[of[i]]
		if tree := trees[of[i]]; tree.linked {
			if res.Links == nil {
				res.Links = map[string]string{}
			}
			res.Links[in.Name] = tree.context
		}
	}
	return res, nil
}

// maxRequest bounds a Request, in bytes; that of a thousand images has one million.
const maxRequest = 1 << 30

// AnswerFile reads a Request from one file and writes the Response to another;
// project is the folder with the project's tree.
func AnswerFile(ctx context.Context, project, request, response string) error {
	data, err := input.Read(request, maxRequest)
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

// batchSize is how many files are hashed one after the other.
const batchSize = 64

// batch is some files of one folder: what lies in an open folder is found without
// going its whole path again.
type batch struct {
	folder string
	names  []string
}

// hashFiles digests every regular file of the trees, once.
func hashFiles(ctx context.Context, project *os.Root, trees []imageTree) (map[string]digest.Digest, error) {
	batches := batchesOf(trees)
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

func batchesOf(trees []imageTree) []batch {
	var batches []batch
	open := map[string]int{} // of a folder, the batch that is not full
	seen := map[string]bool{}
	for _, tree := range trees {
		for name, e := range tree.entries {
			full := path.Join(tree.context, name)
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
