//go:build unix

package apply

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestAHookFolderThatIsAPipe(t *testing.T) {
	for name, pipe := range map[string]string{"hooks": "hooks", "a point's": "hooks/pre-upgrade.d"} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			if pipe != "hooks" {
				if err := os.Mkdir(filepath.Join(root, "hooks"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if err := syscall.Mkfifo(filepath.Join(root, pipe), 0o644); err != nil {
				t.Fatal(err)
			}
			if files, err := hookFiles(root, "pre-upgrade"); err == nil || !strings.Contains(err.Error(), "/"+pipe+" is not a folder") {
				t.Errorf("files %v, error %v", files, err)
			}
		})
	}
}
