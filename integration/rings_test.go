//go:build stack

package integration

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/labels"
)

// small writes a project of three images: base, api on it, and the root image.
func small(t *testing.T) (dir, prefix string) {
	t.Helper()
	dir, prefix = generated(t, 3)
	return dir, prefix
}

// edit changes what the service of a small project is made of.
func edit(t *testing.T, dir, content string) {
	t.Helper()
	write(t, dir, "services/s000/main.txt", content)
}

// versions are those of all images of the release in a ring.
func versions(t *testing.T, prefix, ring string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for name, image := range release(t, prefix+"/deploy:"+ring).Images {
		all[name] = image.Version.String()
	}
	return all
}

// publish publishes and returns the versions that the ring then holds.
func publish(t *testing.T, dir, prefix, ring string) map[string]string {
	t.Helper()
	mustQuoit(t, dir, "build", "--push", "--ring", ring)
	return versions(t, prefix, ring)
}

func TestVersionsFollowTheRings(t *testing.T) {
	t.Parallel()
	dir, prefix := small(t)
	check := func(t *testing.T, got, want map[string]string) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("versions (-want +got):\n%s", diff)
		}
	}
	check(t, publish(t, dir, prefix, "developers"), map[string]string{"base": "0.1.0", "s000": "0.1.0", "deploy": "0.1.0"})

	edit(t, dir, "2")
	t.Run("without a next ring a change is a patch", func(t *testing.T) {
		check(t, publish(t, dir, prefix, "developers"), map[string]string{"base": "0.1.0", "s000": "0.1.1", "deploy": "0.1.1"})
	})
	mustQuoit(t, dir, "set", "testers", "0.1.1")
	edit(t, dir, "3")
	t.Run("after a shift the first change bumps the minor", func(t *testing.T) {
		check(t, publish(t, dir, prefix, "developers"), map[string]string{"base": "0.1.0", "s000": "0.2.0", "deploy": "0.2.0"})
	})
	edit(t, dir, "4")
	t.Run("and the next one the patch", func(t *testing.T) {
		check(t, publish(t, dir, prefix, "developers"), map[string]string{"base": "0.1.0", "s000": "0.2.1", "deploy": "0.2.1"})
	})
	edit(t, dir, "hotfix")
	t.Run("a hotfix in the next ring is a patch of what that ring has", func(t *testing.T) {
		check(t, publish(t, dir, prefix, "testers"), map[string]string{"base": "0.1.0", "s000": "0.1.2", "deploy": "0.1.2"})
	})
	t.Run("a major comes only on request", func(t *testing.T) {
		mustQuoit(t, dir, "build", "--push", "--major", "s000")
		check(t, versions(t, prefix, "developers"), map[string]string{"base": "0.1.0", "s000": "1.0.0", "deploy": "0.2.2"})
	})
	t.Run("a rebuild changes the image and the root", func(t *testing.T) {
		if diff := cmp.Diff([]string{"base", "s000", "deploy"}, plan(t, dir, "--rebuild", "base").Changed()); diff != "" {
			t.Errorf("changed (-want +got):\n%s", diff)
		}
	})
	t.Run("a floor in the manifest raises the version", func(t *testing.T) {
		replace(t, dir, "quoit.yaml", "  s000: services/s000", "  s000: {context: services/s000, version: 5.2.0}")
		image, _ := plan(t, dir).Image("s000")
		if got := image.Version.String(); got != "5.2.0" || image.Reasons[len(image.Reasons)-1].Kind != "floor" {
			t.Errorf("version %s, reasons %v", got, image.Reasons)
		}
	})
}

