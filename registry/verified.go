package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"
)

// Verified reads the contents of a blob. If they do not have its size and digest, it
// fails before their end, so that they cannot be taken for the blob.
func Verified(contents io.ReadCloser, blob Descriptor) io.ReadCloser { return verify(contents, blob) }

type verified struct {
	io.ReadCloser
	blob Descriptor
	hash hash.Hash
	read int64

	mu  sync.Mutex // an answer may come before all was sent
	err error      // of the source
}

func verify(contents io.ReadCloser, blob Descriptor) *verified {
	return &verified{ReadCloser: contents, blob: blob, hash: sha256.New()}
}

// Read implements [io.Reader].
func (v *verified) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	v.hash.Write(p[:n])
	v.read += int64(n)
	v.mu.Lock()
	defer v.mu.Unlock()
	switch end := errors.Is(err, io.EOF); {
	case err != nil && !end:
		v.err = err
	case v.read > v.blob.Size || end && v.read < v.blob.Size:
		v.err = v.altered(fmt.Sprintf("the contents have %d bytes or more, not %d", v.read, v.blob.Size))
	case v.read == v.blob.Size:
		if sum := "sha256:" + hex.EncodeToString(v.hash.Sum(nil)); sum != v.blob.Digest {
			v.err = v.altered("the contents have another digest, " + sum)
		}
	}
	if v.err != nil {
		return 0, v.err
	}
	return n, err
}

// broken is what the source failed with, whatever became of the request.
func (v *verified) broken() error {
	if v == nil {
		return nil // it was not opened
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.err
}

func (v *verified) altered(problem string) error {
	return &RequestError{Doing: reading, Reference: v.blob.Digest, Problem: problem, once: true, Hint: "somebody altered it, or what lies between: copy from another place"}
}
