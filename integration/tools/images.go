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
)

// images are the targets of the Dockerfile, the repository each is pushed to,
// and the variable that has the reference.
var images = []struct{ target, repository, variable string }{
	{"frontend", "quoitbuild/quoit", "QUOIT_FRONTEND"},
	{"cli", "quoitbuild/quoit-cli", "QUOIT_CLI_IMAGE"},
}

func pushImages(ctx context.Context, s *stack.Stack) error {
	for _, image := range images {
		before := pushedDigest(ctx, s.Ref(image.repository+":1"))
		if before == "" {
			fmt.Printf("building the %s image (a minute or two with an empty cache)\n", image.target)
		}
		ref, digest, err := s.PushTarget(ctx, image.target, image.repository)
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
		fmt.Printf("%s %s: %s\n", image.target, what, ref)
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
