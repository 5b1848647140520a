package gatewaytest

import (
	"context"
	"io/fs"

	cacheutil "github.com/moby/buildkit/cache/util"
	bk "github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/solver/pb"
	fstypes "github.com/tonistiigi/fsutil/types"
)

// maxFile is how many bytes of a file are read at most, as BuildKit has a bound.
const maxFile = 16 << 20

// folder is a reference to what the client sent.
type folder string

func (f folder) ReadFile(ctx context.Context, r client.ReadRequest) ([]byte, error) {
	req := cacheutil.ReadRequest{Filename: r.Filename}
	if r.Range != nil {
		req.Range = &cacheutil.FileRange{Offset: r.Range.Offset, Length: r.Range.Length}
	}
	return cacheutil.ReadFile(ctx, string(f), req, maxFile)
}

func (f folder) ReadDir(ctx context.Context, r client.ReadDirRequest) ([]*fstypes.Stat, error) {
	return cacheutil.ReadDir(ctx, string(f), cacheutil.ReadDirRequest{Path: r.Path, IncludePattern: r.IncludePattern})
}

func (f folder) StatFile(ctx context.Context, r client.StatRequest) (*fstypes.Stat, error) {
	return cacheutil.StatFile(ctx, string(f), r.Path)
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
