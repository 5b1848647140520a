package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

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

// PushFrontend builds the frontend's image from the repository's Dockerfile,
// pushes it, and returns its reference, fit for a `# syntax=` line. The same
// sources give the same digest.
func (s *Stack) PushFrontend(ctx context.Context) (ref string, err error) {
	ref, _, err = s.PushTarget(ctx, "frontend", frontendRepository)
	return ref, err
}

// PushCLI makes the image that has the quoit command of a static program, which
// is faster than to build it, and pushes it.
func (s *Stack) PushCLI(ctx context.Context, program string) error {
	work, err := os.MkdirTemp("", "quoit-cli-")
	if err != nil {
		return fmt.Errorf("making the image of quoit: %w", err)
	}
	defer os.RemoveAll(work)
	layer, err := image.Layer(filepath.Join(work, "layer.tar"), func(t *image.Tree) error {
		return errors.Join(t.File(image.CABundle, image.CABundle, 0o644), t.File(program, "/bin/quoit", 0o755))
	})
	if err != nil {
		return fmt.Errorf("making the image of quoit: %w", err)
	}
	cli, err := image.New(image.Config(v1.Config{Entrypoint: []string{"/bin/quoit"}}), layer)
	if err != nil {
		return fmt.Errorf("making the image of quoit: %w", err)
	}
	ref, err := name.ParseReference(s.Ref(cliRepository + ":" + imageTag))
	if err != nil {
		return fmt.Errorf("pushing the image of quoit: %w", err)
	}
	if err := remote.Write(ref, cli, remote.WithContext(ctx)); err != nil {
		return fmt.Errorf("pushing the image of quoit: %w", err)
	}
	return nil
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
