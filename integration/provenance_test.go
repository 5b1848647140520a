//go:build stack

package integration

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path/filepath"
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

// scanner pushes an SBOM generator that lists an image's files, and returns its reference.
func scanner(t *testing.T, prefix string) string {
	t.Helper()
	ref := stack.Ref(repository(prefix) + "-scanner:1")
	scan := t.TempDir()
	write(t, scan, "Dockerfile", "FROM busybox\nCOPY scan /\nENTRYPOINT [\"sh\", \"/scan\"]\n")
	write(t, scan, "scan", `echo '{"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://spdx.dev/Document",'\
 "\"predicate\": {\"files\": \"$(ls $BUILDKIT_SCAN_SOURCE | tr '\n' ' ')\"}}" >$BUILDKIT_SCAN_DESTINATION/sbom.spdx.json
`)
	run(t, scan, "buildx", "build", "--push", "--provenance=false", "-t", ref, ".")
	return ref
}

// sbomOf is what an image's SBOM says.
func sbomOf(t *testing.T, ref string) string {
	t.Helper()
	var statement struct{ Predicate json.RawMessage }
	said := statements(t, ref)["https://spdx.dev/Document"]
	if err := json.Unmarshal([]byte(said), &statement); err != nil {
		t.Fatalf("%s: %v in %q", ref, err, said)
	}
	return string(statement.Predicate)
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

// TestProvenanceIsThatOfTheImage: what is attested of each of several images is what bake has
// attested of it, by the frontend in the command and by its image.
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
			sbom := "generator=" + scanner(t, prefix)
			mustQuoit(t, dir, "build", "--push", "--provenance", "mode=max", "--sbom", sbom)
			bake := func(image, more string) string {
				return fmt.Sprintf(`target %q {
  context = %[1]q
  tags = [%q]
  attest = ["type=provenance,mode=max", "type=sbom,%s"]
  %s
}
`, image, prefix+"-stock/"+image+":1", sbom, more)
			}
			hcl := filepath.Join(t.TempDir(), "bake.hcl")
			write(t, filepath.Dir(hcl), "bake.hcl", bake("web", `target = "Final"
  args = {COLOR = "red"}
  labels = {team = "shop"}`)+bake("tool", `dockerfile = "tool.Dockerfile"`)+bake("deploy", ""))
			run(t, dir, "buildx", "bake", "--push", "--allow=fs.read="+dir, "-f", hcl, "web", "tool", "deploy")
			for image, file := range map[string]string{"web": "web/Dockerfile", "tool": "tool/tool.Dockerfile", "deploy": "deploy/Dockerfile"} {
				stocks, ours := prefix+"-stock/"+image+":1", prefix+"/"+image+":0.1.0"
				want, got := provenanceOf(t, stocks), provenanceOf(t, ours)
				// The root image has its release, which quoit adds.
				if diff := cmp.Diff(sbomOf(t, stocks), strings.ReplaceAll(sbomOf(t, ours), "quoit ", "")); diff != "" {
					t.Errorf("%s: SBOM (-bake +quoit)\n%s", image, diff)
				}
				if len(got.Subjects) != 1 || !strings.HasPrefix(got.Subjects[0], "pkg:docker/"+strings.ReplaceAll(stack.Registry, ":", "%3A")+"/"+path+"/"+image+"@") {
					t.Errorf("%s: it is about %q", image, got.Subjects)
				}
				if got.Commit != commit {
					t.Errorf("%s: its commit is %q, not %q", image, got.Commit, commit)
				}
				// For bake the scanner, too, is something that the image was made from.
				want.Materials = slices.DeleteFunc(want.Materials, func(m string) bool { return strings.Contains(m, "-scanner@") })
				if len(want.Materials) == 0 {
					want.Materials = nil
				}
				// Paths are those in the project, and bake's commit is its client's.
				want.Path, want.Subjects, want.Commit, want.Source, want.Frontend = file, got.Subjects, got.Commit, got.Source, "dockerfile.v0"
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: (-bake +quoit)\n%s", image, diff)
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
