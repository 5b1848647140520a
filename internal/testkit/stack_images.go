package testkit

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"
)

// Where the images of the repository's own Dockerfile go.
const (
	frontendRepository = "quoitbuild/quoit"
	cliRepository      = "quoitbuild/quoit-cli"
	imageTag           = "dev"
)

// PushFrontend builds the frontend's image from the repository's Dockerfile,
// pushes it, and returns its reference, fit for a `# syntax=` line. The same
// sources give the same digest.
func (s *Stack) PushFrontend(ctx context.Context) (ref string, err error) {
	ref, _, err = s.PushTarget(ctx, "frontend", frontendRepository)
	return ref, err
}

// PushCLI is PushFrontend for the image that has the quoit command.
func (s *Stack) PushCLI(ctx context.Context) (ref string, err error) {
	ref, _, err = s.PushTarget(ctx, "cli", cliRepository)
	return ref, err
}

// PushTarget builds a target of the repository's Dockerfile and pushes it to
// a repository of the stack's registry, as tag dev. It returns the reference
// by tag, and the digest.
func (s *Stack) PushTarget(ctx context.Context, target, repository string) (ref, digest string, err error) {
	root, err := RepoRoot()
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
			err = errors.Join(err, errors.New("the steps printed:\n"+lastLines(string(output), 30)))
		}
		return nil, err
	}
	return response, nil
}

func lastLines(text string, count int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], "\n")
}
