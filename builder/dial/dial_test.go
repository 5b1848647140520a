package dial

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/buildkit/util/appdefaults"
)

// reached is what Find finds: its name, and that of the BuildKit behind it.
func reached(t *testing.T, o Options) (name, behind string, err error) {
	t.Helper()
	b, err := Find(t.Context(), o)
	if err != nil {
		return "", "", err
	}
	defer b.Client.Close()
	info, err := b.Client.Info(t.Context())
	if err != nil {
		return b.Name, "", b.Unanswered(err)
	}
	return b.Name, info.BuildkitVersion.Version, nil
}

func TestWhichBuilderIsFound(t *testing.T) {
	one := func(driver, socket string) stubBuilder {
		return stubBuilder{Driver: driver, Nodes: []stubNode{{Name: "n", Status: awake, Platforms: "linux/amd64", Socket: socket}}}
	}
	none := stubBuilder{Problem: "Cannot connect to the Docker daemon"} // as buildx describes an engine that is not there
	addressed, current, other, engine := buildKitd(t, "addressed"), buildKitd(t, "current"), buildKitd(t, "other"), engineAt(t, "engine")
	builders := map[string]stubBuilder{
		"current": one("docker-container", current), "other": one("remote", other), "dead": one("remote", ""), "default": none, "broken": {Driver: "kubernetes", Problem: "no pod"}, "far": none, "away": one("docker", other),
		"sleeping": {Driver: "docker-container", Nodes: []stubNode{{Name: "n", Status: "inactive", Socket: other}}},
		"gone":     {Driver: "docker-container", Nodes: []stubNode{{Name: "n", Status: "stopped"}}},
	}
	for name, test := range map[string]struct {
		options  Options
		env      map[string]string
		programs []string // docker
		noPlugin bool
		current  string // default
		want     string
		wrong    string
		calls    string // none, if it is "-"
	}{
		"an address": {
			options: Options{Address: "unix://" + addressed}, env: map[string]string{"BUILDKIT_HOST": "unix:///nowhere", "BUILDX_BUILDER": "current", "DOCKER_HOST": engine},
			want: "BuildKit at unix://" + addressed + " > addressed", calls: "-"},
		"BUILDKIT_HOST": {
			env:  map[string]string{"BUILDKIT_HOST": "unix://" + addressed, "BUILDX_BUILDER": "current", "DOCKER_HOST": engine},
			want: "BuildKit at unix://" + addressed + " > addressed", calls: "-"},
		"a builder that is named goes before BUILDKIT_HOST": {
			options: Options{Builder: "other"}, env: map[string]string{"BUILDKIT_HOST": "unix://" + addressed, "BUILDX_BUILDER": "dead"}, current: "current",
			want: "the buildx builder other (remote) > other", calls: "docker buildx dial-stdio --builder=other --progress=quiet --platform="},
		"BUILDX_BUILDER": {
			env: map[string]string{"BUILDX_BUILDER": "other", "DOCKER_HOST": engine}, current: "current",
			want: "the buildx builder other (remote) > other"},
		"the current builder": {
			env: map[string]string{"DOCKER_HOST": engine}, current: "current",
			want: "the buildx builder current (docker-container) > current", calls: "docker buildx inspect --builder=\n"},
		"buildx without docker": {
			programs: []string{"buildx"}, current: "current", want: "the buildx builder current (docker-container) > current"},
		"buildx as a plugin's name": {
			programs: []string{"docker-buildx"}, current: "current", want: "the buildx builder current (docker-container) > current"},
		"docker without buildx, beside it": {
			programs: []string{"docker", "buildx"}, current: "current", want: "the buildx builder current (docker-container) > current", calls: "buildx version"},
		"a builder that has to be started": {
			options: Options{Builder: "sleeping"}, want: "the buildx builder sleeping (docker-container) > other", calls: "inspect --bootstrap --builder=sleeping"},
		"the engine, through its builder": {
			env: map[string]string{"DOCKER_HOST": engine}, want: "the Docker Engine at " + engine + " > engine"},
		"the engine, through its builder that is named": {
			options: Options{Builder: "default"}, env: map[string]string{"DOCKER_HOST": engine}, want: "the Docker Engine at " + engine + " > engine"},
		"an engine of another context, through its builder": {
			env: map[string]string{"DOCKER_HOST": engine}, current: "away", want: "the buildx builder away (docker) > other"},
		"the engine without buildx": {
			env: map[string]string{"DOCKER_HOST": engine}, programs: []string{}, want: "the Docker Engine at " + engine + " > engine", calls: "-"},

		"a builder that there is not": {
			options: Options{Builder: "nobody"}, env: map[string]string{"DOCKER_HOST": engine},
			wrong: `the builder nobody of docker buildx cannot be used: see docker buildx ls, or choose another one with docker buildx use, BUILDX_BUILDER or --builder, or name a BuildKit with --addr or BUILDKIT_HOST: docker buildx inspect --builder=nobody: exit status 1: ERROR: no builder "nobody" found`},
		"the current builder is dead": {
			env: map[string]string{"DOCKER_HOST": engine}, current: "dead",
			wrong: "the buildx builder dead (remote) does not answer: see docker buildx inspect dead, or choose another one with docker buildx use, BUILDX_BUILDER or --builder, or name a BuildKit with --addr or BUILDKIT_HOST: docker buildx dial-stdio --builder=dead --progress=quiet --platform=: exit status 1: ERROR: no nodes available"},
		"the current builder is broken": {
			env: map[string]string{"DOCKER_HOST": engine}, current: "broken",
			wrong: "the buildx builder broken (kubernetes) cannot be used: no pod; see docker buildx inspect broken, or choose"},
		"the current builder is an engine that is dead": {
			env: map[string]string{"DOCKER_HOST": engine}, current: "far",
			wrong: "the buildx builder far cannot be used: Cannot connect to the Docker daemon; see docker buildx inspect far, or choose"},
		"a builder that does not start": {
			options: Options{Builder: "gone"},
			wrong:   "the buildx builder gone (docker-container) does not start: node n at unix:// is stopped; see docker buildx inspect gone, or "},
		"a builder without buildx": {
			options: Options{Builder: "mine"}, env: map[string]string{"DOCKER_HOST": engine}, programs: []string{},
			wrong: "--builder names the builder mine of docker buildx, which is not installed: install it, or "},
		"BUILDX_BUILDER without buildx": {
			env: map[string]string{"BUILDX_BUILDER": "mine"}, noPlugin: true,
			wrong: "BUILDX_BUILDER names the builder mine of docker buildx, which is not installed: install it, or "},
		"DOCKER_HOST is dead": {
			env:   map[string]string{"DOCKER_HOST": "unix:///nowhere.sock"},
			wrong: "the Docker Engine at unix:///nowhere.sock cannot be used: start it, choose another one with docker context use or DOCKER_HOST, or name a BuildKit with --addr or BUILDKIT_HOST: "},
		"DOCKER_HOST is no engine with a BuildKit": {
			env:   map[string]string{"DOCKER_HOST": engineAt(t, "")},
			wrong: "it has no BuildKit: "},
		"DOCKER_CONTEXT is no context": {
			env: map[string]string{"DOCKER_CONTEXT": "nowhere"}, programs: []string{},
			wrong: "the Docker Engine of the docker context nowhere cannot be used: start it, choose"},
		"certificates without an address": {
			options: Options{TLS: TLS{CACert: "ca.pem"}}, wrong: "certificates are for an address: name it with --addr or BUILDKIT_HOST"},
	} {
		t.Run(name, func(t *testing.T) {
			w := world{NoPlugin: test.noPlugin || len(test.programs) > 1, Current: test.current, Builders: builders}
			if w.Current == "" {
				w.Current = byDefault
			}
			if test.programs == nil {
				test.programs = []string{"docker"}
			}
			calls := install(t, w, test.programs...)
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			who, behind, err := reached(t, test.options)
			if test.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), test.wrong) {
					t.Errorf("%s > %s, error %v", who, behind, err)
				}
			} else if err != nil || who+" > "+behind != test.want {
				t.Errorf("%s > %s, error %v", who, behind, err)
			}
			if made := calls(); test.calls == "-" && made != "" || test.calls != "-" && !strings.Contains(made, test.calls) {
				t.Errorf("it has called:\n%s", made)
			}
		})
	}
}

