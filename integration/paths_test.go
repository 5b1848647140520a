package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

func TestArchitectureNamesFilesThatExist(t *testing.T) {
	data, err := os.ReadFile(architecture)
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`([a-z_-]+/[a-z0-9_/.-]+)`").FindAllSubmatch(data, -1)
	if len(named) < 40 {
		t.Fatalf("found %d paths only", len(named))
	}
	for _, path := range named {
		if string(path[1]) == "pkg/archive" { // of containerd
			continue
		}
		if _, err := os.Stat(filepath.Join("..", string(path[1]))); err != nil {
			t.Error(err)
		}
	}
}
