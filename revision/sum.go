package revision

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
)

// Sum is an image's revision, "sha256:<hex>". It depends on nothing but its
// argument; frozen values in the tests guard it.
func Sum(in Inputs) string {
	h := newFields("quoit.revision", in.Scheme)
	h.bytes(in.ContainerFile)
	h.text(in.Target)
	h.number(len(in.Args))
	for _, name := range slices.Sorted(maps.Keys(in.Args)) {
		h.text(name)
		h.text(in.Args[name])
	}
	h.text(in.Tree.String())
	for _, name := range slices.Sorted(maps.Keys(in.Contexts)) { // most images have none
		h.text(name)
		h.text(in.Contexts[name])
	}
	return h.digest().String()
}

// fields hashes a sequence of values so that no two sequences look alike: each
// value is preceded by its length.
type fields struct {
	*bufio.Writer // most values are short
	sum           hash.Hash
}

func newFields(kind string, scheme int) fields {
	sum := sha256.New()
	f := fields{bufio.NewWriter(sum), sum}
	f.text(kind)
	f.number(scheme)
	return f
}

func (f fields) number(n int) {
	f.Write(binary.BigEndian.AppendUint64(f.AvailableBuffer(), uint64(n)))
}

func (f fields) bytes(b []byte) {
	f.number(len(b))
	f.Write(b)
}

func (f fields) text(s string) {
	f.number(len(s))
	f.WriteString(s)
}

func (f fields) digest() digest.Digest {
	f.Flush() // a hash takes everything
	return digest.NewDigest(digest.SHA256, f.sum)
}
