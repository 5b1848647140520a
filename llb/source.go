// Package llb turns the images of a project into one LLB graph.
//
// Each image is compiled by BuildKit's own Dockerfile compiler with marks in
// place of its context and of its siblings. The marks tell what the image reads
// and needs; once versions are decided they are replaced by the project's one
// context and by the siblings' graphs, or by registry images for those that did
// not change.
//
// [Compiler.All] compiles, [Builder.Image] makes the graph that is solved.
// [Externals] looks up what the project does not build.
package llb

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/distribution/reference"
	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Source is what the project says of one image.
type Source struct {
	Name string
	// Context is the image's folder below the project's root, "." for the root.
	Context string
	// File is the container file's path below the project's root.
	File string
	// Map holds the container file's bytes, for excerpts in errors. It has no
	// definition: every ref of a result would carry it.
	Map *bk.SourceMap
	// Files is the source that the container file was read from.
	Files *bk.Definition
	// IgnoreFile holds the bytes of the ignore file that applies, Ignore its
	// patterns.
	IgnoreFile []byte
	Ignore     []string
	// Contexts are what other names mean in the container file, sorted by name.
	Contexts []NamedContext
	// Target is the stage to build, "" for the last.
	Target string
	// Args are the build arguments with a value.
	Args map[string]string
	// Labels are the manifest's and the command line's.
	Labels map[string]string
	// NoCache are the stages whose steps run even if they are cached; nil: none, empty: all.
	NoCache []string
	// Platforms are all that the image is built for, at least one.
	Platforms []ocispecs.Platform
}

// Syntax returns the frontend that the container file asks for in its syntax
// line and the line's text, or "" if the embedded compiler is meant.
func (s Source) Syntax() (ref, cmdline string, location []parser.Range) {
	ref, cmdline, location, ok := parser.DetectSyntax(s.Map.Data)
	if !ok || isDockerfileFrontend(ref) {
		return "", "", nil
	}
	return ref, cmdline, location
}

// check refuses a file that the embedded compiler is not to read, or that asks for a
// frontend that may not be run.
func (s Source) check(frontends Frontends) error {
	if ref, _, location := s.Syntax(); ref != "" {
		if err := frontends.Allow(ref); err != nil {
			return parser.WithLocation(err, location)
		}
		return nil
	}
	return checkBounds(s.Map.Data, s.Args)
}

// Names is where the container file names an image, as a registry's reference; none if that
// cannot be told, as where a base image brings it.
func (s Source) Names(ref string) []parser.Range {
	meant, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return nil
	}
	for _, place := range readNamings(s.Map.Data, nil, s.Args).places {
		named, err := reference.ParseNormalizedNamed(place.ref)
		if err == nil && reference.TagNameOnly(named).String() == reference.TagNameOnly(meant).String() {
			return place.at
		}
	}
	return nil
}

func isDockerfileFrontend(ref string) bool {
	name, _, _ := strings.Cut(ref, "@")
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
		name = name[:i]
	}
	name = strings.TrimPrefix(name, "docker.io/")
	return name == "docker/dockerfile" || name == "docker/dockerfile-upstream"
}

// Frontends are the images that a syntax line may name; nil: any. Each is a repository,
// "registry.example.com/team/frontend", in which * stands for any part of a component; one
// with a tag or a digest is for that alone. Docker's own frontend and Quoit's are always
// among them.
type Frontends []string

// ownFrontends are the repositories of frontends that are always allowed.
var ownFrontends = Frontends{"docker.io/docker/dockerfile", "ghcr.io/quoitbuild/quoit"}

// Check says which of them is none.
func (f Frontends) Check() error {
	for _, pattern := range f {
		if _, err := parseFrontend(pattern); err != nil {
			return err
		}
	}
	return nil
}

// Allow refuses an image that is not among them.
func (f Frontends) Allow(ref string) error {
	if f == nil {
		return nil
	}
	all := slices.Concat(ownFrontends, f)
	image, err := parseFrontend(ref)
	if err == nil && !strings.Contains(ref, "*") && slices.ContainsFunc(all, image.among) {
		return nil
	}
	return &FrontendError{ref, all}
}

// FrontendError says that a frontend's image may not be run.
type FrontendError struct {
	Image   string
	Allowed Frontends
}

// Error names those that may be.
func (e *FrontendError) Error() string {
	return fmt.Sprintf("the frontend %.300q is not among those that may be run: %s; whoever starts the build can add it by --allow-syntax or QUOIT_ALLOW_SYNTAX",
		e.Image, strings.Join(e.Allowed, ", "))
}

// frontend is an image's name in parts, or a pattern for it.
type frontend struct{ repository, tag, digest string }

// parseFrontend reads a name as BuildKit does, or a pattern.
func parseFrontend(text string) (frontend, error) {
	var f frontend
	named, err := reference.ParseNormalizedNamed(strings.ReplaceAll(text, "*", "x"))
	if err != nil {
		return f, fmt.Errorf("%.300q is not the image of a frontend: write registry.example.com/team/frontend", text)
	}
	f.repository, f.digest, _ = strings.Cut(text, "@")
	if i := strings.LastIndex(f.repository, ":"); i > strings.LastIndex(f.repository, "/") {
		f.repository, f.tag = f.repository[:i], f.repository[i+1:]
	}
	// What is left out of a name is added in front.
	added := len(named.Name()) - len(f.repository)
	if f.repository = named.Name()[:max(added, 0)] + f.repository; added < 0 {
		f.repository = named.Name() // a host that is called otherwise
	}
	return f, nil
}

// among tells whether a pattern is for the image.
func (f frontend) among(pattern string) bool {
	p, err := parseFrontend(pattern)
	if err != nil {
		return false
	}
	matched, _ := path.Match(p.repository, f.repository) // its only special character is *
	switch {
	case p.digest != "":
		return matched && f.digest == p.digest
	case p.tag != "":
		return matched && f.digest == "" && f.tag == p.tag
	}
	return matched
}
