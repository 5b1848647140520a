//go:build !unix

package trees

import "errors"

func makePipe(string) error { return errors.ErrUnsupported }
