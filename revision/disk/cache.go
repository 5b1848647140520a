package disk

import (
	"cmp"
	"crypto/sha256"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/internal/kept"
)

// CacheFile is where the digests of a project's files are remembered: one file for each
// project's folder, in the user's folder for caches.
func CacheFile(dir string) (string, error) { return kept.Of("file-digests", dir) }

const (
	// maxRemembered bounds the files of a cache: what was not used longest goes first.
	maxRemembered = 1 << 20
	// maxUnused is how often a cache is written with what nobody has asked for.
	maxUnused = 16
)

// cache is digests of files by stamp: where a file has the same stamp again, it has the
// same contents. What goes wrong with it costs time, and is no mistake.
type cache struct {
	file    string
	mu      sync.Mutex
	known   map[stamp]remembered
	learned bool // something that is not in the file
}

type remembered struct {
	sum    [sha256.Size]byte
	unused uint8 // how often it was written since it was used
}

// openCache reads a cache; without a file nothing is remembered.
func openCache(file string, now time.Time) *cache {
	c := &cache{file: file}
	if file != "" {
		c.known = decodeCache(kept.Read(file, cacheHead, cacheSize(maxRemembered), now))
	}
	return c
}

// get returns the digest of a file, "" if it is not known.
func (c *cache) get(s stamp) digest.Digest {
	c.mu.Lock()
	defer c.mu.Unlock()
	found, ok := c.known[s]
	if !ok {
		return ""
	}
	if found.unused > 0 {
		found.unused = 0
		c.known[s] = found
	}
	return digest.NewDigestFromBytes(digest.SHA256, found.sum[:])
}

// put remembers the digest of a file that began to be read at some time.
func (c *cache) put(s stamp, sum []byte, at time.Time) {
	if c.file == "" || !s.settled(at) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known[s] = remembered{sum: [sha256.Size]byte(sum)}
	c.learned = true
}

// save writes what was learned. Of several who write at a time one comes last, and his
// file is there as a whole.
func (c *cache) save(now time.Time) error {
	if !c.learned {
		return nil
	}
	return kept.Write(c.file, cacheHead, now, encodeCache(c.known))
}

// A cache's file has a record of fixed size for each file. One from the future is not
// believed: when a clock goes back, a file may get a stamp a second time.
const (
	cacheHead  = "quoit file digests 1\n"
	recordSize = stampSize + sha256.Size + 1
)

func cacheSize(files int) int64 { return int64(len(cacheHead) + files*recordSize + kept.Overhead) }

func encodeCache(known map[stamp]remembered) []byte {
	stamps := slices.Collect(maps.Keys(known))
	if len(stamps) > maxRemembered {
		slices.SortFunc(stamps, func(a, b stamp) int { return cmp.Compare(known[a].unused, known[b].unused) })
		stamps = stamps[:maxRemembered]
	}
	data := make([]byte, 0, len(stamps)*recordSize)
	for _, s := range stamps {
		if r := known[s]; r.unused < maxUnused {
			data = s.append(data)
			data = append(data, r.sum[:]...)
			data = append(data, r.unused+1)
		}
	}
	return data
}

// decodeCache reads the records of a cache's file. Nothing is known if they are none.
func decodeCache(data []byte) map[stamp]remembered {
	if len(data)%recordSize != 0 {
		data = nil
	}
	known := make(map[stamp]remembered, len(data)/recordSize)
	for record := range slices.Chunk(data, recordSize) {
		s := readStamp(record)
		known[s] = remembered{[sha256.Size]byte(record[stampSize:]), record[recordSize-1]}
	}
	return known
}
