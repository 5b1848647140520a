package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/moby/buildkit/client"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"

	"github.com/quoitbuild/quoit/internal/testkit/daemon"
	"github.com/quoitbuild/quoit/internal/testkit/image"
	"github.com/quoitbuild/quoit/internal/testkit/tools"
)

// Where the images of the repository's own Dockerfile go: there buildkitd finds
// ghcr.io/quoitbuild/quoit:1 and quoit-cli:1.
const (
	frontendRepository = "quoitbuild/quoit"
	cliRepository      = "quoitbuild/quoit-cli"
	imageTag           = "1"
)

// PushFrontend makes the frontend's image as the Dockerfile does, of a static program,
// pushes it, and returns its reference, fit for a `# syntax=` line, and its digest. A
// build in BuildKit takes minutes wherever its cache of modules is empty.
func (s *Stack) PushFrontend(ctx context.Context, program string) (ref, digest string, err error) {
	labels, err := frontendLabels()
	if err != nil {
		return "", "", err
	}
	return s.push(ctx, frontendRepository, v1.Config{Entrypoint: []string{"/quoit-frontend"}, Labels: labels}, func(t *image.Tree) error {
		return t.File(program, "/quoit-frontend", 0o755)
	})
}

// frontendLabel finds the labels of the frontend's image in the Dockerfile.
var frontendLabel = regexp.MustCompile(`(?m)^LABEL (moby\.buildkit\.frontend\.[a-z.]+)="([^"]*)"$`)

// frontendLabels are those of the repository's Dockerfile.
func frontendLabels() (map[string]string, error) {
	root, err := tools.RepoRoot()
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		return nil, err
	}
	labels := map[string]string{}
	for _, match := range frontendLabel.FindAllSubmatch(text, -1) {
		labels[string(match[1])] = string(match[2])
	}
	if len(labels) == 0 {
		return nil, errors.New("the Dockerfile has no labels of a frontend")
	}
	return labels, nil
}

// BuildFrontend builds the frontend's static program.
func BuildFrontend(ctx context.Context, file string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", file,
		"github.com/quoitbuild/quoit/cmd/quoit-frontend")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the frontend: %w\n%s", err, output)
	}
	return nil
}

// PushCLI makes the image that has the quoit command of a static program, and pushes it.
func (s *Stack) PushCLI(ctx context.Context, program string) (ref, digest string, err error) {
	return s.push(ctx, cliRepository, v1.Config{Entrypoint: []string{"/bin/quoit"}}, func(t *image.Tree) error {
		return errors.Join(t.File(image.CABundle, image.CABundle, 0o644), t.File(program, "/bin/quoit", 0o755))
	})
}

// push makes an image of one layer and pushes it as tag 1. The same files give the same
// digest.
func (s *Stack) push(ctx context.Context, repository string, config v1.Config, fill func(*image.Tree) error) (ref, digest string, err error) {
	work, err := os.MkdirTemp("", "quoit-image-")
	if err != nil {
		return "", "", fmt.Errorf("making %s: %w", repository, err)
	}
	defer os.RemoveAll(work)
	ref = s.Ref(repository + ":" + imageTag)
	tag, err := name.ParseReference(ref)
	if err != nil {
		return "", "", fmt.Errorf("making %s: %w", repository, err)
	}
	layer, err := image.Layer(filepath.Join(work, "layer.tar"), fill)
	if err != nil {
		return "", "", fmt.Errorf("making %s: %w", repository, err)
	}
	made, err := image.New(image.Config(config), layer)
	if err != nil {
		return "", "", fmt.Errorf("making %s: %w", repository, err)
	}
	if err := remote.Write(tag, made, remote.WithContext(ctx)); err != nil {
		return "", "", fmt.Errorf("pushing %s: %w", repository, err)
	}
	is, err := made.Digest()
	return ref, is.String(), err
}

// PushTarget builds a target of the repository's Dockerfile and pushes it to
// a repository of the stack's registry, as tag 1. It returns the reference
// by tag, and the digest.
func (s *Stack) PushTarget(ctx context.Context, target, repository string) (ref, digest string, err error) {
	root, err := tools.RepoRoot()
	if err != nil {
		return "", "", err
	}
	source, err := fsutil.NewFS(root)
	if err != nil {
		return "", "", fmt.Errorf("building %s: %w", target, err)
	}
	c, err := s.Client(ctx)
	if err != nil {
		return "", "", err
	}
	defer c.Close()
	ref = s.Ref(repository + ":" + imageTag)
	response, err := solve(ctx, c, client.SolveOpt{
		Frontend: "dockerfile.v0",
		FrontendAttrs: map[string]string{
			"target": target,
			// Dates of files and configs, so that equal sources are equal images.
			"build-arg:SOURCE_DATE_EPOCH": "0",
		},
		LocalMounts: map[string]fsutil.FS{"context": source, "dockerfile": source},
		Exports: []client.ExportEntry{{
			Type:  client.ExporterImage,
			Attrs: map[string]string{"name": ref, "push": "true", "rewrite-timestamp": "true"},
		}},
	})
	if err != nil {
		return "", "", fmt.Errorf("building %s: %w", target, err)
	}
	return ref, response.ExporterResponse["containerimage.digest"], nil
}

// solve builds; an error has the last lines that the build's steps printed.
func solve(ctx context.Context, c *client.Client, opt client.SolveOpt) (*client.SolveResponse, error) {
	status := make(chan *client.SolveStatus)
	var output []byte
	var response *client.SolveResponse
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		response, err = c.Solve(ctx, nil, opt, status)
		return err
	})
	group.Go(func() error {
		for s := range status {
			for _, log := range s.Logs {
				output = append(output, log.Data...)
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		if len(output) > 0 {
			err = errors.Join(err, errors.New("the steps printed:\n"+daemon.LastLines(string(output), 30)))
		}
		return nil, err
	}
	return response, nil
}
