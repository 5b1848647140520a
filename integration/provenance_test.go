//go:build stack

package integration

import (
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// statements are what is attested of an image of one platform, by its predicate's type.
func statements(t *testing.T, ref string) map[string]string {
	t.Helper()
	index, err := descriptor(t, ref).ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]string{}
	for _, m := range manifest.Manifests {
		if m.Annotations["vnd.docker.reference.type"] != "attestation-manifest" {
			continue
		}
		attestation, err := index.Image(m.Digest)
		if err != nil {
			t.Fatal(err)
		}
		layers, err := attestation.Layers()
		if err != nil {
			t.Fatal(err)
		}
		described, err := attestation.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		for i, layer := range layers {
			reader, err := layer.Uncompressed()
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(reader)
			if err != nil {
				t.Fatal(err)
			}
			kinds[described.Layers[i].Annotations["in-toto.io/predicate-type"]] = string(data)
		}
	}
	return kinds
}

// noted is what provenance says of how an image was made.
type noted struct {
	Materials, Subjects []string
	Path                string
	Frontend            string
	Args                map[string]string // but for what makes the request of one image
	Commit, Source      string
}

// provenanceOf reads an image's provenance.
func provenanceOf(t *testing.T, ref string) (n noted) {
	t.Helper()
	var statement struct {
		Subject   []struct{ Name string }
		Predicate struct {
			BuildDefinition struct {
				ExternalParameters struct {
					ConfigSource struct{ Path string }
					Request      struct {
						Frontend string
						Args     map[string]string
					}
				}
				ResolvedDependencies []struct {
					URI    string
					Digest map[string]string
				}
			}
			RunDetails struct {
				Metadata struct {
					BuildKit struct {
						VCS map[string]string `json:"vcs"`
					} `json:"buildkit_metadata"`
				}
			}
		}
	}
	said := statements(t, ref)["https://slsa.dev/provenance/v1"]
	if err := json.Unmarshal([]byte(said), &statement); err != nil {
		t.Fatalf("%s: %v in %q", ref, err, said)
	}
	definition := statement.Predicate.BuildDefinition
	for _, s := range statement.Subject {
		n.Subjects = append(n.Subjects, s.Name)
	}
	for _, m := range definition.ResolvedDependencies {
		// Quoit has asked for the base before, and asks for just that one.
		n.Materials = append(n.Materials, strings.ReplaceAll(m.URI, "digest=sha256:"+m.Digest["sha256"]+"&", "")+" "+m.Digest["sha256"])
	}
	slices.Sort(n.Materials)
	n.Path, n.Frontend = definition.ExternalParameters.ConfigSource.Path, definition.ExternalParameters.Request.Frontend
	n.Args = definition.ExternalParameters.Request.Args
	if n.Args == nil {
		n.Args = map[string]string{}
	}
	maps.DeleteFunc(n.Args, func(name, _ string) bool {
		return strings.HasPrefix(name, "context:quoit-") || strings.HasPrefix(name, "input-metadata:quoit-") || name == "cmdline" || name == "source"
	})
	vcs := statement.Predicate.RunDetails.Metadata.BuildKit.VCS
	n.Commit, n.Source = vcs["revision"], vcs["source"]
	return n
}

// TestProvenanceIsThatOfTheImage: what is attested of each of several images is what stock
// BuildKit attests of that image alone, by the frontend in the command and by its image.
func TestProvenanceIsThatOfTheImage(t *testing.T) {
	for name, syntax := range map[string]string{"in the command": "", "by the image": "# syntax=" + frontendImage(t) + "\n"} {
		t.Run(name, func(t *testing.T) {
			dir, prefix := generated(t, 1)
			_, path, _ := strings.Cut(prefix, "/")
			write(t, dir, "quoit.yaml", syntax+"project: "+path+"\nregistry: "+stack.Registry+"\nroot: deploy\nimages:\n"+
				"  web: {context: web, target: Final, args: {COLOR: red}, labels: {team: shop}}\n"+
				"  tool: {context: tool, file: tool.Dockerfile}\n  empty: empty\n  deploy: deploy\n")
			write(t, dir, "web/Dockerfile", "FROM busybox AS other\nRUN false\nFROM busybox AS Final\nARG COLOR\nCOPY f /\nRUN echo $COLOR >/color\n")
			write(t, dir, "web/f", "1\n")
			write(t, dir, "tool/tool.Dockerfile", "FROM debian:bookworm-slim\nCOPY f /\n")
			write(t, dir, "tool/f", "1\n")
			write(t, dir, "empty/Dockerfile", "FROM scratch\nENV A=b\n")
			write(t, dir, "deploy/Dockerfile", "FROM scratch\nCOPY f /\n")
			write(t, dir, "deploy/f", "1\n")
			inGit(t, dir, "init", "-q")
			commit := committed(t, dir, "all")
			mustQuoit(t, dir, "build", "--push", "--provenance", "mode=max")
			for image, stock := range map[string][]string{
				"web":    {"--file", "web/Dockerfile", "--target", "Final", "--build-arg", "COLOR=red", "--label", "team=shop", "web"},
				"tool":   {"--file", "tool/tool.Dockerfile", "tool"},
				"deploy": {"--file", "deploy/Dockerfile", "deploy"},
			} {
				alone := prefix + "-stock/" + image + ":1"
				run(t, dir, "buildx", append([]string{"build", "--push", "--provenance=mode=max", "-t", alone}, stock...)...)
				want, got := provenanceOf(t, alone), provenanceOf(t, prefix+"/"+image+":0.1.0")
				if len(got.Subjects) != 1 || !strings.HasPrefix(got.Subjects[0], "pkg:docker/"+strings.ReplaceAll(stack.Registry, ":", "%3A")+"/"+path+"/"+image+"@") {
					t.Errorf("%s: it is about %q", image, got.Subjects)
				}
				if got.Commit != commit {
					t.Errorf("%s: its commit is %q, not %q", image, got.Commit, commit)
				}
				// Paths are those in the project, and stock's commit is its client's.
				want.Path, want.Subjects, want.Commit, want.Source, want.Frontend = stock[1], got.Subjects, got.Commit, got.Source, "dockerfile.v0"
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: (-stock +quoit)\n%s", image, diff)
				}
			}
			if _, err := descriptor(t, prefix+"/empty:0.1.0").ImageIndex(); err != nil {
				t.Errorf("an image without layers: %v", err)
			}
		})
	}
}

// TestProvenanceOfChangedFilesSaysSo: a commit alone is no claim that holds of them.
func TestProvenanceOfChangedFilesSaysSo(t *testing.T) {
	dir, prefix := small(t)
	inGit(t, dir, "init", "-q")
	committed(t, dir, "all")
	edit(t, dir, "not committed")
	mustQuoit(t, dir, "build", "--push")
	if got := provenanceOf(t, prefix+"/s000:0.1.0"); !strings.HasSuffix(got.Commit, "-dirty") {
		t.Errorf("its commit is %q", got.Commit)
	}
}
