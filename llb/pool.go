package llb

import (
	"fmt"
	"maps"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	"google.golang.org/protobuf/proto"
)

// output is one result of an op.
type output struct {
	digest string
	index  int64
}

// pool is the project's one graph: ops of many definitions, each once.
type pool struct {
	ops    map[string]*node
	infos  []*pb.SourceInfo
	byFile map[string]int32
}

type node struct {
	raw       []byte
	inputs    []string
	meta      *pb.OpMetadata
	locations *pb.Locations
}

func newPool() *pool {
	return &pool{ops: map[string]*node{}, byFile: map[string]int32{}}
}

// replacement is what becomes of a source op: it gives way to an output, or stays, perhaps
// changed.
type replacement struct {
	by         *output
	capability string // that BuildKit needs for what was changed in it, "" if nothing was
}

// add puts a definition's ops into the pool, and source ops as replace says. The result is
// what the definition's last op points at.
func (p *pool) add(def *pb.Definition, replace func(*pb.Op) (replacement, error), rename func(string) string) (output, error) {
	moved := map[string]output{}
	var last output
	for i, raw := range def.Def {
		old := digest.FromBytes(raw).String()
		var op pb.Op
		if err := op.UnmarshalVT(raw); err != nil {
			return output{}, fmt.Errorf("reading op %d of a definition: %w", i, err)
		}
		var become replacement
		if op.GetSource() != nil {
			var err error
			if become, err = replace(&op); err != nil {
				return output{}, err
			}
			if become.by != nil {
				moved[old] = *become.by
				continue
			}
		}
		changed := redirect(&op, moved) || become.capability != ""
		if op.Op == nil && len(op.Inputs) == 1 {
			last = output{digest: op.Inputs[0].Digest, index: op.Inputs[0].Index}
			continue
		}
		if changed {
			var err error
			if raw, err = (proto.MarshalOptions{Deterministic: true}).Marshal(&op); err != nil {
				return output{}, fmt.Errorf("writing op %d of a definition: %w", i, err)
			}
		}
		put := p.put(raw, &op, def, old, rename)
		if become.capability != "" {
			p.require(put, become.capability)
		}
		moved[old] = output{digest: put}
	}
	return last, nil
}

// require notes that an op needs a capability.
func (p *pool) require(dgst, capability string) {
	meta := p.ops[dgst].meta.CloneVT()
	if meta == nil {
		meta = &pb.OpMetadata{}
	}
	if meta.Caps == nil {
		meta.Caps = map[string]bool{}
	}
	meta.Caps[capability] = true
	p.ops[dgst].meta = meta
}

// redirect points an op's inputs at where earlier ops have moved to.
func redirect(op *pb.Op, moved map[string]output) (changed bool) {
	for _, input := range op.Inputs {
		to, ok := moved[input.Digest]
		if !ok {
			continue
		}
		if input.Digest != to.digest || to.index != 0 {
			changed = true
			input.Digest = to.digest
			input.Index += to.index
		}
	}
	return changed
}

func (p *pool) put(raw []byte, op *pb.Op, def *pb.Definition, old string, rename func(string) string) string {
	dgst := digest.FromBytes(raw).String()
	if _, ok := p.ops[dgst]; ok {
		return dgst
	}
	n := &node{raw: raw, meta: renamed(def.Metadata[old], rename)}
	for _, input := range op.Inputs {
		n.inputs = append(n.inputs, input.Digest)
	}
	if def.Source != nil {
		n.locations = p.relocate(def.Source, def.Source.Locations[old])
	}
	p.ops[dgst] = n
	return dgst
}

// relocate carries an op's place in its container file over to the pool's list
// of files.
func (p *pool) relocate(source *pb.Source, at *pb.Locations) *pb.Locations {
	if at == nil {
		return nil
	}
	out := &pb.Locations{}
	for _, l := range at.Locations {
		if int(l.SourceIndex) >= len(source.Infos) || l.SourceIndex < 0 {
			continue
		}
		info := source.Infos[l.SourceIndex]
		i, ok := p.byFile[info.Filename]
		if !ok {
			i = int32(len(p.infos))
			p.infos = append(p.infos, info)
			p.byFile[info.Filename] = i
		}
		out.Locations = append(out.Locations, &pb.Location{SourceIndex: i, Ranges: l.Ranges})
	}
	return out
}

const customName = "llb.customname"

func renamed(meta *pb.OpMetadata, rename func(string) string) *pb.OpMetadata {
	if meta == nil {
		return nil
	}
	meta = meta.CloneVT()
	if name, ok := meta.Description[customName]; ok && rename != nil {
		meta.Description[customName] = rename(name)
		if group := meta.ProgressGroup; group != nil {
			group.Name = rename(group.Name)
		}
	}
	return meta
}

// definition returns the part of the pool that out needs, dependencies first.
func (p *pool) definition(out output) (*pb.Definition, error) {
	def := &pb.Definition{Metadata: map[string]*pb.OpMetadata{}, Source: &pb.Source{Locations: map[string]*pb.Locations{}}}
	infos := map[int32]int32{}
	caps := map[string]bool{}
	seen := map[string]bool{}
	type frame struct {
		digest string
		next   int
	}
	stack := []frame{{digest: out.digest}}
	seen[out.digest] = true
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		n := p.ops[top.digest]
		if n == nil {
			return nil, fmt.Errorf("op %s is missing in the graph", top.digest)
		}
		if top.next < len(n.inputs) {
			input := n.inputs[top.next]
			top.next++
			if !seen[input] {
				seen[input] = true
				stack = append(stack, frame{digest: input})
			}
			continue
		}
		p.emit(def, top.digest, n, infos, caps)
		stack = stack[:len(stack)-1]
	}
	return def, terminate(def, out, caps)
}

func (p *pool) emit(def *pb.Definition, dgst string, n *node, infos map[int32]int32, caps map[string]bool) {
	def.Def = append(def.Def, n.raw)
	if n.meta != nil {
		def.Metadata[dgst] = n.meta
		maps.Copy(caps, n.meta.Caps)
	}
	if n.locations == nil {
		return
	}
	at := &pb.Locations{}
	for _, l := range n.locations.Locations {
		i, ok := infos[l.SourceIndex]
		if !ok {
			i = int32(len(def.Source.Infos))
			infos[l.SourceIndex] = i
			def.Source.Infos = append(def.Source.Infos, p.infos[l.SourceIndex])
		}
		at.Locations = append(at.Locations, &pb.Location{SourceIndex: i, Ranges: l.Ranges})
	}
	def.Source.Locations[dgst] = at
}

func terminate(def *pb.Definition, out output, caps map[string]bool) error {
	raw, err := (proto.MarshalOptions{Deterministic: true}).Marshal(&pb.Op{
		Inputs: []*pb.Input{{Digest: out.digest, Index: out.index}},
	})
	if err != nil {
		return fmt.Errorf("writing a definition's last op: %w", err)
	}
	def.Def = append(def.Def, raw)
	def.Metadata[digest.FromBytes(raw).String()] = &pb.OpMetadata{Caps: caps}
	return nil
}

// inImage puts the image's name into the name of a step:
// "[build 2/3] RUN make" becomes "[api build 2/3] RUN make".
func inImage(image string) func(string) string {
	return func(name string) string {
		if rest, ok := strings.CutPrefix(name, "["); ok && !strings.HasPrefix(rest, image+" ") {
			return "[" + image + " " + rest
		}
		return name
	}
}
