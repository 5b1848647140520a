package storetest

import "os"

// Dose is how much of something a run makes: the quick one is for every change, the
// full one for `make test-full` (QUOIT_TEST_FULL=1), the long one for `make
// test-long` (QUOIT_TEST_LONG=1).
func Dose[T any](quick, full, long T) T {
	switch {
	case os.Getenv("QUOIT_TEST_LONG") == "1":
		return long
	case os.Getenv("QUOIT_TEST_FULL") == "1":
		return full
	}
	return quick
}
