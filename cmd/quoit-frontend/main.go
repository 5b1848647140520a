// Command quoit-frontend is the frontend image's only binary. BuildKit starts
// it without arguments and talks to it over stdin and stdout; the frontend
// starts it as a build step to hash what images read.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/frontend/gateway/grpcclient"
	"github.com/moby/buildkit/util/appcontext"

	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/internal/show"
	"github.com/quoitbuild/quoit/revision/disk"
)

// version is set when the image is built.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(appcontext.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "quoit-frontend:", show.Block(err.Error()))
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if step, err := disk.AnswerStep(ctx, args); step {
		return err
	}
	switch {
	case len(args) == 1 && (args[0] == "version" || args[0] == "--version"):
		fmt.Println("quoit-frontend", version)
		return nil
	case len(args) > 0:
		return fmt.Errorf("unknown arguments %q: BuildKit runs this binary, see `docker buildx build --help`", args)
	}
	return grpcclient.RunFromEnvironment(ctx, frontend.New(frontend.Host{Runner: currentFrontend}))
}

var errTooOld = errors.New("this BuildKit is too old to tell a frontend which image it runs from: update BuildKit")

// currentFrontend runs this very image.
func currentFrontend(c client.Client) (bk.State, string, error) {
	current, ok := c.(interface{ CurrentFrontend() (*bk.State, error) })
	if !ok {
		return bk.State{}, "", errTooOld
	}
	st, err := current.CurrentFrontend()
	if err != nil {
		return bk.State{}, "", fmt.Errorf("finding the frontend's own image: %w", err)
	}
	if st == nil {
		return bk.State{}, "", errTooOld
	}
	return *st, "/quoit-frontend", nil
}
