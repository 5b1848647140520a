//go:build stack

package integration

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"
)

// sources are an image's files by path. A content that begins with "-> " is a
// link's target, one that begins with "+x " is executable, one that begins like
// "%4755 " has these permissions, and one of a name
// that ends in ".tar.gz" is the content of an archive's only file. A name that
// ends in a slash is a folder.
type sources map[string]string

// plantSources writes an image's files.
func plantSources(t *testing.T, dir string, files sources) {
	t.Helper()
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(files))) { // folders last
		content := files[name]
		full := filepath.Join(dir, name)
		permissions, content := permissionsOf(content)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(full, 0o755); err != nil {
				t.Fatal(err)
			}
			permit(t, full, permissions)
			continue
		}
		target, isLink := strings.CutPrefix(content, "-> ")
		mode := os.FileMode(0o644)
		content, executable := strings.CutPrefix(content, "+x ")
		if executable {
			mode = 0o755
		}
		if strings.HasSuffix(name, ".tar.gz") {
			content = archiveOf(t, content)
		}
		var err error
		if isLink {
			err = os.Symlink(target, full)
		} else {
			err = os.WriteFile(full, []byte(content), mode)
		}
		if err != nil {
			t.Fatal(err)
		}
		if !isLink {
			permit(t, full, permissions)
		}
	}
}

// salted are the same files with a text before the contents of each that is none of ours.
func (s sources) salted(salt string) sources {
	all := sources{}
	for name, content := range s {
		prefix := ""
		if permissions, rest := permissionsOf(content); permissions != "" {
			prefix, content = "%"+permissions+" ", rest
		} else if rest, ok := strings.CutPrefix(content, "+x "); ok {
			prefix, content = "+x ", rest
		}
		kept := strings.HasSuffix(name, "/") || strings.HasSuffix(name, ".dockerignore") || strings.HasSuffix(name, ".tar.gz")
		if !kept && !strings.HasPrefix(content, "-> ") {
			content = salt + content
		}
		all[name] = prefix + content
	}
	return all
}

// permissionsOf takes the permissions off a content, "" for none.
func permissionsOf(content string) (permissions, rest string) {
	if octal, rest, ok := strings.Cut(content, " "); ok && strings.HasPrefix(octal, "%") {
		return octal[1:], rest
	}
	return "", content
}

func permit(t *testing.T, file, permissions string) {
	t.Helper()
	if permissions == "" {
		return
	}
	bits, err := strconv.ParseUint(permissions, 8, 32)
	if err != nil {
		t.Fatal(err)
	}
	mode := os.FileMode(bits).Perm()
	for bit, special := range map[uint64]os.FileMode{0o4000: os.ModeSetuid, 0o2000: os.ModeSetgid, 0o1000: os.ModeSticky} {
		if bits&bit != 0 {
			mode |= special
		}
	}
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
}

