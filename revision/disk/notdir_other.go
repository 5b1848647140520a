//go:build !unix

package disk

import "io/fs"

var errNotDir = fs.ErrNotExist
