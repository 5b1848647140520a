package llb

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"

	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/revision"
)

// NamedContext is what a name means in a container file: an image of the project, or a
// folder of it. It takes the place of images and stages of that name.
type NamedContext struct {
	Name   string
	Image  string // "" for a folder
	Folder string // below the project's root, "." for the root
	// IgnoreFile holds the bytes of the folder's ignore file, Ignore its patterns.
	IgnoreFile []byte
	Ignore     []string
}

// UsedContext is a named context that a graph uses, with what it reads of a folder and
// the lines of the container file that have it, 0 where that is not known.
type UsedContext struct {
	Name  string
	Reads []revision.Read
	Lines []int
}

// The marks of an image's named contexts end in their places among [Source.Contexts].
const (
	aliasHost  = "context.quoit.invalid/"
	folderMark = "quoit-context-"
)

// Within is the source of a named context that is a folder, as if it were an image's:
// its name is IMAGE:CONTEXT.
func (s Source) Within(c NamedContext) Source {
	return Source{Name: s.Name + ":" + c.Name, Context: c.Folder, IgnoreFile: c.IgnoreFile, Ignore: c.Ignore}
}

// named is the context of a name, as dockerui looks for it; nil for none.
func (s Source) named(name string) *NamedContext {
	at := slices.IndexFunc(s.Contexts, func(c NamedContext) bool { return c.Name == name })
	if at < 0 {
		return nil
	}
	return &s.Contexts[at]
}

// contextOptions tells the compiler of the named contexts that the command line leaves.
func (s Source) contextOptions(opts map[string]string) {
	for i, c := range s.Contexts {
		key, value := "context:"+c.Name, "local:"+folderMark+strconv.Itoa(i)
		if c.Image != "" {
			value = imageScheme + aliasHost + strconv.Itoa(i)
		}
		if _, given := opts[key]; !given {
			opts[key] = value
		}
	}
}

// alias is the named context that a reference is the mark of, nil for none.
func (s Source) alias(ref string) *NamedContext {
	place, ok := strings.CutPrefix(ref, aliasHost)
	if !ok {
		return nil
	}
	i, err := strconv.Atoi(strings.TrimSuffix(place, ":latest"))
	if err != nil || i < 0 || i >= len(s.Contexts) {
		return nil
	}
	return &s.Contexts[i]
}

// folder is the named context that a source op is the mark of, nil for none.
func (s Source) folder(op *pb.SourceOp) *NamedContext {
	place, ok := strings.CutPrefix(op.GetIdentifier(), "local://"+folderMark)
	if !ok {
		return nil
	}
	i, err := strconv.Atoi(place)
	if err != nil || i < 0 || i >= len(s.Contexts) {
		return nil
	}
	return &s.Contexts[i]
}

// isMark returns what tells the marks of a named context, or of the image's own, "".
func (s Source) isMark(context string) func(*pb.SourceOp) bool {
	if context == "" {
		return IsContext
	}
	return func(op *pb.SourceOp) bool {
		c := s.folder(op)
		return c != nil && c.Name == context
	}
}

// usedContexts are the named contexts that a graph uses, in their order.
func (c *imageClient) usedContexts(def *pb.Definition) ([]UsedContext, error) {
	var used []UsedContext
	for _, named := range c.source.Contexts {
		u := UsedContext{Name: named.Name}
		if named.Image == "" && def != nil {
			var err error
			if u.Reads, u.Lines, err = readsOf(def, c.source.isMark(named.Name)); err != nil {
				return nil, err
			}
		}
		if len(u.Reads) > 0 || c.aliased(named.Name) {
			used = append(used, u)
		}
	}
	return used, nil
}

func (c *imageClient) noteAlias(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aliases[name] = true
}

func (c *imageClient) aliased(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.aliases[name]
}

// ignoredOf is the ignore file that a compile asks for: that of the context, or of a named one.
func (s Source) ignoredOf(def *pb.Definition) []byte {
	for _, raw := range def.GetDef() {
		var op pb.Op
		if op.UnmarshalVT(raw) != nil {
			continue
		}
		if c := s.folder(op.GetSource()); c != nil {
			return c.IgnoreFile
		}
	}
	return s.IgnoreFile
}

// addFolders gives another frontend the marks of folders that its file mentions.
func addFolders(ctx context.Context, req *client.SolveRequest, source Source) error {
	for i, c := range source.Contexts {
		if _, given := req.FrontendOpt["context:"+c.Name]; !given || c.Image != "" {
			continue
		}
		input := folderMark + strconv.Itoa(i)
		if req.FrontendOpt["context:"+c.Name] != "local:"+input {
			continue // the command line's
		}
		req.FrontendOpt["context:"+c.Name] = "input:" + input
		if err := addInput(ctx, req, input, bk.Local(input)); err != nil {
			return fmt.Errorf("image %s: %w", source.Name, err)
		}
	}
	return nil
}

// Mentions tells whether a container file names a context: where it names images and
// stages, and what it calls its stages.
func (s Source) Mentions(name string) bool {
	if ref, _, _ := s.Syntax(); ref != "" {
		return wordPattern(name).Match(s.Map.Data)
	}
	found := readNamings(s.Map.Data, platformArgs(s.Platforms[0], s.Platforms[0]), s.Args)
	if _, stage := found.byName[name]; stage {
		return true
	}
	return slices.ContainsFunc(found.places, func(place naming) bool {
		return contextOf(place.ref) == name || strings.Contains(place.ref, "$")
	})
}

// ReadAt is where the container file reads a path of a named context, or of its own, "".
func (c *Compiled) ReadAt(context, path string) (at diag.Range, ok bool) {
	if c.Definition == nil || c.Definition.Source == nil {
		return at, false
	}
	locations := c.Definition.Source.Locations[revision.Reader(c.Definition, c.Source.isMark(context), path)]
	for _, location := range locations.GetLocations() {
		for _, r := range location.Ranges {
			return diag.Range{Start: position(r.Start), End: position(r.End)}, true
		}
	}
	return at, false
}

// position counts characters from one.
func position(p *pb.Position) diag.Position {
	return diag.Position{Line: int(p.GetLine()), Column: int(p.GetCharacter()) + 1}
}
