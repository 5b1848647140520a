package gate

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/solver/pb"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quoitbuild/quoit/builder"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// gated is a manifest with a gate before the ring users.
func gated(t *testing.T, gate string) *manifest.Manifest {
	t.Helper()
	m, err := manifest.Parse("quoit.yaml", []byte("project: acme/shop\nregistry: registry.example.com\nroot: deploy\n"+
		"images: {deploy: d, smoke: s, new: n}\ngates:\n  users: "+gate+"\n  post: {image: smoke, secrets: [token]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// someRelease is a release that is to move into a ring.
func someRelease(ring string) Release {
	image := func(version, content string) records.Image {
		v, err := versioning.Parse(version)
		if err != nil {
			panic(err)
		}
		return records.Image{Version: v, Digest: digest.FromString(content).String()}
	}
	images := map[string]records.Image{"deploy": image("2.0.0", "deploy"), "smoke": image("1.4.2", "smoke")}
	return Release{Ring: ring, Version: images["deploy"].Version, Digest: images["deploy"].Digest, Images: images}
}

// nobody is where no BuildKit is.
var nobody = builder.BuildKit{Address: "unix:///nonexistent/buildkitd.sock"}

func TestGatesAreRunBeforeTheirRingsOnly(t *testing.T) {
	m := gated(t, "{image: smoke}")
	releases := []Release{someRelease("testers"), {Ring: "ante"}}
	if got, err := Run(t.Context(), m, nobody, Skip{}, releases); got != nil || err != nil {
		t.Errorf("rings without gates: %v, %v", got, err)
	}
	if _, err := Run(t.Context(), m, nobody, Skip{}, append(releases, someRelease("users"))); err == nil {
		t.Error("a ring with a gate needs no BuildKit")
	}
}

// TestGatesBelongToTheRelease: what its own record requires is asked of it, and what only
// today's manifest requires besides.
func TestGatesBelongToTheRelease(t *testing.T) {
	own := records.Required{Ring: "users", Image: "smoke", Command: []string{"/then"}, Timeout: 60}
	load := records.Required{Ring: "users", Image: "deploy", Timeout: 60}
	for name, test := range map[string]struct {
		required []records.Required
		today    string
		want     []string
	}{
		"a release that requires none":            {nil, "{image: smoke, command: [/now]}", []string{"smoke [/now]"}},
		"the same image":                          {[]records.Required{own}, "{image: smoke, command: [/now]}", []string{"smoke [/then]"}},
		"another one today":                       {[]records.Required{own}, "{image: new}", []string{"smoke [/then]", "new []"}},
		"several":                                 {[]records.Required{load, own}, "{image: smoke}", []string{"deploy []", "smoke [/then]"}},
		"another ring's":                          {[]records.Required{{Ring: "testers", Image: "smoke"}}, "{image: new}", []string{"new []"}},
		"the manifest that it was published with": {Required(gated(t, "{image: smoke, command: [/x]}")), "{image: smoke, command: [/x]}", []string{"smoke [/x]"}},
	} {
		t.Run(name, func(t *testing.T) {
			release := someRelease("users")
			release.Required = test.required
			var got []string
			for _, gate := range gatesOf(gated(t, test.today), release) {
				got = append(got, fmt.Sprintf("%s %v", gate.Image, gate.Command))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	m, err := manifest.Parse("quoit.yaml", []byte("project: acme/shop\nregistry: registry.example.com\nimages: {deploy: d}\n"))
	if err != nil {
		t.Fatal(err)
	}
	release := someRelease("users")
	release.Required = []records.Required{own}
	if _, err := Run(t.Context(), m, nobody, Skip{}, []Release{release}); err == nil {
		t.Error("a gate that the manifest has no more is not asked")
	}
}

// TestWhatAManifestMayRequireFitsARecord: or no release could be published with it.
func TestWhatAManifestMayRequireFitsARecord(t *testing.T) {
	long := "[/smoke, " + strings.Repeat("x", records.MaxCommand-len("/smoke")) + "]"
	head := "project: acme/shop\nregistry: registry.example.com\nimages: {deploy: d}\nrings: ["
	gates := "]\ngates:\n"
	for i := range records.MaxRequired {
		head += fmt.Sprintf("r%d,", i)
		gates += fmt.Sprintf("  r%d: {image: deploy, command: %s, secrets: [a, b], timeout: 23h59m59.5s}\n", i, long)
	}
	m, err := manifest.Parse("quoit.yaml", []byte(head+gates))
	if err != nil {
		t.Fatal(err)
	}
	record := records.Record{
		Sequence: 1, Operation: records.OpPublish, Required: Required(m),
		Signature: records.Signature{ID: strings.Repeat("0", 32), Time: time.Unix(0, 0).UTC()},
	}
	if _, err := records.Format(record); err != nil {
		t.Error(err)
	}
	for what, text := range map[string]string{
		"more gates":       head + "more" + gates + "  more: {image: deploy}\n",
		"a longer command": strings.Replace(head+gates, "x]", "xx]", 1),
	} {
		if _, err := manifest.Parse("quoit.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), "at most") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestAGateIsSkippedByName: it is not run, and the record says why.
func TestAGateIsSkippedByName(t *testing.T) {
	release := someRelease("users")
	release.Required = []records.Required{{Ring: "users", Image: "deploy", Timeout: 60}}
	m := gated(t, "{image: new, secrets: [token]}")
	for name, test := range map[string]struct {
		skip []string
		want string
	}{
		"all of a ring":  {[]string{"users"}, ""},
		"each by image":  {[]string{"users/new", "users/deploy"}, ""},
		"one of two":     {[]string{"users/new"}, "BuildKit does not answer"},
		"the other":      {[]string{"users/deploy"}, "gate of ring users: release 2.0.0 has no image new: publish a release that has it, or leave the gate out by --skip-gate users/new --reason"},
		"another ring":   {[]string{"users", "post"}, "there is no gate post to skip"},
		"another image":  {[]string{"users", "users/smoke"}, "there is no gate users/smoke to skip"},
		"only its image": {[]string{"new", "deploy"}, "there is no gate new to skip"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Run(t.Context(), m, nobody, Skip{test.skip, "it was tested by hand"}, []Release{release})
			if test.want != "" {
				if err == nil || !strings.HasPrefix(err.Error(), test.want) {
					t.Errorf("got %v, want %s", err, test.want)
				}
				return
			}
			want := []records.Gate{
				{Ring: "users", Image: "deploy", Digest: release.Digest, Skipped: "it was tested by hand"},
				{Ring: "users", Image: "new", Skipped: "it was tested by hand"},
			}
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestWhatGatesLackIsSaidBeforeAnyIsRun(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("QUOIT_TEST_SECRET", "x")
	for name, test := range map[string]struct {
		gate    string
		secrets []string
		want    string
	}{
		"an image that the release does not have": {gate: "{image: new}", want: "gate of ring users: release 2.0.0 has no image new"},
		"secrets of several gates": {gate: "{image: smoke, secrets: [key, token]}",
			want: "gate of ring users: there is no secret key: give it with --secret id=key,src=FILE or --secret id=key,env=VARIABLE\n" +
				"gate of ring users: there is no secret token: give it with --secret id=token,src=FILE or --secret id=token,env=VARIABLE"},
		"an empty file": {gate: "{image: smoke}", secrets: []string{"id=token,src=" + empty},
			want: "gate of ring post: the secret token is empty: check its file or variable"},
		"an unset variable": {gate: "{image: smoke}", secrets: []string{"id=token,env=QUOIT_TEST_SECRET_UNSET"},
			want: "gate of ring post: the secret token is empty: check its file or variable"},
		"no file": {gate: "{image: smoke}", secrets: []string{"id=token,src=/nonexistent"},
			want: "secret: failed to stat /nonexistent: stat /nonexistent: no such file or directory"},
		"nothing": {gate: "{image: smoke, secrets: [key]}", secrets: []string{"id=token,env=QUOIT_TEST_SECRET", "id=key,env=QUOIT_TEST_SECRET"},
			want: "BuildKit does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			given := nobody
			given.Secrets = test.secrets
			_, err := Run(t.Context(), gated(t, test.gate), given, Skip{}, []Release{someRelease("users"), someRelease("post")})
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
}

// step is the build step of the gate before the ring users.
func step(t *testing.T, gate string, image dockerspec.DockerOCIImage) (run *pb.ExecOp, options *pb.OpMetadata, release string, err error) {
	t.Helper()
	tasks, err := tasksOf(gated(t, gate), Skip{}, []Release{someRelease("users")})
	if err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(image)
	if err != nil {
		t.Fatal(err)
	}
	state, err := tasks[0].state(config, ocispecs.Platform{OS: "linux", Architecture: "amd64"})
	if err != nil {
		return nil, nil, "", err
	}
	def, err := state.Marshal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range def.Def {
		var op pb.Op
		if err := op.UnmarshalVT(data); err != nil {
			t.Fatal(err)
		}
		if exec := op.GetExec(); exec != nil {
			run, options = exec, def.Metadata[digest.FromBytes(data)].ToPB()
		}
		if file := op.GetFile(); file != nil {
			release = string(file.Actions[0].GetMkfile().Data)
		}
		if source := op.GetSource(); source != nil && source.Identifier != "docker-image://"+tasks[0].reference {
			t.Errorf("it is run on %s, want %s", source.Identifier, tasks[0].reference)
		}
	}
	return run, options, release, nil
}

func TestGateIsOneStepOnTheExactImage(t *testing.T) {
	var image dockerspec.DockerOCIImage
	image.Config.Env, image.Config.WorkingDir, image.Config.User = []string{"A=b", "QUOIT_RING=x"}, "/work", "1000:1000"
	image.Config.Entrypoint, image.Config.Cmd = []string{"/entry"}, []string{"point"}
	run, options, release, err := step(t, "{image: smoke, secrets: [token]}", image)
	if err != nil {
		t.Fatal(err)
	}
	meta, dgst := run.Meta, someRelease("users").Digest
	if diff := cmp.Diff([]string{"/entry", "point"}, meta.Args); diff != "" {
		t.Errorf("args (-want +got):\n%s", diff)
	}
	slices.Sort(meta.Env)
	if diff := cmp.Diff([]string{"A=b", "QUOIT_PROJECT=acme/shop", "QUOIT_RELEASE=/run/quoit/release.json",
		"QUOIT_RELEASE_DIGEST=" + dgst, "QUOIT_RING=users", "QUOIT_VERSION=2.0.0"}, meta.Env); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if meta.Cwd != "/work" || meta.User != "1000:1000" || run.Network != pb.NetMode_NONE || !options.IgnoreCache {
		t.Errorf("folder %s, user %s, network %s, uncached %v", meta.Cwd, meta.User, run.Network, options.IgnoreCache)
	}
	var mounts []string
	for _, m := range run.Mounts {
		mounts = append(mounts, fmt.Sprintf("%s %s %v %s", m.MountType, m.Dest, m.Readonly, m.SecretOpt.GetID()))
	}
	if diff := cmp.Diff([]string{"BIND / false ", "BIND /run/quoit true ", "SECRET /run/secrets/token false token"}, mounts); diff != "" {
		t.Errorf("mounts (-want +got):\n%s", diff)
	}
	want := fmt.Sprintf("{\n  \"deploy\": \"registry.example.com/acme/shop/deploy@%s\",\n  \"smoke\": \"registry.example.com/acme/shop/smoke@%s\"\n}\n",
		dgst, digest.FromString("smoke"))
	if release != want {
		t.Errorf("release.json is %s\nwant %s", release, want)
	}
	again, _, _, err := step(t, "{image: smoke, secrets: [token]}", image)
	if err != nil || again.Meta.Hostname == meta.Hostname {
		t.Errorf("two runs are the same step: %v", err)
	}
}

func TestGateThatSaysMore(t *testing.T) {
	var image dockerspec.DockerOCIImage
	run, _, _, err := step(t, "{image: smoke, command: [/smoke, $HOME], network: true}", image)
	if err != nil || !slices.Equal(run.Meta.Args, []string{"/smoke", "$HOME"}) || run.Network != pb.NetMode_UNSET {
		t.Errorf("%v, %v", run, err)
	}
	if _, _, _, err := step(t, "{image: smoke}", image); err == nil || !strings.Contains(err.Error(), "no entrypoint and no command") {
		t.Errorf("an image that runs nothing: %v", err)
	}
}

func TestTailIsTheEndOfOneStep(t *testing.T) {
	output := newTail("wanted")
	one, two := digest.FromString("1"), digest.FromString("2")
	output.take(&client.SolveStatus{Vertexes: []*client.Vertex{{Name: "wanted", Digest: one}, {Name: "other", Digest: two}}})
	output.take(&client.SolveStatus{Logs: []*client.VertexLog{{Vertex: two, Data: []byte("no\n")}}})
	for i := range 5000 {
		output.take(&client.SolveStatus{Logs: []*client.VertexLog{{Vertex: one, Data: fmt.Appendf(nil, "this is the li")}, {Vertex: one, Data: fmt.Appendf(nil, "ne %d\n", i)}}})
	}
	lines := output.lines()
	if len(lines) != tailLines || lines[0] != "this is the line 4990" || lines[9] != "this is the line 4999" || len(output.data) > tailBytes {
		t.Errorf("%d bytes: %q", len(output.data), lines)
	}
}
