package runner

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/internal/input"
)

// maxSelf bounds this command's own file, in bytes.
const maxSelf = 1 << 30

var errNone = errors.New("this command was built without the programs that BuildKit runs for it: build it with `make build`, or name the frontend in the manifest's first line, # syntax=…")

// self is this command itself.
func self() (Program, error) {
	if runtime.GOOS != "linux" {
		return Program{}, errNone
	}
	file, err := os.Executable()
	if err == nil {
		file, err = filepath.EvalSymlinks(file)
	}
	if err != nil {
		return Program{}, fmt.Errorf("finding this command's own file: %w", err)
	}
	data, err := input.Read(file, maxSelf)
	if err != nil {
		return Program{}, fmt.Errorf("reading this command's own file: %w", err)
	}
	if !static(data) {
		return Program{}, errNone
	}
	return Program{digest.FromBytes(data), only(data)}, nil
}

// static tells whether a program runs in an empty file system.
func static(data []byte) bool {
	file, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return false
	}
	for _, part := range file.Progs {
		if part.Type == elf.PT_INTERP {
			return false
		}
	}
	return true
}
