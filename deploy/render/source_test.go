//go:build unix

package render

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestOnlyFilesAndFoldersAreLoaded: also of a folder that no layer was unpacked to.
func TestOnlyFilesAndFoldersAreLoaded(t *testing.T) {
	for name, c := range map[string]struct{ pipe, link, target, want string }{
		"a pipe":                         {pipe: "overlays/prod/a.yaml", want: "/overlays/prod/a.yaml is not a file"},
		"a pipe in place of a folder":    {pipe: "base", want: "/base is not a folder"},
		"a link to a pipe":               {pipe: "overlays/pipe", link: "overlays/prod/a.yaml", target: "../pipe", want: "is not a file"},
		"a link to a device":             {link: "overlays/prod/a.yaml", target: "/dev/zero", want: "a link has to stay"},
		"a description that is a pipe":   {pipe: "quoit/release.json", want: "quoit/release.json is a pipe"},
		"a description that is a link":   {link: "quoit/release.json", target: "/dev/zero", want: "release.json"},
		"a description that is a folder": {link: "quoit/release.json", target: "../overlays", want: "quoit/release.json is a folder"},
	} {
		t.Run(name, func(t *testing.T) {
			root := folder(t, map[string]string{"overlays/prod/kustomization.yaml": "resources: [a.yaml]\n", "quoit/x": ""})
			if c.pipe != "" {
				if err := syscall.Mkfifo(filepath.Join(root, c.pipe), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if c.link != "" {
				if err := os.Symlink(c.target, filepath.Join(root, c.link)); err != nil {
					t.Fatal(err)
				}
			}
			_, err := buildIn(root, "prod")
			mustFail(t, err, c.want)
		})
	}
}
