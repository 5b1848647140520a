package disk

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"runtime"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/quoitbuild/quoit/internal/input"
	"github.com/quoitbuild/quoit/revision"
)

const (
	// batchSize is how many files are read one after the other.
	batchSize = 64
	// maxReaders bounds the files that are read at a time.
	maxReaders = 8
	// maxReads bounds how often a file is read that changes while it is read.
	maxReads = 3
	// bufferSize is how much of a file is read at once.
	bufferSize = 128 << 10
)

// batch is some files of one folder.
type batch struct {
	folder string
	files  []*revision.File
}

// Digest reads the regular files whose digests are not known.
func (t *tree) Digest(ctx context.Context, folders map[string][]*revision.File) error {
	batches, size := t.unknown(folders)
	p := &progress{tell: t.Progress, of: size}
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(min(maxReaders, 2*runtime.GOMAXPROCS(0)))
	for _, b := range batches {
		eg.Go(func() error { return t.read(ctx, b, p) })
	}
	return eg.Wait()
}

// unknown are the files that have to be read, and how many bytes they have.
func (t *tree) unknown(folders map[string][]*revision.File) (batches []batch, size int64) {
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		var files []*revision.File
		for _, file := range folders[folder] {
			if file.Digest == "" {
				file.Digest = t.cache.get(*file.Sys.(*stamp))
			}
			if file.Digest == "" {
				files = append(files, file)
				size += file.Sys.(*stamp).Size
			}
		}
		for some := range slices.Chunk(files, batchSize) {
			batches = append(batches, batch{folder, some})
		}
	}
	return batches, size
}

// read digests the files of a batch.
func (t *tree) read(ctx context.Context, b batch, p *progress) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	folder, err := t.open(b.folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("hashing: %w", err)
	}
	defer folder.Close()
	r := newReader(folder, p)
	for _, file := range b.files {
		if err := t.digest(ctx, r, file); err != nil {
			return fmt.Errorf("hashing %q: %w", path.Join(b.folder, file.Name), err)
		}
	}
	return nil
}

// digest reads a file until it rests. One that never does, like the log of what runs
// there, has what was found last.
func (t *tree) digest(ctx context.Context, r *reader, file *revision.File) error {
	for range maxReads {
		at := t.now()
		found, err := r.read(ctx, file.Name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			file.Digest = ""
			return nil
		case !t.sent && errors.Is(err, fs.ErrPermission):
			file.Digest = emptyFile // what a client sends for it
			return nil
		case err != nil:
			return err
		}
		file.Digest = digest.NewDigestFromBytes(digest.SHA256, found.sum)
		if found.before == found.after {
			t.cache.put(found.after, found.sum, at)
			return nil
		}
	}
	return nil
}

// reader reads files of a folder.
type reader struct {
	folder   *os.Root
	hash     hash.Hash
	buffer   []byte
	progress *progress
}

func newReader(folder *os.Root, p *progress) *reader {
	return &reader{folder: folder, hash: sha256.New(), buffer: make([]byte, bufferSize), progress: p}
}

// contents are what was found in a file.
type contents struct {
	sum           []byte // sha256
	before, after stamp  // what the system said of it
}

func (r *reader) read(ctx context.Context, name string) (contents, error) {
	file, err := input.OpenListed(r.folder, name)
	if err != nil {
		return contents{}, err
	}
	defer file.Close()
	before, err := file.Stat()
	if err != nil {
		return contents{}, err
	}
	r.hash.Reset()
	for {
		if err := ctx.Err(); err != nil {
			return contents{}, err
		}
		n, err := file.Read(r.buffer)
		r.hash.Write(r.buffer[:n])
		r.progress.add(int64(n))
		if err == io.EOF {
			break
		}
		if err != nil {
			return contents{}, err
		}
	}
	after, err := file.Stat()
	if err != nil {
		return contents{}, err
	}
	return contents{r.hash.Sum(nil), stampOf(before), stampOf(after)}, nil
}

// progress counts the bytes that were read.
type progress struct {
	tell           func(read, of int64)
	mu             sync.Mutex
	read, of, told int64
}

// add tells of each thousandth part, and of what is read within a moment.
func (p *progress) add(size int64) {
	if p.tell == nil || size == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.read = min(p.read+size, p.of) // more is read of files that grow
	if p.read > p.told && (p.read == p.of || p.read-p.told > min(p.of/1000, 16<<20)) {
		p.told = p.read
		p.tell(p.read, p.of)
	}
}
