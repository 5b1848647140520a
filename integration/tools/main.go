// Command tools starts and stops the stack of registry, BuildKit, cluster and engine for
// use by hand, and builds what they are made of. The Makefile calls it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/quoitbuild/quoit/internal/testkit/stack"
	"github.com/quoitbuild/quoit/internal/testkit/tools"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := newRootCmd().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func newRootCmd() *cobra.Command {
	root := &cobra.Command{
		Use:           "tools",
		Short:         "Start and stop the registry and the BuildKit for work by hand",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	for _, c := range []struct {
		use, short string
		run        func(context.Context) error
	}{
		{"announce", "Say what prepare is about to install and build; an error if it may not", announce},
		{"lint", "Run staticcheck and deadcode, which it builds if they are not in the cache", lint},
		{"prepare", "Build what a stack, a cluster and an engine are made of, unless it is in the cache", prepare},
		{"up", "Start the stack, build and push the images, write .stack/env", up},
		{"up-cluster", "Start a cluster, and the stack if it is not up", upCluster},
		{"down-cluster", "Stop the cluster", downCluster},
		{"up-engine", "Start a Docker Engine, and the stack if it is not up", upEngine},
		{"up-classic-engine", "The same with the classic image store", upClassicEngine},
		{"down-engine", "Stop the Docker Engine", downEngine},
		{"down", "Stop the stack with its cluster and engine", down},
		{"env", "Print the variables that .stack/env sets", env},
		{"frontend", "Build and push the images of a stack that is up", frontend},
	} {
		root.AddCommand(&cobra.Command{
			Use: c.use, Short: c.short, Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context()) },
		})
	}
	return root
}

func up(ctx context.Context) error {
	s, err := running()
	if err != nil {
		return err
	}
	if s != nil {
		fmt.Println("the stack is up already, at", s.Registry)
	} else if s, err = startStack(ctx); err != nil {
		return err
	}
	if err := writeEnv(s); err != nil {
		return err
	}
	if err := pushImages(ctx, s); err != nil {
		return err
	}
	fmt.Println("now: . .stack/env")
	return nil
}

// running is the stack that is up, nil if none is. It clears away what a
// killed one has left.
func running() (*stack.Stack, error) {
	file, err := stackFile("state.json")
	if err != nil {
		return nil, err
	}
	s, err := stack.Load(file, os.Stderr)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil || s.Alive() {
		return s, err
	}
	return nil, s.Stop()
}

func startStack(ctx context.Context) (*stack.Stack, error) {
	file, err := stackFile("state.json")
	if err != nil {
		return nil, err
	}
	s, err := stack.Start(ctx, stack.Options{Detached: true, ConfigDir: filepath.Dir(file)})
	if err != nil {
		return nil, err
	}
	if err := s.Save(file); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	fmt.Println("the stack is up, at", s.Registry)
	return s, nil
}

func down(context.Context) error {
	file, err := stackFile("state.json")
	if err != nil {
		return err
	}
	s, err := stack.Load(file, os.Stderr)
	if errors.Is(err, fs.ErrNotExist) {
		fmt.Println("no stack is up")
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.Stop(); err != nil {
		return err
	}
	fmt.Println("the stack is down")
	return os.RemoveAll(filepath.Dir(file))
}

func env(context.Context) error {
	file, err := stackFile("env")
	if err != nil {
		return err
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("no stack is up: %w", err)
	}
	_, err = os.Stdout.Write(content)
	return err
}

func frontend(ctx context.Context) error {
	s, err := running()
	if err != nil {
		return err
	}
	if s == nil {
		return errors.New("no stack is up; run: make up")
	}
	return pushImages(ctx, s)
}

// stackFile is a file in the repository's folder .stack.
func stackFile(name string) (string, error) {
	root, err := tools.RepoRoot()
	return filepath.Join(root, ".stack", name), err
}
