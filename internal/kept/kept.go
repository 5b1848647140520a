// Package kept is files of what can be found out anyway, in the user's folder for caches.
// A file is there as a whole or not believed; several commands may use one at a time, and
// of those who write it at a time one comes last.
package kept

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/internal/input"
)

const (
	// maxAge is how long a file, and maxAgeTemporary how long one that somebody was
	// writing when he died, stays after it was written last.
	maxAge          = 90 * 24 * time.Hour
	maxAgeTemporary = 24 * time.Hour

	temporaryMark = ".new-"
)

// Of is the file of a kind for a folder.
func Of(kind, dir string) (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	return filepath.Join(base, "quoit", kind, digest.FromString(dir).Encoded()), nil
}

// Overhead is how many bytes a sealed text has more than its head and its body.
const Overhead = 8 + sha256.Size

// Seal makes the contents of a file: its head, which says what it is, the time, the body,
// and the sum of all that.
func Seal(head string, now time.Time, body []byte) []byte {
	data := make([]byte, 0, len(head)+len(body)+Overhead)
	data = append(data, head...)
	data = binary.BigEndian.AppendUint64(data, uint64(now.UnixNano()))
	data = append(data, body...)
	sum := sha256.Sum256(data)
	return append(data, sum[:]...)
}

// Unseal returns the body of what Seal has made. It is not ok if anything is wrong with
// it, or if it comes from the future, as when a clock has gone back.
func Unseal(head string, now time.Time, data []byte) (body []byte, ok bool) {
	size := len(data) - sha256.Size
	if size < len(head)+8 || !bytes.HasPrefix(data, []byte(head)) || sha256.Sum256(data[:size]) != [sha256.Size]byte(data[size:]) {
		return nil, false
	}
	if binary.BigEndian.Uint64(data[len(head):]) > uint64(now.UnixNano()) {
		return nil, false
	}
	return data[len(head)+8 : size], true
}

// Read returns the body of a file that has at most so many bytes, nil if there is none
// that can be believed.
func Read(file, head string, limit int64, now time.Time) []byte {
	data, err := input.Read(file, limit)
	if err != nil {
		return nil
	}
	body, _ := Unseal(head, now, data)
	return body
}

// Write replaces a file, and removes those beside it that nobody has written for long.
func Write(file, head string, now time.Time, body []byte) error {
	folder, name := filepath.Split(file)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	sweep(folder, now)
	temporary, err := os.CreateTemp(folder, name+temporaryMark+"*")
	if err != nil {
		return err
	}
	_, err = temporary.Write(Seal(head, now, body))
	if err = errors.Join(err, temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return nil
}

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
