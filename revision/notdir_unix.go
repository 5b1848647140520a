//go:build unix

package revision

import "syscall"

var errNotDir error = syscall.ENOTDIR
