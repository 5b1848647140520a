//go:build unix

package trees

import "syscall"

func makePipe(path string) error { return syscall.Mkfifo(path, 0o644) }
