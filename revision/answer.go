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

// hashFiles digests every regular file that some image reads, once.
func hashFiles(ctx context.Context, project *os.Root, images []imageTree) (map[string]digest.Digest, error) {
	index := map[string]int{}
	var names []string
	for _, image := range images {
		for name, e := range image.entries {
			full := path.Join(image.context, name)
			if _, ok := index[full]; !ok && e.mode.IsRegular() {
				index[full] = len(names)
				names = append(names, full)
			}
		}
	}
	sums := make([]digest.Digest, len(names))
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(runtime.GOMAXPROCS(0))
	for i, name := range names {
		eg.Go(func() (err error) {
			if err := ctx.Err(); err != nil {
				return err
			}
			sums[i], err = hashFile(project, name)
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	contents := make(map[string]digest.Digest, len(names))
	for i, name := range names {
		contents[name] = sums[i]
	}
	return contents, nil
}

func hashFile(project *os.Root, name string) (digest.Digest, error) {
	f, err := project.Open(name)
	if err != nil {
		return "", fmt.Errorf("hashing: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("hashing %q: %w", name, err)
	}
	return digest.NewDigest(digest.SHA256, h), nil
}