// TestNothingIsSelected: docker and buildx are there, or not, with nothing in them.
func TestNothingIsSelected(t *testing.T) {
	for _, socket := range []string{"/var/run/docker.sock", strings.TrimPrefix(appdefaults.Address, "unix://")} {
		if _, err := os.Stat(socket); !errors.Is(err, fs.ErrNotExist) {
			t.Skipf("this machine has %s", socket)
		}
	}
	for name, programs := range map[string][]string{"nothing": nil, "docker and buildx": {"docker"}} {
		t.Run(name, func(t *testing.T) {
			install(t, world{Current: byDefault, Builders: map[string]stubBuilder{byDefault: {Problem: "no engine"}}}, programs...)
			_, _, err := reached(t, Options{})
			var none *NoneError
			if !errors.As(err, &none) || !strings.Contains(err.Error(), "the Docker Engine at unix:///var/run/docker.sock: ") || !strings.Contains(err.Error(), "buildkitd at unix://"+os.Getenv("XDG_RUNTIME_DIR")) {
				t.Errorf("error %v", err)
			}
			if without := strings.Contains(err.Error(), "docker buildx: it is not installed"); without != (programs == nil) {
				t.Errorf("error %v", err)
			}

			own := filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "buildkit")
			if err := os.Mkdir(own, 0o700); err != nil {
				t.Fatal(err)
			}
			l, err := net.Listen("unix", filepath.Join(own, "buildkitd.sock"))
			if err != nil {
				t.Skip(err) // the path is too long here
			}
			serve(t, "own", l)
			if who, behind, err := reached(t, Options{}); err != nil || who != "BuildKit at unix://"+own+"/buildkitd.sock" || behind != "own" {
				t.Errorf("%s > %s, error %v", who, behind, err)
			}
		})
	}
}

