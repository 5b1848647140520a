package project

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/manifest"
)

// generatedProject writes a small project of a shape.
func generatedProject(t *testing.T, s Shape, images int) Project {
	t.Helper()
	p := Project{Dir: filepath.Join(t.TempDir(), "p"), Name: "bench/p1", Salt: "project 1", Shape: s, Images: images, Files: 3, Size: 100}
	if err := p.Write(); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProjectsAndBakeFilesHaveTheSameImages(t *testing.T) {
	for s, images := range map[Shape]int{Star: 5, RootContext: 5, Chain: 10, Single: 1} {
		t.Run(string(s), func(t *testing.T) {
			p := generatedProject(t, s, images)
			data, err := os.ReadFile(filepath.Join(p.Dir, "quoit.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			m, err := manifest.Parse("quoit.yaml", data)
			if err != nil {
				t.Fatal(err)
			}
			if data, err = os.ReadFile(filepath.Join(p.Dir, "docker-bake.json")); err != nil {
				t.Fatal(err)
			}
			var bake struct{ Target map[string]bakeTarget }
			if err := json.Unmarshal(data, &bake); err != nil {
				t.Fatal(err)
			}
			if len(m.Images) != images || len(bake.Target) != images {
				t.Fatalf("%d images, %d targets, want %d", len(m.Images), len(bake.Target), images)
			}
			for _, image := range m.Images {
				target := bake.Target[image.Name]
				if target.Context != image.Context || target.Dockerfile != image.File {
					t.Errorf("%s: %+v, bake has %+v", image.Name, image, target)
				}
				file := image.File
				if file == "" {
					file = "Dockerfile"
				}
				text, err := os.ReadFile(filepath.Join(p.Dir, image.Context, file))
				if err != nil {
					t.Fatal(err)
				}
				for reference := range target.Contexts {
					if !strings.HasPrefix(string(text), "FROM "+reference+"\n") {
						t.Errorf("%s does not build on %s:\n%s", image.Name, reference, text)
					}
				}
			}
		})
	}
}
