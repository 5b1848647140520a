package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheLastWord(t *testing.T) {
	name := filepath.Join(t.TempDir(), "termination-log")
	leaveWord(name, errors.New("nobody reads this"))
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file was made: %v", err)
	}
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, err, want string }{
		{"several lines", "first\nsecond\x1b", "error: first\nsecond\\x1b\n"},
		{"more than Kubernetes takes", strings.Repeat(strings.Repeat("x", 99)+"\n", 100), ("error: " + strings.Repeat(strings.Repeat("x", 99)+"\n", 100))[:4096]},
	} {
		t.Run(test.name, func(t *testing.T) {
			leaveWord(name, errors.New(test.err))
			got, err := os.ReadFile(name)
			if err != nil || string(got) != test.want {
				t.Errorf("%v\n%s", err, got)
			}
		})
	}
}
