package disk

// stamp is what the system says of a state of a file: contents never change without it.
// It has no Inode where the system does not tell that.
type stamp struct {
	Device, Inode uint64
	Size          int64 // in bytes
	Modified      int64 // in nanoseconds since 1970
	Changed       int64 // the same, of the last change of contents or of what is said here
	Mode          uint32
}
