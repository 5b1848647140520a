// Package dose says how much of something random or enumerated a test runs. It is
// for tests only:
//
//	depth := dose.Of(4, 6, 8)
package dose

import "os"

// Of returns the quick amount, which is for every change; the full one for
// QUOIT_TEST_FULL=1, as make test-full sets it; the long one for QUOIT_TEST_LONG=1,
// as make test-long sets it.
func Of[T any](quick, full, long T) T {
	switch {
	case os.Getenv("QUOIT_TEST_LONG") == "1":
		return long
	case os.Getenv("QUOIT_TEST_FULL") == "1":
		return full
	}
	return quick
}
