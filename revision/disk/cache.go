package disk

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/internal/input"
)

// CacheFile is where the digests of a project's files are remembered: one file for each
// project's folder, in the user's folder for caches.
func CacheFile(dir string) (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	return filepath.Join(base, "quoit", "file-digests", digest.FromString(dir).Encoded()), nil
}

const (
	// maxRemembered bounds the files of a cache: what was not used longest goes first.
	maxRemembered = 1 << 20
	// maxUnused is how often a cache is written with what nobody has asked for.
	maxUnused = 16
	// maxAge is how long a cache, and maxAgeTemporary how long one that somebody was
	// writing when he died, stays after it was written last.
	maxAge          = 90 * 24 * time.Hour
	maxAgeTemporary = 24 * time.Hour
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
		data, _ := input.Read(file, cacheSize(maxRemembered))
		c.known = decodeCache(data, now)
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
	folder, name := filepath.Split(c.file)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	sweep(folder, now)
	temporary, err := os.CreateTemp(folder, name+temporaryMark+"*")
	if err != nil {
		return err
	}
	_, err = temporary.Write(encodeCache(c.known, now))
	if err = errors.Join(err, temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), c.file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return nil
}

const temporaryMark = ".new-"

// sweep removes what nobody uses any more. Only room is lost by what it cannot.
func sweep(folder string, now time.Time) {
	entries, _ := os.ReadDir(folder)
	for _, entry := range entries {
		limit := maxAge
		if strings.Contains(entry.Name(), temporaryMark) {
			limit = maxAgeTemporary
		}
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() && now.Sub(info.ModTime()) > limit {
			_ = os.Remove(filepath.Join(folder, entry.Name()))
		}
	}
}

// A cache's file is its first line, the time at which it was written, a record of fixed
// size for each file, and the sum of all that.
const (
	cacheHead  = "quoit file digests 1\n"
	headSize   = len(cacheHead) + 8
	recordSize = stampSize + sha256.Size + 1
)

func cacheSize(files int) int64 { return int64(headSize + files*recordSize + sha256.Size) }

func encodeCache(known map[stamp]remembered, now time.Time) []byte {
	stamps := slices.Collect(maps.Keys(known))
	if len(stamps) > maxRemembered {
		slices.SortFunc(stamps, func(a, b stamp) int { return cmp.Compare(known[a].unused, known[b].unused) })
		stamps = stamps[:maxRemembered]
	}
	data := make([]byte, 0, cacheSize(len(stamps)))
	data = append(data, cacheHead...)
	data = binary.BigEndian.AppendUint64(data, uint64(now.UnixNano()))
	for _, s := range stamps {
		if r := known[s]; r.unused < maxUnused {
			data = s.append(data)
			data = append(data, r.sum[:]...)
			data = append(data, r.unused+1)
		}
	}
	sum := sha256.Sum256(data)
	return append(data, sum[:]...)
}

// decodeCache reads the contents of a cache's file. Nothing is known if anything is
// wrong with it. So it is if it comes from the future: when a clock goes back, a file
// may get a stamp a second time.
func decodeCache(data []byte, now time.Time) map[stamp]remembered {
	records := len(data) - headSize - sha256.Size
	if records < 0 || records%recordSize != 0 || !bytes.HasPrefix(data, []byte(cacheHead)) {
		return map[stamp]remembered{}
	}
	body, sum := data[:headSize+records], data[headSize+records:]
	if sha256.Sum256(body) != [sha256.Size]byte(sum) || binary.BigEndian.Uint64(body[len(cacheHead):]) > uint64(now.UnixNano()) {
		return map[stamp]remembered{}
	}
	known := make(map[stamp]remembered, records/recordSize)
	for record := range slices.Chunk(body[headSize:], recordSize) {
		s := readStamp(record)
		known[s] = remembered{[sha256.Size]byte(record[stampSize:]), record[recordSize-1]}
	}
	return known
}
