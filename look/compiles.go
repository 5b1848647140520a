package look

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/quoitbuild/quoit/internal/kept"
)

// The bounds of what is remembered of a project's compiles.
const (
	maxCompiles     = 16 << 20 // bytes
	maxCompileValue = 1 << 20  // of one
	// maxUnused is how often it is written with what nobody has asked for.
	maxUnused = 16
)

const compilesHead = "quoit compiles 1\n"

// compiles remembers what container files compile to: one file for each project's folder,
// in the user's folder for caches. It is an [llb.Memory]. What goes wrong with it costs a
// compile.
type compiles struct {
	file string // "" for none

	mu      sync.Mutex
	known   map[[sha256.Size]byte]compile
	learned bool // something that is not in the file
}

type compile struct {
	value  []byte
	unused uint8 // how often it was written since it was used
}

// openCompiles reads those of a project's folder.
func openCompiles(dir string) *compiles {
	c := &compiles{}
	var err error
	if c.file, err = kept.Of("compiles", dir); err != nil {
		c.file = "" // there is no folder for caches
	}
	c.known = decodeCompiles(kept.Read(c.file, compilesHead, maxCompiles+int64(len(compilesHead)+kept.Overhead), time.Now()))
	return c
}

// Get implements [llb.Memory].
func (c *compiles) Get(key [sha256.Size]byte) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found, ok := c.known[key]
	if ok && found.unused > 0 {
		found.unused = 0
		c.known[key] = found
	}
	return found.value, ok
}

// Put implements [llb.Memory].
func (c *compiles) Put(key [sha256.Size]byte, value []byte) {
	if len(value) > maxCompileValue {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known[key] = compile{value: value}
	c.learned = true
}

// save writes what was learned. A full disk, for instance, costs time at most.
func (c *compiles) save() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.learned && c.file != "" {
		_ = kept.Write(c.file, compilesHead, time.Now(), encodeCompiles(c.known))
	}
}

// Of each compile the file has its key, how often it was written without having been used,
// how long its value is, and that.
const compileSize = sha256.Size + 1 + 4

// encodeCompiles takes those first that were used last, as far as there is room.
func encodeCompiles(known map[[sha256.Size]byte]compile) []byte {
	keys := slices.SortedFunc(maps.Keys(known), func(a, b [sha256.Size]byte) int { return int(known[a].unused) - int(known[b].unused) })
	var data []byte
	for _, key := range keys {
		one := known[key]
		if one.unused >= maxUnused || len(data)+compileSize+len(one.value) > maxCompiles {
			break
		}
		data = append(append(data, key[:]...), one.unused+1)
		data = binary.BigEndian.AppendUint32(data, uint32(len(one.value)))
		data = append(data, one.value...)
	}
	return data
}

// decodeCompiles reads what encodeCompiles has written.
func decodeCompiles(data []byte) map[[sha256.Size]byte]compile {
	known := map[[sha256.Size]byte]compile{}
	for len(data) >= compileSize {
		key, unused := [sha256.Size]byte(data), data[sha256.Size]
		size := uint64(binary.BigEndian.Uint32(data[sha256.Size+1:]))
		data = data[compileSize:]
		if size > uint64(len(data)) {
			break
		}
		known[key] = compile{data[:size:size], unused}
		data = data[size:]
	}
	return known
}

// version tells this program from others, also from one that was built of sources without
// a version.
func version() string {
	text := ""
	if build, ok := debug.ReadBuildInfo(); ok {
		text = build.String()
	}
	if file, err := os.Executable(); err == nil {
		if info, err := os.Stat(file); err == nil {
			text += fmt.Sprintln(info.Size(), info.ModTime().UnixNano())
		}
	}
	return text
}
