//go:build !unix

package revision

import "io/fs"

var errNotDir = fs.ErrNotExist
