package folder

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/util/grpcerrors"
	fstypes "github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc/codes"
)

// Reader reads files as a [client.Reference] does.
type Reader interface {
	ReadFile(context.Context, client.ReadRequest) ([]byte, error)
	ReadDir(context.Context, client.ReadDirRequest) ([]*fstypes.Stat, error)
}

// Listed is a tree of few files in which nothing is asked for that is not there: each folder
// is listed once.
type Listed struct {
	Reader
	mu      sync.Mutex
	folders map[string]*listing
}

type listing struct {
	once  sync.Once
	names []string
	err   error
}

// NewListed lists folders of a tree when they are first asked for.
func NewListed(tree Reader) *Listed { return &Listed{Reader: tree, folders: map[string]*listing{}} }

// ReadFile is the tree's.
func (l *Listed) ReadFile(ctx context.Context, r client.ReadRequest) ([]byte, error) {
	folder := path.Dir(r.Filename)
	l.mu.Lock()
	known, ok := l.folders[folder]
	if !ok {
		known = &listing{}
		l.folders[folder] = known
	}
	l.mu.Unlock()
	known.once.Do(func() {
		var entries []*fstypes.Stat
		entries, known.err = l.Reader.ReadDir(ctx, client.ReadDirRequest{Path: folder})
		for _, entry := range entries {
			known.names = append(known.names, path.Base(entry.Path))
		}
	})
	if IsNotFound(known.err) {
		return nil, known.err
	}
	// No message can list a folder with a name that is no text.
	if known.err == nil && !slices.Contains(known.names, path.Base(r.Filename)) {
		return nil, &fs.PathError{Op: "open", Path: r.Filename, Err: fs.ErrNotExist}
	}
	return l.Reader.ReadFile(ctx, r)
}

// IsNoFile tells whether what was to be read is there and is no file.
func IsNoFile(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "not a regular file") || strings.Contains(err.Error(), "is a directory"))
}

// IsNotFound tells whether a file is not there.
func IsNotFound(err error) bool {
	if err == nil {
		return false
	}
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, os.ErrNotExist) || grpcerrors.Code(err) == codes.NotFound ||
		strings.Contains(err.Error(), "no such file or directory") || strings.Contains(err.Error(), "not a directory")
}
