//go:build !linux

package store

import "testing"

func realRegistry(t *testing.T) string {
	t.Helper()
	t.Skip("the real registry of testkit needs Linux")
	return ""
}
