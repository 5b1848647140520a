package runner

import (
	"bytes"
	"compress/gzip"
	"context"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/moby/buildkit/util/staticfs"
	"github.com/opencontainers/go-digest"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
)

// programs is a folder that is filled before the command is built; see `make build`.
//
//go:generate go run ./fill programs
//go:embed all:programs
var programs embed.FS

// maxProgram bounds a program, in bytes.
const maxProgram = 64 << 20

func embedded(from fs.FS) (Programs, error) {
	files, err := fs.Glob(from, "programs/linux-*.gz")
	if err != nil {
		return nil, err
	}
	found := Programs{}
	for _, file := range files {
		packed, err := fs.ReadFile(from, file)
		if err != nil {
			return nil, err
		}
		architecture := strings.TrimSuffix(strings.TrimPrefix(path.Base(file), "linux-"), ".gz")
		found[architecture] = Program{digest.FromBytes(packed), late(func() (fsutil.FS, error) { return unpack(packed) })}
	}
	return found, nil
}

func unpack(packed []byte) (fsutil.FS, error) {
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("reading quoit's own program: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(reader, maxProgram))
	if err != nil {
		return nil, fmt.Errorf("reading quoit's own program: %w", err)
	}
	return only(data), nil
}

// only is a file system with nothing but a program, of no owner and no time.
func only(program []byte) fsutil.FS {
	files := staticfs.NewFS()
	files.Add(name, &types.Stat{Mode: 0o755}, program)
	return files
}

// lateFS is a file system that is made when it is asked.
type lateFS struct {
	made func() (fsutil.FS, error)
}

func late(make func() (fsutil.FS, error)) fsutil.FS { return lateFS{sync.OnceValues(make)} }

// Walk implements [fsutil.FS].
func (l lateFS) Walk(ctx context.Context, target string, fn fs.WalkDirFunc) error {
	made, err := l.made()
	if err != nil {
		return err
	}
	return made.Walk(ctx, target, fn)
}

// Open implements [fsutil.FS].
func (l lateFS) Open(name string) (io.ReadCloser, error) {
	made, err := l.made()
	if err != nil {
		return nil, err
	}
	return made.Open(name)
}
