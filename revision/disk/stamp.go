package disk

import (
	"encoding/binary"
	"time"
)

// stamp is what the system says of a file that changes with its contents. It has no
// Inode where the system does not tell enough for that.
type stamp struct {
	Device, Inode uint64
	Size          int64 // in bytes
	Modified      int64 // in nanoseconds since 1970
	Changed       int64 // the same; unlike that of Modified nobody can set this time
	Mode          uint32
}

// coarse is more than the steps in which file systems count time, which are 2 seconds
// at most, and than the clocks of a file system's machine and of this one may differ.
const coarse = 3 * time.Second

// settled tells whether a file that had this stamp when somebody began to read it will
// have another one after its next change. It may keep it if it was changed just before.
func (s stamp) settled(read time.Time) bool {
	return s.Inode != 0 && max(s.Modified, s.Changed) < read.Add(-coarse).UnixNano()
}

// stampSize is how many bytes append adds.
const stampSize = 5*8 + 4

func (s stamp) append(data []byte) []byte {
	data = binary.BigEndian.AppendUint64(data, s.Device)
	data = binary.BigEndian.AppendUint64(data, s.Inode)
	data = binary.BigEndian.AppendUint64(data, uint64(s.Size))
	data = binary.BigEndian.AppendUint64(data, uint64(s.Modified))
	data = binary.BigEndian.AppendUint64(data, uint64(s.Changed))
	return binary.BigEndian.AppendUint32(data, s.Mode)
}

// readStamp reads what append has written.
func readStamp(data []byte) stamp {
	number := func(at int) uint64 { return binary.BigEndian.Uint64(data[at:]) }
	return stamp{
		Device: number(0), Inode: number(8), Size: int64(number(16)), Modified: int64(number(24)), Changed: int64(number(32)),
		Mode: binary.BigEndian.Uint32(data[40:]),
	}
}