func TestTakenVersions(t *testing.T) {
	t.Parallel()
	// What somebody else has pushed is found by the look before the write, once.
	refused := func(t *testing.T, dir, version string, args ...string) {
		t.Helper()
		_, stderr, code := quoit(t, dir, append([]string{"build", "--push"}, args...)...)
		if code != 3 || !strings.Contains(stderr, "s000 "+version+" is taken by sha256:") {
			t.Errorf("the first attempt: exit code %d\n%s", code, stderr)
		}
	}
	t.Run("a version that somebody else has pushed is passed over by the next free minor", func(t *testing.T) {
		dir, prefix := small(t)
		publish(t, dir, prefix, "developers")
		edit(t, dir, "2")
		crane(t, "tag", prefix+"/s000:0.1.0", "0.1.1")
		before := digestOf(t, prefix+"/s000:0.1.1")
		refused(t, dir, "0.1.1")
		if got := publish(t, dir, prefix, "developers")["s000"]; got != "0.2.0" {
			t.Errorf("s000 is %s, want 0.2.0, the next minor after the taken 0.1.1", got)
		}
		if after := digestOf(t, prefix+"/s000:0.1.1"); after != before {
			t.Errorf("the taken version was overwritten: %s, was %s", after, before)
		}
	})
	t.Run("where both rings have the same version it becomes the patch", func(t *testing.T) {
		dir, prefix := small(t)
		publish(t, dir, prefix, "developers")
		for _, ring := range []string{"testers", "users"} {
			mustQuoit(t, dir, "set", ring, "0.1.0")
		}
		crane(t, "tag", prefix+"/s000:0.1.0", "0.2.0")
		edit(t, dir, "hotfix")
		refused(t, dir, "0.2.0", "--ring", "testers")
		if got := publish(t, dir, prefix, "testers")["s000"]; got != "0.1.1" {
			t.Errorf("s000 is %s, want the hotfix 0.1.1", got)
		}
	})
	t.Run("a version of the same identity is adopted, not built again", func(t *testing.T) {
		dir, prefix := small(t)
		publish(t, dir, prefix, "developers")
		edit(t, dir, "2")
		publish(t, dir, prefix, "developers")
		mustQuoit(t, dir, "set", "users", "0.1.0") // and developers still has 0.1.1
		digest := digestOf(t, prefix+"/s000:0.1.1")

		p := plan(t, dir, "--ring", "users")
		for _, name := range []string{"s000", "deploy"} {
			if image, _ := p.Image(name); !image.Adopted || image.Version.String() != "0.1.1" || image.Digest != digestOf(t, prefix+"/"+name+":0.1.1") {
				t.Errorf("%s: adopted %v at %s by digest %s, want 0.1.1 adopted", name, image.Adopted, image.Version, image.Digest)
			}
		}
		if got := requests(t, prefix, func() { publish(t, dir, prefix, "users") }); got["POST uploads"]+got["PUT uploads"] != 2 {
			t.Errorf("blobs were pushed besides the record: %v", got)
		}
		if after := digestOf(t, prefix+"/s000:0.1.1"); after != digest {
			t.Errorf("the adopted version has %s now, was %s", after, digest)
		}
		if got := versions(t, prefix, "users")["s000"]; got != "0.1.1" {
			t.Errorf("the ring has s000 %s", got)
		}
	})
}

func TestNewAndRemovedImages(t *testing.T) {
	t.Parallel()
	dir, prefix := generated(t, 4)
	publish(t, dir, prefix, "developers")
	replace(t, dir, "quoit.yaml", "  s001: services/s001\n", "")
	got := publish(t, dir, prefix, "developers")
	if diff := cmp.Diff(map[string]string{"base": "0.1.0", "s000": "0.1.0", "deploy": "0.1.1"}, got); diff != "" {
		t.Errorf("after the removal (-want +got):\n%s", diff)
	}
	retired := release(t, prefix+"/deploy:developers").Retired
	if len(retired) != 1 || retired["s001"].String() != "0.1.0" {
		t.Errorf("retired: %v", retired)
	}
	replace(t, dir, "quoit.yaml", "  s000: services/s000\n", "  s000: services/s000\n  s001: services/s001\n")
	if got := publish(t, dir, prefix, "developers")["s001"]; got != "0.1.1" {
		t.Errorf("the image that returned is %s, want 0.1.1 after its last 0.1.0", got)
	}
}

