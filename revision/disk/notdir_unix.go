//go:build unix

package disk

import "syscall"

var errNotDir error = syscall.ENOTDIR
