// Package input reads files that anybody may have put where they are, like what a
// pull request brings: git keeps links, and one may lead to a device. Only regular
// files are opened, wherever a link leads, and at most so many bytes of them read; so
// nothing blocks and nothing fills the memory.
package input

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// patience bounds the wait for a file that counts as regular and gives its bytes as
// they come, of which a kernel has some.
const patience = 10 * time.Second

// NotRegularError says that there is something that is no file.
type NotRegularError struct {
	Name string // as it was asked for
	Mode fs.FileMode
}

// Error names it and says what it is.
func (e *NotRegularError) Error() string {
	return fmt.Sprintf("%s is %s, not a file: put the file itself there", e.Name, Kind(e.Mode))
}

// TooLargeError says that a file has more bytes than are read.
type TooLargeError struct {
	Name  string // as it was asked for
	Limit int64  // in bytes
}

// Error names the file and its bound.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s has more than %s, which is the limit", e.Name, size(e.Limit))
}

// Read returns the contents of a file. The error is a [*NotRegularError], a
// [*TooLargeError] if it has more bytes than limit, or the system's, which names the
// file too.
func Read(name string, limit int64) ([]byte, error) {
	return whole(os.Stat, os.OpenFile, name, limit)
}

// ReadIn is [Read] of a file in a folder, which no link may leave.
func ReadIn(root *os.Root, name string, limit int64) ([]byte, error) {
	return whole(root.Stat, root.OpenFile, name, limit)
}

// OpenListed opens a file in a folder whose list says that it is a regular one. The
// error is a [*NotRegularError] if it is not any more.
func OpenListed(root *os.Root, name string) (*os.File, error) {
	return opened(root.OpenFile, name)
}

type (
	looker func(name string) (fs.FileInfo, error)
	opener func(name string, flag int, mode fs.FileMode) (*os.File, error)
)

// open looks before it opens, because a device notices to be opened; and after it,
// because what was there may be gone.
func open(look looker, opens opener, name string) (*os.File, error) {
	if info, err := look(name); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, &NotRegularError{name, info.Mode()}
	}
	return opened(opens, name)
}

func opened(opens opener, name string) (*os.File, error) {
	file, err := opens(name, os.O_RDONLY|nonBlock, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &NotRegularError{name, info.Mode()}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	_ = file.SetReadDeadline(time.Now().Add(patience)) // what has none never waits
	return file, nil
}

func whole(look looker, opens opener, name string, limit int64) ([]byte, error) {
	file, err := open(look, opens, name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, &TooLargeError{name, limit}
	}
	return data, nil
}

// Kind is what something that is no file is called, like "a folder".
func Kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a folder"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "something else"
}

func size(bytes int64) string {
	if bytes >= 1<<20 && bytes%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%d bytes", bytes)
}