func TestWithoutAnyState(t *testing.T) {
	t.Parallel()
	dir, prefix := small(t)
	publish(t, dir, prefix, "developers")
	got := requests(t, prefix, func() {
		p := plan(t, dir, "--ring", "none")
		for _, image := range p.Images {
			if !image.Changed || !image.Version.IsZero() {
				t.Errorf("%s: changed %v, version %s; want everything built as 0.0.0", image.Name, image.Changed, image.Version)
			}
		}
	})
	if len(got) != 0 {
		t.Errorf("ring none asked the registry: %v", got)
	}
	_, stderr, code := quoit(t, dir, "build", "--push", "--ring", "none")
	if code != 64 || !strings.Contains(stderr, "not published") {
		t.Errorf("publishing ring none: exit code %d, %s", code, stderr)
	}
}

func TestStatedFirstRelease(t *testing.T) {
	t.Parallel()
	dir, prefix := small(t)
	if got := requests(t, prefix, func() { plan(t, dir, "--first") }); len(got) != 0 {
		t.Errorf("--first looked: %v", got)
	}
	mustQuoit(t, dir, "build", "--push", "--first")
	if got := versions(t, prefix, "developers")["s000"]; got != "0.1.0" {
		t.Errorf("s000 is %s", got)
	}
	edit(t, dir, "2")
	_, stderr, code := quoit(t, dir, "build", "--push", "--first")
	if code != 3 || !strings.Contains(stderr, "developers") {
		t.Errorf("a false --first: exit code %d, want 3; %s", code, stderr)
	}
}

func TestExternals(t *testing.T) {
	dir, prefix := small(t)
	copyTo := func(source, target string) { crane(t, "copy", stack.Ref(source), stack.Ref(target)) }
	tool := repository(prefix) + "-tool"
	copyTo("library/busybox:latest", tool+":1")
	write(t, dir, "services/s000/Dockerfile", "FROM "+stack.Ref(tool)+":1\nCOPY main.txt /\n")
	publish(t, dir, prefix, "developers")
	mustQuoit(t, dir, "set", "testers", "0.1.0")
	config := config(t, prefix+"/s000:0.1.0").Config.Labels
	if config[labels.BaseName] != stack.Ref(tool)+":1" || config[labels.BaseDigest] != digestOf(t, stack.Ref(tool)+":1") {
		t.Errorf("base labels: %s %s", config[labels.BaseName], config[labels.BaseDigest])
	}
	copyTo("library/debian:bookworm-slim", tool+":1")
	t.Run("a new digest behind the tag changes the image in the first ring", func(t *testing.T) {
		image, _ := plan(t, dir).Image("s000")
		if !image.Changed || image.Reasons[0].Kind != "external" {
			t.Errorf("changed %v, reasons %v", image.Changed, image.Reasons)
		}
	})
	t.Run("a later ring keeps the recorded digest", func(t *testing.T) {
		if changed := plan(t, dir, "--ring", "testers").Changed(); len(changed) != 0 {
			t.Errorf("changed: %v", changed)
		}
	})
	t.Run("unless it is told to pull", func(t *testing.T) {
		if image, _ := plan(t, dir, "--ring", "testers", "--pull").Image("s000"); !image.Changed {
			t.Error("s000 is unchanged")
		}
	})
}

func TestTheReleaseNamesItsCommit(t *testing.T) {
	dir, prefix := small(t)
	gitServer(t, dir) // commits all of it
	publish(t, dir, prefix, "developers")
	want, err := exec.Command("git", "-C", dir, "rev-parse", "HEAD").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := release(t, prefix+"/deploy:developers").Commit; got != strings.TrimSpace(string(want)) {
		t.Errorf("the release is of commit %q, git says %s", got, want)
	}
}
