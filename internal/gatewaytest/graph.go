package gatewaytest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	"github.com/tonistiigi/fsutil"

	"github.com/quoitbuild/quoit/internal/trees"
	"github.com/quoitbuild/quoit/revision"
	"github.com/quoitbuild/quoit/revision/disk"
)

// graph is a definition that can be walked.
type graph struct {
	order []string
	ops   map[string]*pb.Op
}

func readGraph(def *pb.Definition) (graph, error) {
	g := graph{ops: map[string]*pb.Op{}}
	for i, raw := range def.Def {
		op := &pb.Op{}
		if err := op.UnmarshalVT(raw); err != nil {
			return g, fmt.Errorf("reading op %d of a definition: %w", i, err)
		}
		dgst := digest.FromBytes(raw).String()
		g.order, g.ops[dgst] = append(g.order, dgst), op
	}
	if len(g.order) == 0 {
		return g, errors.New("the definition is empty")
	}
	return g, nil
}

// last is the op whose result the definition is.
func (g graph) last() *pb.Op {
	end := g.ops[g.order[len(g.order)-1]]
	return g.ops[end.Inputs[0].Digest]
}

// isHash tells whether an exec is the frontend's hash step.
func isHash(exec *pb.ExecOp) bool {
	args := exec.GetMeta().GetArgs()
	return len(args) == 5 && args[1] == "hash"
}

// hash answers a hash step about the folder.
func (g *Gateway) hash(ctx context.Context, graph graph, op *pb.Op) (*files, error) {
	args := op.GetExec().Meta.Args
	data, err := graph.mounted(op, args[3])
	if err != nil {
		return nil, err
	}
	var request revision.Request
	if err := json.Unmarshal(data, &request); err != nil {
		return nil, fmt.Errorf("reading the request: %w", err)
	}
	there, err := os.MkdirTemp("", "hash")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(there)
	for _, mount := range op.GetExec().Mounts {
		if below, ok := strings.CutPrefix(mount.Dest, args[2]); ok {
			if err := g.send(ctx, graph, op.Inputs[mount.Input].Digest, filepath.Join(there, below)); err != nil {
				return nil, err
			}
		}
	}
	response, err := disk.Answer(ctx, there, request, disk.Options{})
	if err != nil {
		return nil, err
	}
	data, err = json.Marshal(response)
	return &files{byName: map[string][]byte{path.Base(args[4]): data}}, err
}

// send puts what the client sends of the folder where it is mounted. A tree that it does not
// send is the folder.
func (g *Gateway) send(ctx context.Context, graph graph, from, to string) error {
	op := graph.ops[from]
	if op.GetFile() != nil { // which joins trees
		for _, input := range op.Inputs {
			if err := g.send(ctx, graph, input.Digest, to); err != nil {
				return err
			}
		}
		return nil
	}
	attrs := op.GetSource().GetAttrs()
	filter := &fsutil.FilterOpt{}
	for attr, patterns := range map[string]*[]string{pb.AttrIncludePatterns: &filter.IncludePatterns, pb.AttrExcludePatterns: &filter.ExcludePatterns} {
		if text := attrs[attr]; text != "" {
			if err := json.Unmarshal([]byte(text), patterns); err != nil {
				return fmt.Errorf("reading %s: %w", attr, err)
			}
		}
	}
	alone, err := os.MkdirTemp("", "sent")
	if err != nil {
		return err
	}
	defer os.RemoveAll(alone)
	if err := errors.Join(trees.Send(ctx, g.Folder, alone, filter), os.MkdirAll(to, 0o755)); err != nil {
		return err
	}
	var names []string
	err = filepath.WalkDir(alone, func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			name, err = filepath.Rel(alone, name)
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	g.sent[attrs[pb.AttrSharedKeyHint]] = names
	return errors.Join(err, trees.Add(ctx, alone, to))
}

// mounted is a file that an exec has from a mount which writes just that file.
func (g graph) mounted(op *pb.Op, file string) ([]byte, error) {
	for _, mount := range op.GetExec().Mounts {
		if mount.Dest != path.Dir(file) {
			continue
		}
		for _, action := range g.ops[op.Inputs[mount.Input].Digest].GetFile().GetActions() {
			if made := action.GetMkfile(); made != nil && path.Base(made.Path) == path.Base(file) {
				return made.Data, nil
			}
		}
	}
	return nil, fmt.Errorf("nothing writes %s", file)
}

// Sources are the identifiers of a definition's source ops, sorted.
func Sources(def *pb.Definition) ([]string, error) {
	g, err := readGraph(def)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, op := range g.ops {
		if source := op.GetSource(); source != nil {
			all = append(all, source.Identifier)
		}
	}
	slices.Sort(all)
	return all, nil
}