// archiveOf is an archive with one file.
func archiveOf(t *testing.T, content string) string {
	t.Helper()
	var buf bytes.Buffer
	zipped := gzip.NewWriter(&buf)
	archive := tar.NewWriter(zipped)
	err := archive.WriteHeader(&tar.Header{Name: "packed", Mode: 0o644, Size: int64(len(content))})
	if err == nil {
		_, err = archive.Write([]byte(content))
	}
	if err = errors.Join(err, archive.Close(), zipped.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

// stockBuild is one build by BuildKit's own Dockerfile frontend.
type stockBuild struct {
	dir, file string
	args      map[string]string
	target    string
	salt      string // in its files' contents; left out of the result
}

// result are the files of a stock build's image by path, or its error.
type result struct {
	files map[string]string
	err   error
}

// String is the same for two results with the same files.
func (r result) String() string {
	if r.err != nil {
		return "no image"
	}
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(r.files)) {
		fmt.Fprintf(h, "%q %q\n", name, r.files[name])
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// parallelBuilds bounds the builds at one time.
const parallelBuilds = 4

// stockBuilds builds all, some at a time.
func stockBuilds(t *testing.T, builds []stockBuild) []result {
	t.Helper()
	c, err := stack.Client(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	results := make([]result, len(builds))
	var eg errgroup.Group
	eg.SetLimit(parallelBuilds)
	for i, build := range builds {
		eg.Go(func() error {
			results[i].files, results[i].err = build.run(t.Context(), c)
			return nil
		})
	}
	_ = eg.Wait() // the results have the errors
	return results
}

func (b stockBuild) run(ctx context.Context, c *client.Client) (map[string]string, error) {
	attrs := map[string]string{"filename": b.file, "target": b.target}
	for name, value := range b.args {
		attrs["build-arg:"+name] = value
	}
	files, err := filesOf(ctx, func(opt client.SolveOpt, status chan *client.SolveStatus) error {
		opt.Frontend, opt.FrontendAttrs = "dockerfile.v0", attrs
		_, err := c.Solve(ctx, nil, opt, status)
		return err
	}, b.dir)
	if b.salt != "" {
		for name, description := range files {
			files[name] = strings.Replace(description, b.salt, "", 1)
		}
	}
	return files, err
}

// filesOf are the files that a build of a folder exports, by path.
func filesOf(ctx context.Context, build func(client.SolveOpt, chan *client.SolveStatus) error, dir string) (map[string]string, error) {
	source, err := fsutil.NewFS(dir)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	opt := client.SolveOpt{
		LocalMounts: map[string]fsutil.FS{"context": source, "dockerfile": source},
		Exports: []client.ExportEntry{{
			Type:   client.ExporterTar,
			Output: func(map[string]string) (io.WriteCloser, error) { return nopCloser{&out}, nil },
		}},
	}
	status := make(chan *client.SolveStatus)
	var eg errgroup.Group
	eg.Go(func() error {
		for range status {
			continue
		}
		return nil
	})
	eg.Go(func() error { return build(opt, status) })
	if err := eg.Wait(); err != nil {
		return nil, err
	}
	return filesOfTar(&out)
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// filesOfTar describes files, and folders with something in them.
func filesOfTar(archive io.Reader) (map[string]string, error) {
	files, folders := map[string]string{}, map[string]string{}
	for reader := tar.NewReader(archive); ; {
		header, err := reader.Next()
		if err == io.EOF {
			maps.Copy(files, withEntries(folders, files))
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		if header.Typeflag == tar.TypeDir {
			folders[strings.TrimSuffix(header.Name, "/")] = fmt.Sprintf("folder %o", header.Mode)
			continue
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			return nil, err
		}
		files[header.Name] = fmt.Sprintf("%c %o -> %s: %s", header.Typeflag, header.Mode, header.Linkname, content)
	}
}

// withEntries are those folders in which some of the files are.
func withEntries(folders, files map[string]string) map[string]string {
	some := map[string]string{}
	for name := range files {
		for dir := path.Dir(name); dir != "." && dir != "/"; dir = path.Dir(dir) {
			if description, ok := folders[dir]; ok {
				some[dir] = description
			}
		}
	}
	return some
}

// quoitBuild builds an image of a project with our frontend in this process and
// returns its files.
func quoitBuild(ctx context.Context, c *client.Client, dir, image string, build gateway.BuildFunc) (map[string]string, error) {
	runner, err := fsutil.NewFS(filepath.Dir(quoitFile))
	if err != nil {
		return nil, err
	}
	return filesOf(ctx, func(opt client.SolveOpt, status chan *client.SolveStatus) error {
		opt.LocalMounts["quoit-runner"] = runner
		opt.FrontendAttrs = map[string]string{
			"filename": "quoit.yaml", "target": image,
			"build-arg:QUOIT_RING": "none", "build-arg:QUOIT_REGISTRY": stack.Registry,
		}
		_, err := c.Build(ctx, opt, "quoit", build, status)
		return err
	}, dir)
}
