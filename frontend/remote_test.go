package frontend

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/versioning"
)

const (
	toolAddress = "https://example.com/tool.tgz"
	toolRef     = "git://example.com/team/tool.git#main"
	toolName    = "https://example.com/team/tool.git#main"
	commitA     = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	commitB     = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// adds is shop with an image that adds a file and a repository, and one on top of it.
func adds(t *testing.T) *world {
	w := newWorld(t, with("base/Dockerfile", "FROM busybox\nARG HOST=example.com\nADD https://$HOST/tool.tgz /\nADD https://example.com/team/tool.git#main:sub /sub/\n"))
	w.Remotes = map[string]string{toolAddress: "one", toolRef + ":sub": commitA, toolRef: commitA}
	return w
}

func TestARemoteSourceIsRecordedAndPinned(t *testing.T) {
	for _, old := range []bool{false, true} {
		w := adds(t)
		w.Old = old
		_, plan := w.build(Options{Target: AllImages})
		want := map[string]string{
			"docker.io/library/busybox:latest": digest.FromString("docker.io/library/busybox:latest").String(),
			toolAddress:                        digest.FromString("one").String(), toolName: "sha1:" + commitA,
		}
		if diff := cmp.Diff(want, plan.Release().Images["base"].Externals); diff != "" {
			t.Errorf("old %v: (-want +got):\n%s", old, diff)
		}
		for identifier, pinned := range map[string]string{toolAddress: digest.FromString("one").String(), toolRef + ":sub": commitA} {
			if got := w.pinned(identifier); got != pinned {
				t.Errorf("old %v: %s is built with %q, want %q", old, identifier, got, pinned)
			}
		}
	}
}

// pinned is the checksum of a source in what was to be solved, with the capability for it.
func (w *world) pinned(identifier string) string {
	w.t.Helper()
	for _, def := range w.Solved() {
		for _, raw := range def.Def {
			var op pb.Op
			w.must(op.UnmarshalVT(raw))
			source := op.GetSource()
			if source.GetIdentifier() != identifier {
				continue
			}
			caps := def.Metadata[digest.FromBytes(raw).String()].Caps
			for attr, capability := range map[string]string{pb.AttrHTTPChecksum: string(pb.CapSourceHTTPChecksum), pb.AttrGitChecksum: string(pb.CapSourceGitChecksum)} {
				if sum := source.Attrs[attr]; sum != "" && caps[capability] {
					return sum
				}
			}
		}
	}
	return ""
}

func TestARemoteSourceThatMovesIsAReasonInTheFirstRing(t *testing.T) {
	w := adds(t)
	w.publish(Options{})
	w.publish(Options{Ring: "testers"})
	w.Remotes[toolAddress], w.Remotes[toolRef+":sub"] = "two", commitB
	_, plan := w.build(Options{})
	var details []string
	for _, image := range plan.Images {
		for _, reason := range image.Reasons {
			if image.Name == "base" && reason.Kind == versioning.ReasonExternal {
				details = append(details, reason.Detail)
			}
		}
	}
	want := []string{toolName + " sha1:aaaaaaaa… → sha1:bbbbbbbb…", toolAddress + " " + short("one") + " → " + short("two")}
	if diff := cmp.Diff(want, details); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, plan := w.build(Options{Ring: "testers"}); len(plan.Changed()) != 0 {
		t.Errorf("in a later ring: %v", changes(plan))
	}
	if _, plan := w.build(Options{Ring: "testers", Pull: true}); len(plan.Changed()) == 0 {
		t.Error("in a later ring, with pull, nothing changed")
	}
}

func short(content string) string {
	return digest.FromString(content).String()[:len("sha256:")+8] + "…"
}

func TestARemoteSourceThatIsNotThereIsAMistakeOfItsLine(t *testing.T) {
	w := adds(t)
	delete(w.Remotes, toolAddress)
	w.fails(Options{}, "image base: "+toolAddress, "404")
	if asked := w.Asked()[toolAddress]; asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

func TestSourcesWithAChecksumAreNotAsked(t *testing.T) {
	w := newWorld(t, with("base/Dockerfile", "FROM busybox\nADD --checksum="+digest.FromString("one").String()+" "+toolAddress+" /\n"+
		"ADD https://example.com/team/tool.git#"+commitA+" /sub/\n"))
	w.publish(Options{})
	for name, times := range w.Asked() {
		if strings.Contains(name, "://") {
			t.Errorf("%s was asked %d times", name, times)
		}
	}
}