// TestANodeOfABuilderIsReached: buildx is told the platform that leads to the node.
func TestANodeOfABuilderIsReached(t *testing.T) {
	first, second := buildKitd(t, "first"), buildKitd(t, "second")
	farm := stubBuilder{Driver: "remote", Nodes: []stubNode{
		{Name: "a", Status: awake, Platforms: "linux/amd64", Socket: first}, {Name: "b", Status: "inactive", Platforms: "linux/arm64", Socket: second}}}
	calls := install(t, world{Current: "farm", Builders: map[string]stubBuilder{"farm": farm}}, "docker")
	find := func(all ...string) (said []string, who string, err error) {
		name, behind, err := reached(t, Options{Platforms: parsed(t, all...), Say: func(line string) { said = append(said, line) }})
		return said, name + " > " + behind, err
	}
	if said, who, err := find("linux/amd64"); err != nil || who != "the buildx builder farm (remote), node a > first" || said != nil {
		t.Errorf("%s, it says %q, error %v", who, said, err)
	}
	if made := calls(); strings.Contains(made, "--bootstrap") {
		t.Errorf("a node that is not needed is started:\n%s", made)
	}
	if said, who, err := find("linux/arm64"); err != nil || who != "the buildx builder farm (remote), node b > second" || len(said) != 1 || said[0] != "starting the buildx builder farm (remote)" {
		t.Errorf("%s, it says %q, error %v", who, said, err)
	}
	_, _, err := find("linux/amd64", "linux/arm64")
	if !errors.As(err, new(*NodesError)) || !strings.Contains(err.Error(), "node a lacks linux/arm64; node b lacks linux/amd64; ") {
		t.Errorf("error %v", err)
	}
}
