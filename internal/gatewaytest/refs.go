package gatewaytest

import (
	"context"
	"io/fs"
	"slices"

	cacheutil "github.com/moby/buildkit/cache/util"
	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	fstypes "github.com/tonistiigi/fsutil/types"
)

// maxFile is how many bytes of a file are read at most, as BuildKit has a bound.
const maxFile = 16 << 20

// folder is a reference to what the client sent, which notes what is asked of it.
type folder struct {
	*Gateway
	dir string
}

func (f folder) ReadFile(ctx context.Context, r client.ReadRequest) ([]byte, error) {
	f.note("read " + r.Filename)
	req := cacheutil.ReadRequest{Filename: r.Filename}
	if r.Range != nil {
		req.Range = &cacheutil.FileRange{Offset: r.Range.Offset, Length: r.Range.Length}
	}
	return cacheutil.ReadFile(ctx, f.dir, req, maxFile)
}

func (f folder) ReadDir(ctx context.Context, r client.ReadDirRequest) ([]*fstypes.Stat, error) {
	f.note("list " + r.Path)
	return cacheutil.ReadDir(ctx, f.dir, cacheutil.ReadDirRequest{Path: r.Path, IncludePattern: r.IncludePattern})
}

func (f folder) StatFile(ctx context.Context, r client.StatRequest) (*fstypes.Stat, error) {
	return cacheutil.StatFile(ctx, f.dir, r.Path)
}

func (f folder) note(request string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, request)
}

// Requests is what was asked of files that the client sent, "read NAME" and "list FOLDER",
// sorted.
func (g *Gateway) Requests() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Sorted(slices.Values(g.requests))
}

func (f folder) ToState() (bk.State, error)     { return bk.Local("context"), nil }
func (f folder) Evaluate(context.Context) error { return nil }

// noFiles is a reference without files.
type noFiles struct{}

func (noFiles) ReadFile(_ context.Context, r client.ReadRequest) ([]byte, error) {
	return nil, &fs.PathError{Op: "open", Path: r.Filename, Err: fs.ErrNotExist}
}

func (noFiles) ReadDir(context.Context, client.ReadDirRequest) ([]*fstypes.Stat, error) {
	return nil, nil
}

func (noFiles) StatFile(_ context.Context, r client.StatRequest) (*fstypes.Stat, error) {
	return nil, &fs.PathError{Op: "stat", Path: r.Path, Err: fs.ErrNotExist}
}

func (noFiles) ToState() (bk.State, error)     { return bk.Scratch(), nil }
func (noFiles) Evaluate(context.Context) error { return nil }

// files are a reference to a folder with a few files.
type files struct {
	noFiles
	byName map[string][]byte
}

func (f files) ReadFile(ctx context.Context, r client.ReadRequest) ([]byte, error) {
	data, ok := f.byName[r.Filename]
	if !ok {
		return f.noFiles.ReadFile(ctx, r)
	}
	if r.Range != nil {
		data = data[min(r.Range.Offset, len(data)):min(r.Range.Offset+r.Range.Length, len(data))]
	}
	return data, nil
}

// unbuilt is a reference to what a graph would make.
type unbuilt struct {
	noFiles
	def *pb.Definition
}

func (u unbuilt) ToState() (bk.State, error) {
	op, err := bk.NewDefinitionOp(u.def)
	if err != nil {
		return bk.State{}, err
	}
	return bk.NewState(op), nil
}
