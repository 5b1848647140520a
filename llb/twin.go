package llb

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/containerd/platforms"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
)

// warning is what the compiler says of a container file.
type warning struct {
	message string
	opts    client.WarnOpts
}

// twinKey is equal for units whose compiles say the same, but for the file's
// name: contexts and siblings are marks.
func twinKey(u *unit) (string, error) {
	var all []string
	for _, platform := range u.source.Platforms {
		all = append(all, platforms.FormatAll(platform))
	}
	key, err := json.Marshal([]any{
		u.source.Map.Data, u.source.IgnoreFile, u.source.Target, u.source.Args, u.source.Labels, platforms.FormatAll(u.platform), all, u.source.Contexts, u.source.NoCache,
	})
	if err != nil {
		return "", fmt.Errorf("image %s: %w", u.source.Name, err)
	}
	return string(key), nil
}

// fromTwin returns what the compile of an equal container file gave, nil if
// there is none that helps: then the unit is compiled by itself, so that a
// mistake is told of the right file.
func (c *Compiler) fromTwin(ctx context.Context, u *unit) (*Compiled, error) {
	if ref, _, _ := u.source.Syntax(); ref != "" {
		return nil, nil // what another frontend makes of its file may depend on its place
	}
	key, err := twinKey(u)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	twin := c.twins[key]
	if twin == nil {
		if c.twins == nil {
			c.twins = map[string]*unit{}
		}
		c.twins[key] = u
	}
	waits := twin != nil && waitPath(twin, u, map[*unit]bool{}) == nil
	if waits {
		u.waits[twin] = true
	}
	c.mu.Unlock()
	if !waits {
		return nil, nil
	}
	<-twin.done
	c.mu.Lock()
	delete(u.waits, twin)
	c.mu.Unlock()
	if twin.err != nil || slices.Contains(twin.result.Siblings, u.source.Name) {
		return nil, nil
	}
	for _, w := range twin.warnings {
		c.warn(ctx, u, w)
	}
	compiled := *twin.result
	compiled.Source = u.source
	compiled.Definition = inFile(compiled.Definition, u.source)
	return &compiled, nil
}

// inFile returns a definition that names another container file.
func inFile(def *pb.Definition, source Source) *pb.Definition {
	if def == nil {
		return nil
	}
	moved := &pb.Definition{Def: def.Def, Metadata: def.Metadata}
	if def.Source != nil {
		moved.Source = &pb.Source{Locations: def.Source.Locations}
		for _, info := range def.Source.Infos {
			moved.Source.Infos = append(moved.Source.Infos, &pb.SourceInfo{
				Filename: source.Map.Filename, Data: info.Data, Definition: info.Definition, Language: info.Language,
			})
		}
	}
	return moved
}
