package llb

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/containerd/platforms"
	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/solver/pb"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// Builder makes the graphs that are solved: the compiled images with real
// contexts and siblings. It is for one goroutine.
type Builder struct {
	// Compiler compiled the images.
	Compiler *Compiler
	// Context is the context of an image.
	Context func(Source) bk.State
	// Published is the reference by digest of an image that is not built now,
	// or "" if it is built from source.
	Published func(image string, platform ocispecs.Platform) string
	// Remotes are the digests of remote sources, by name.
	Remotes map[string]string

	pool    *pool
	outputs map[string]output
	busy    map[string]bool
}

// Image returns the definition of a compiled image with all that it needs, nil
// for an image without layers. Extra files are put on top.
func (b *Builder) Image(ctx context.Context, c *Compiled, extra map[string][]byte) (*pb.Definition, error) {
	if b.pool == nil {
		b.pool, b.outputs, b.busy = newPool(), map[string]output{}, map[string]bool{}
	}
	out, err := b.image(ctx, c)
	if err != nil {
		return nil, err
	}
	if len(extra) > 0 {
		if out, err = b.withFiles(ctx, c, out, extra); err != nil {
			return nil, err
		}
	}
	if out.digest == "" {
		return nil, nil
	}
	return b.pool.definition(out)
}

func (b *Builder) image(ctx context.Context, c *Compiled) (output, error) {
	if c.isScratch() {
		return output{}, nil
	}
	key := c.Source.Name + "/" + c.Source.Target + " " + platforms.FormatAll(c.Platform)
	if out, ok := b.outputs[key]; ok {
		return out, nil
	}
	if b.busy[key] {
		return output{}, fmt.Errorf("image %s builds on itself", c.Source.Name)
	}
	b.busy[key] = true
	out, err := b.pool.add(c.Definition, func(op *pb.Op) (replacement, error) { return b.replace(ctx, c, op) }, inImage(c.Source.Name))
	if err != nil {
		return output{}, fmt.Errorf("image %s: %w", c.Source.Name, err)
	}
	b.outputs[key] = out
	return out, nil
}

// replace puts the real context and siblings in the place of their marks, and pins what comes
// from elsewhere to what was planned.
func (b *Builder) replace(ctx context.Context, c *Compiled, op *pb.Op) (replacement, error) {
	source := op.GetSource()
	if IsContext(source) {
		out, err := b.state(ctx, b.Context(c.Source), c.Platform)
		return replacement{by: &out}, err
	}
	if named := c.Source.folder(source); named != nil {
		out, err := b.state(ctx, b.Context(c.Source.Within(*named)), c.Platform)
		return replacement{by: &out}, err
	}
	if name, ok := siblingOf(source); ok {
		out, err := b.sibling(ctx, name, op.Platform.Spec())
		return replacement{by: &out}, err
	}
	if name, ok := remoteName(source); ok && b.Remotes[name] != "" {
		return replacement{capability: pin(source, b.Remotes[name])}, nil
	}
	return replacement{}, nil
}

func (b *Builder) sibling(ctx context.Context, name string, platform ocispecs.Platform) (output, error) {
	if ref := b.Published(name, platform); ref != "" {
		st := bk.Image(ref, bk.Platform(platform), bk.WithCustomName("["+name+"] "+ref))
		return b.state(ctx, st, platform)
	}
	c, err := b.Compiler.compile(ctx, nil, name, platform)
	if err != nil {
		return output{}, err
	}
	out, err := b.image(ctx, c)
	if err == nil && out.digest == "" {
		// A named context has a mark even if it is an image without layers.
		return b.state(ctx, bk.Scratch().File(bk.Mkdir("/", 0o755, bk.WithParents(true))), platform)
	}
	return out, err
}

// state puts a state of our own into the pool.
func (b *Builder) state(ctx context.Context, st bk.State, platform ocispecs.Platform) (output, error) {
	def, err := st.Marshal(ctx, bk.Platform(platform), bk.WithCaps(b.Compiler.Gateway.BuildOpts().LLBCaps))
	if err != nil {
		return output{}, fmt.Errorf("writing the graph: %w", err)
	}
	return b.pool.add(def.ToPB(), func(*pb.Op) (replacement, error) { return replacement{}, nil }, nil)
}

// withFiles puts files on top of an image, in a layer of their own.
func (b *Builder) withFiles(ctx context.Context, c *Compiled, on output, files map[string][]byte) (output, error) {
	base := bk.Scratch()
	if on.digest != "" {
		base = bk.Image(siblingHost + "top:latest")
	}
	st := fileLayer(base, files, c)
	def, err := st.Marshal(ctx, bk.Platform(c.Platform), bk.WithCaps(b.Compiler.Gateway.BuildOpts().LLBCaps))
	if err != nil {
		return output{}, fmt.Errorf("image %s: writing its graph: %w", c.Source.Name, err)
	}
	return b.pool.add(def.ToPB(), func(op *pb.Op) (replacement, error) {
		if _, ok := siblingOf(op.GetSource()); ok {
			return replacement{by: &on}, nil
		}
		return replacement{}, nil
	}, nil)
}

// fileLayer adds files with fixed modes and times as one layer.
func fileLayer(st bk.State, files map[string][]byte, c *Compiled) bk.State {
	var action *bk.FileAction
	created := bk.WithCreatedTime(time.Unix(0, 0))
	made := map[string]bool{"/": true}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if dir := path.Dir(name); !made[dir] {
			made[dir] = true
			action = mkdir(action, dir, created)
		}
		if action == nil {
			action = bk.Mkfile(name, 0o644, files[name], created)
		} else {
			action = action.Mkfile(name, 0o644, files[name], created)
		}
	}
	names := strings.Join(slices.Sorted(maps.Keys(files)), " ")
	return st.File(action, bk.WithCustomName("["+c.Source.Name+"] "+names))
}

func mkdir(action *bk.FileAction, dir string, created bk.CreatedTime) *bk.FileAction {
	if action == nil {
		return bk.Mkdir(dir, 0o755, bk.WithParents(true), created)
	}
	return action.Mkdir(dir, 0o755, bk.WithParents(true), created)
}
