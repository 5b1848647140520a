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
		Device: st.Dev, Inode: st.Ino, Size: st.Size, Mode: st.Mode,
		Modified: st.Mtim.Nano(), Changed: st.Ctim.Nano(),
	}
}
