package disk

import (
	"io/fs"
	"syscall"
)

func stampOf(info fs.FileInfo) stamp {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return stamp{Size: info.Size()}
	}
	return stamp{
		Device: uint64(st.Dev), Inode: st.Ino, Size: st.Size, Mode: uint32(st.Mode),
		Modified: st.Mtimespec.Nano(), Changed: st.Ctimespec.Nano(),
	}
}
