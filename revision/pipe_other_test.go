//go:build !unix

package revision

import "errors"

func makePipe(string) error { return errors.ErrUnsupported }
