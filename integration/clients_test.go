//go:build stack

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/quoitbuild/quoit/labels"
)

// buildx builds with the frontend image and returns what it printed.
func buildx(t *testing.T, dir string, args ...string) (output string) {
	t.Helper()
	args = append([]string{
		"build", "--progress=plain", "-f", "quoit.yaml", "--build-arg", "BUILDKIT_SYNTAX=" + frontendImage(t),
		"--build-arg", "QUOIT_REGISTRY=" + stack.Registry,
	}, args...)
	cmd := stack.Command(t.Context(), "buildx", append(args, ".")...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("buildx %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestStockClients(t *testing.T) {
	dir, prefix := small(t)
	out := t.TempDir()

	t.Run("the default target is the root image, and the others are built too", func(t *testing.T) {
		printed := buildx(t, dir, "--output", "type=local,dest="+out+"/root")
		if got := content(t, out+"/root/overlays/dev/kustomization.yaml"); got != "resources: []\n" {
			t.Errorf("the root image has %q", got)
		}
		for _, text := range []string{"[s000 2/2] COPY main.txt /", "[base 2/2] RUN echo base > /base", "0.1.0", "forecast"} {
			if !strings.Contains(printed, text) {
				t.Errorf("the output lacks %q:\n%s", text, printed)
			}
		}
	})
	t.Run("a target is that image with all that it needs", func(t *testing.T) {
		buildx(t, dir, "--target", "s000", "--output", "type=local,dest="+out+"/s000")
		if got := content(t, out+"/s000/base") + content(t, out+"/s000/main.txt"); got != "base\nservice s000\n" {
			t.Errorf("the image has %q", got)
		}
	})
	t.Run("a stage of a container file", func(t *testing.T) {
		write(t, dir, "services/s000/Dockerfile", "FROM busybox AS tools\nRUN echo tool > /tool\nFROM "+
			"registry.example.com/"+repository(prefix)+"/base\nCOPY main.txt /\nCOPY --from=tools /tool /\n")
		buildx(t, dir, "--target", "s000/tools", "--output", "type=local,dest="+out+"/stage")
		if got := content(t, out+"/stage/tool"); got != "tool\n" {
			t.Errorf("the stage has %q", got)
		}
		if _, err := os.Stat(out + "/stage/main.txt"); err == nil {
			t.Error("the stage has the image's file")
		}
	})
	t.Run("all images under their own names", func(t *testing.T) {
		buildx(t, dir, "--target", "*", "--output", "type=local,dest="+out+"/all")
		entries, err := os.ReadDir(out + "/all")
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if diff := cmp.Diff([]string{"base", "deploy", "s000"}, names); diff != "" {
			t.Errorf("folders (-want +got):\n%s", diff)
		}
	})
	t.Run("by digest, no tag is written", func(t *testing.T) {
		buildx(t, dir, "--target", "base", "--provenance=false", "--output", "type=image,name="+prefix+"/base,push-by-digest=true,push=true")
		if out, err := stack.Command(t.Context(), "crane", "digest", prefix+"/base:0.1.0").CombinedOutput(); err == nil || !strings.Contains(string(out), "404") {
			t.Errorf("error %v: %s", err, out)
		}
	})
	t.Run("name=* names a changed image by its repository and version", func(t *testing.T) {
		buildx(t, dir, "--target", "base", "--provenance=false", "--output", `type=image,"name=*",push=true`)
		labelled := config(t, prefix+"/base:0.1.0").Config.Labels
		if labelled[labels.RefName] != repository(prefix)+"/base" {
			t.Errorf("labels %v", labelled)
		}
	})
}

func TestStockClientsAndUnchangedImages(t *testing.T) {
	dir, prefix := small(t)
	publish(t, dir, prefix, "developers")
	for _, image := range []string{"s000", "deploy"} {
		t.Run("an unchanged "+image+" is the registry's, under the user's own tag too", func(t *testing.T) {
			tag := stack.Ref(repository(prefix) + "-own/" + image + ":1")
			buildx(t, dir, "--target", image, "--provenance=false", "--tag", tag, "--push")
			want, got := config(t, prefix+"/"+image+":0.1.0"), config(t, tag)
			if diff := cmp.Diff(want.RootFS, got.RootFS); diff != "" {
				t.Errorf("layers (-registry +pushed):\n%s", diff)
			}
			if diff := cmp.Diff(want.Config.Labels, got.Config.Labels); diff != "" {
				t.Errorf("labels (-registry +pushed):\n%s", diff)
			}
		})
	}
	t.Run("name=* pushes nothing over a version that is there", func(t *testing.T) {
		before := digestOf(t, prefix+"/deploy:0.1.0")
		cmd := stack.Command(t.Context(), "buildx", "build", "-f", "quoit.yaml", "--build-arg", "BUILDKIT_SYNTAX="+frontendImage(t),
			"--build-arg", "QUOIT_REGISTRY="+stack.Registry, "--provenance=false", "--output", `type=image,"name=*",push=true`, ".")
		cmd.Dir = dir
		_ = cmd.Run() // no name for an unchanged image: BuildKit may refuse, and must not push
		if after := digestOf(t, prefix+"/deploy:0.1.0"); after != before {
			t.Errorf("the version moved from %s to %s", before, after)
		}
	})
}

func TestPublishThroughTheManifestsFrontend(t *testing.T) {
	dir, prefix := small(t)
	manifest := content(t, filepath.Join(dir, "quoit.yaml"))
	write(t, dir, "quoit.yaml", "# syntax="+frontendImage(t)+"\n"+manifest)
	if n := builds(t, func() { publish(t, dir, prefix, "developers") }); n != 1 {
		t.Errorf("%d builds, want one", n)
	}
	write(t, dir, "quoit.yaml", manifest)
	if out := mustQuoit(t, dir, "build", "--push"); !strings.Contains(out, "nothing to do") {
		t.Errorf("the build in process sees changes:\n%s", out)
	}
}

func TestSeveralPlatforms(t *testing.T) {
	dir, prefix := small(t)
	replace(t, dir, "quoit.yaml", "root: deploy", "root: deploy\ndefaults: {platforms: [linux/amd64, linux/arm64]}")
	write(t, dir, "base/Dockerfile", "FROM scratch\nARG TARGETARCH\nCOPY arch-$TARGETARCH /arch\n")
	write(t, dir, "base/arch-amd64", "amd64\n")
	write(t, dir, "base/arch-arm64", "arm64\n")
	publish(t, dir, prefix, "developers")
	for _, image := range []string{"base", "s000", "deploy"} {
		index, err := descriptor(t, prefix+"/"+image+":0.1.0").ImageIndex()
		if err != nil {
			t.Fatal(err)
		}
		manifest, err := index.IndexManifest()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range manifest.Manifests {
			if m.Platform.OS == "linux" {
				got = append(got, m.Platform.String())
			}
		}
		if diff := cmp.Diff([]string{"linux/amd64", "linux/arm64"}, got); diff != "" {
			t.Errorf("%s: platforms (-want +got):\n%s", image, diff)
		}
	}
	if got := string(extractPlatform(t, prefix+"/s000:0.1.0", "/arch", v1.Platform{OS: "linux", Architecture: "arm64"})); got != "arm64\n" {
		t.Errorf("the arm64 image has %q", got)
	}
	t.Run("a file that one platform reads changes the image", func(t *testing.T) {
		write(t, dir, "base/arch-arm64", "arm64, newer\n")
		if image, _ := plan(t, dir).Image("base"); !image.Changed {
			t.Error("base is unchanged")
		}
		write(t, dir, "base/arch-arm64", "arm64\n")
	})
	t.Run("--platform is never a reason", func(t *testing.T) {
		if changed := plan(t, dir, "--platform", "linux/amd64").Changed(); len(changed) != 0 {
			t.Errorf("changed: %v", changed)
		}
	})
	t.Run("and a narrowed build is not published", func(t *testing.T) {
		if _, _, code := quoit(t, dir, "build", "--push", "--platform", "linux/amd64"); code != 64 {
			t.Errorf("exit code %d, want 64", code)
		}
	})
	t.Run("a platform that is added to the manifest is one", func(t *testing.T) {
		replace(t, dir, "quoit.yaml", "linux/arm64]", "linux/arm64, linux/riscv64]")
		write(t, dir, "base/arch-riscv64", "riscv64\n")
		image, _ := plan(t, dir).Image("s000")
		var kinds []string
		for _, r := range image.Reasons {
			kinds = append(kinds, r.Kind)
		}
		if diff := cmp.Diff([]string{"dependency", "platform"}, kinds); diff != "" {
			t.Errorf("reasons of s000 (-want +got):\n%s", diff)
		}
	})
}

func TestContainerFileWithItsOwnFrontend(t *testing.T) {
	dir, prefix := small(t)
	crane(t, "copy", stack.Ref("docker/dockerfile:1"), prefix+"-dockerfile:1")
	write(t, dir, "services/s000/Dockerfile", "# syntax="+prefix+"-dockerfile:1\nFROM base\nCOPY main.txt /\n")
	publish(t, dir, prefix, "developers")
	if got := string(extract(t, prefix+"/s000:0.1.0", "/base")); got != "base\n" {
		t.Errorf("the image's base has %q", got)
	}
	if needs := release(t, prefix+"/deploy:developers").Images["s000"].Dependencies; needs["base"].String() != "0.1.0" {
		t.Errorf("dependencies: %v", needs)
	}
	edit(t, dir, "2")
	if diff := cmp.Diff([]string{"s000", "deploy"}, plan(t, dir).Changed()); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	_, stderr, code := quoit(t, dir, "plan", "--allow-syntax", "")
	if code != 1 || !strings.Contains(stderr, "services/s000/Dockerfile:1") || !strings.Contains(stderr, prefix+`-dockerfile:1" is not among those that may be run`) {
		t.Errorf("on a list without it: exit code %d\n%s", code, stderr)
	}
	mustQuoit(t, dir, "plan", "--allow-syntax", prefix+"-dockerfile")
}

func TestReservedLabelsAreOverruled(t *testing.T) {
	dir, prefix := small(t)
	write(t, dir, "base/Dockerfile", "FROM busybox\nLABEL org.opencontainers.image.version=9.9.9 dependency.x=1 team=core\n")
	_, stderr, code := quoit(t, dir, "build", "--push", "--label", "org.opencontainers.image.revision=mine", "--progress", "plain")
	if code != 0 || !strings.Contains(stderr, "quoit sets the label") {
		t.Errorf("exit code %d, no warning in:\n%s", code, stderr)
	}
	got := config(t, prefix+"/s000:0.1.0").Config.Labels
	if got[labels.Version] != "0.1.0" || got["dependency.x"] != "" || got["team"] != "core" || !strings.HasPrefix(got[labels.Revision], "sha256:") {
		t.Errorf("labels %v", got)
	}
}

func TestWarningsNameTheirFiles(t *testing.T) {
	t.Parallel()
	dir, _ := small(t)
	replace(t, dir, "quoit.yaml", "s000: services/s000", `s000: {context: services/s000, labels: {org.opencontainers.image.version: "1"}}`)
	write(t, dir, "base/Dockerfile", "FROM busybox as base\n")
	_, stderr, code := quoit(t, dir, "plan", "--progress", "quiet")
	for _, want := range []string{`warning: quoit.yaml: the label "org.opencontainers.image.version" is overruled`, "warning: base/Dockerfile: FromAsCasing: "} {
		if code != 0 || strings.Count(stderr, want) != 1 {
			t.Errorf("exit code %d, not once %q in:\n%s", code, want, stderr)
		}
	}
}

func TestRequestsOfStockClients(t *testing.T) {
	dir, prefix := small(t)
	publish(t, dir, prefix, "developers")
	t.Run("outline", func(t *testing.T) {
		write(t, dir, "services/s000/Dockerfile", "ARG FLAVOUR=plain\nFROM busybox AS tool\nFROM base\nARG FLAVOUR\nCOPY main.txt /\nCOPY --from=tool /bin/busybox /\n")
		if out := buildx(t, dir, "--target", "s000", "--call", "outline"); !strings.Contains(out, "FLAVOUR") {
			t.Errorf("the outline lacks the argument:\n%s", out)
		}
	})
	t.Run("targets", func(t *testing.T) {
		out := buildx(t, dir, "--call", "targets")
		for _, name := range []string{"base", "s000", "deploy (default)"} {
			if !strings.Contains(out, name) {
				t.Errorf("the targets lack %s:\n%s", name, out)
			}
		}
	})
	t.Run("the graph", func(t *testing.T) {
		if out := buildx(t, dir, "--call", "quoit.graph"); !strings.Contains(out, "s000: base") || !strings.Contains(out, "deploy: base s000") {
			t.Errorf("the graph is:\n%s", out)
		}
	})
	t.Run("the schema", func(t *testing.T) {
		if out := buildx(t, dir, "--call", "quoit.schema"); !strings.Contains(out, "json-schema.org") {
			t.Errorf("no schema:\n%s", out)
		}
	})
	t.Run("a plan exits with 2 if something changes, when asked to", func(t *testing.T) {
		cmd := stack.Command(t.Context(), "buildx", "build", "-f", "quoit.yaml", "--call", "quoit.plan",
			"--build-arg", "BUILDKIT_SYNTAX="+frontendImage(t), "--build-arg", "QUOIT_REGISTRY="+stack.Registry,
			"--build-arg", "QUOIT_DETAILED_EXITCODE=1", ".")
		cmd.Dir = dir
		if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 2 {
			t.Errorf("exit code %d\n%s", cmd.ProcessState.ExitCode(), out)
		}
	})
	t.Run("a request that nobody knows", func(t *testing.T) {
		cmd := stack.Command(t.Context(), "buildx", "build", "-f", "quoit.yaml", "--call", "weather",
			"--build-arg", "BUILDKIT_SYNTAX="+frontendImage(t), ".")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "unsupported request frontend.weather") {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

func TestRequestsWithoutTheProjectsRegistry(t *testing.T) {
	t.Parallel()
	dir, _ := small(t)
	front := frontendImage(t)
	ask := func(request string) (string, error) {
		cmd := stack.Command(t.Context(), "buildx", "build", "-f", "quoit.yaml", "--call", request, "--target", "s000",
			"--build-arg", "BUILDKIT_SYNTAX="+front, "--build-arg", "QUOIT_REGISTRY=127.0.0.1:1", ".")
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for request, want := range map[string]string{
		"targets": "deploy (default)", "outline": "load metadata for docker.io/library/busybox:latest", "quoit.schema": "json-schema.org", "quoit.graph": "s000: base",
	} {
		if out, err := ask(request); err != nil || !strings.Contains(out, want) {
			t.Errorf("%s: error %v, no %q in:\n%s", request, err, want, out)
		}
	}
	if out, err := ask("quoit.plan"); err == nil || !strings.Contains(out, "check that the registry runs") {
		t.Errorf("a plan: error %v\n%s", err, out)
	}
}

func TestNamedContexts(t *testing.T) {
	dir, prefix := small(t)
	write(t, dir, "services/s000/Dockerfile", "FROM base\nCOPY --from=tools /bin/busybox /tool\nCOPY main.txt /\n")
	front := frontendImage(t)
	t.Run("an image is an external", func(t *testing.T) {
		image, _ := buildxPlan(t, dir, front, "--build-context", "tools=docker-image://"+stack.Ref("library/busybox:latest")).Image("s000")
		if image.Externals[stack.Ref("library/busybox:latest")] == "" {
			t.Errorf("externals: %v", image.Externals)
		}
	})
	for name, given := range map[string]string{"a folder is refused": "tools=.", "an image of the project too": "base=docker-image://busybox"} {
		t.Run(name, func(t *testing.T) {
			cmd := stack.Command(t.Context(), "buildx", "build", "-f", "quoit.yaml", "--build-context", given,
				"--build-arg", "BUILDKIT_SYNTAX="+front, "--build-arg", "QUOIT_REGISTRY="+stack.Registry, ".")
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "the named context") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	if len(requests(t, prefix, func() {})) != 0 {
		t.Error("something was asked of the registry")
	}
}

func TestPlatformsOfSiblingsAndRings(t *testing.T) {
	dir, prefix := small(t)
	write(t, dir, "base/Dockerfile", "FROM scratch\nARG TARGETARCH\nCOPY t-$TARGETARCH /t\n")
	write(t, dir, "base/t-amd64", "1")
	write(t, dir, "base/t-arm64", "1")
	write(t, dir, "services/s000/Dockerfile", "FROM --platform=linux/arm64 base AS tool\nFROM scratch\nCOPY --from=tool /t /t\nCOPY main.txt /\n")
	publish(t, dir, prefix, "developers")
	t.Run("a file that is read for a platform of another image counts", func(t *testing.T) {
		write(t, dir, "base/t-arm64", "2")
		if diff := cmp.Diff([]string{"base", "s000", "deploy"}, plan(t, dir).Changed()); diff != "" {
			t.Errorf("changed (-want +got):\n%s", diff)
		}
		write(t, dir, "base/t-arm64", "1")
	})
	t.Run("another platform of the root image is a reason, not an error", func(t *testing.T) {
		replace(t, dir, "quoit.yaml", "  deploy: deploy", "  deploy: {context: deploy, platforms: [linux/arm64]}")
		image, _ := plan(t, dir).Image("deploy")
		if !image.Changed || image.Reasons[0].Kind != "platform" {
			t.Errorf("reasons: %v", image.Reasons)
		}
	})
}

func TestAttestations(t *testing.T) {
	dir, prefix := small(t)
	mustQuoit(t, dir, "build", "--push", "--sbom", "generator="+scanner(t, prefix))
	kinds := statements(t, prefix+"/s000:0.1.0")
	if sbom := kinds["https://spdx.dev/Document"]; !strings.Contains(sbom, "main.txt") || !strings.Contains(sbom, "base") {
		t.Errorf("the SBOM does not list the image's files: %s", sbom)
	}
	if provenance := kinds["https://slsa.dev/provenance/v0.2"] + kinds["https://slsa.dev/provenance/v1"]; !strings.Contains(provenance, "busybox") {
		t.Errorf("the provenance does not name the base image: %s", provenance)
	}
}
