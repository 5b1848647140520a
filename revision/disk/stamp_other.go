//go:build !linux && !darwin

package disk

import "io/fs"

// stampOf has no inode and no time of change, which are not known before a file is
// opened. So no digest is remembered.
func stampOf(info fs.FileInfo) stamp {
	return stamp{Size: info.Size(), Modified: info.ModTime().UnixNano()}
}
