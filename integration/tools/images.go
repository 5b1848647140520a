package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/quoitbuild/quoit/internal/testkit/stack"
	"github.com/quoitbuild/quoit/internal/testkit/tools"
)

// images are those of this repository: the program in each, the repository that it is pushed
// to, and the variable that has the reference.
var images = []struct {
	program, repository, variable string
	push                          func(s *stack.Stack, ctx context.Context, program string) (ref, digest string, err error)
}{
	{"quoit-frontend", "quoitbuild/quoit", "QUOIT_FRONTEND", (*stack.Stack).PushFrontend},
	{"quoit", "quoitbuild/quoit-cli", "QUOIT_CLI_IMAGE", (*stack.Stack).PushCLI},
}

// pushImages pushes the programs that `make build` has made.
func pushImages(ctx context.Context, s *stack.Stack) error {
	root, err := tools.RepoRoot()
	if err != nil {
		return err
	}
	for _, image := range images {
		before := pushedDigest(ctx, s.Ref(image.repository+":1"))
		ref, digest, err := image.push(s, ctx, filepath.Join(root, "bin", image.program))
		if err != nil {
			return err
		}
		what := "is new"
		switch before {
		case digest:
			what = "is unchanged"
		case "":
			what = "is pushed"
		}
		fmt.Printf("the image of %s %s: %s\n", image.program, what, ref)
	}
	return nil
}

// pushedDigest is "" for an image that is not there yet.
func pushedDigest(ctx context.Context, image string) string {
	ref, err := name.ParseReference(image)
	if err != nil {
		return ""
	}
	descriptor, err := remote.Head(ref, remote.WithContext(ctx))
	if err != nil {
		return ""
	}
	return descriptor.Digest.String()
}

// writeEnv writes .stack/env, to be sourced by a shell.
func writeEnv(s *stack.Stack) error {
	file, err := stackFile("env")
	if err != nil {
		return err
	}
	root := filepath.Dir(filepath.Dir(file))
	path := strings.Join(append([]string{filepath.Join(root, "bin")}, s.BinDirs...), ":")
	var text strings.Builder
	for _, variable := range s.Env() {
		key, value, _ := strings.Cut(variable, "=")
		if key != "PATH" {
			fmt.Fprintf(&text, "export %s=%s\n", key, quote(value))
		}
	}
	for _, image := range images {
		fmt.Fprintf(&text, "export %s=%s\n", image.variable, quote(s.Ref(image.repository+":1")))
	}
	fmt.Fprintf(&text, "export PATH=%s:\"$PATH\"\n", quote(path))
	if err := os.WriteFile(file, []byte(text.String()), 0o644); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return nil
}

func quote(value string) string {
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}
