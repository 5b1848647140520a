//go:build !unix

package input

// nonBlock is for pipes with names, which other systems have not.
const nonBlock = 0
