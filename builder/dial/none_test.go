package dial

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"testing"
)

func TestWhatToTypeIfThereIsNoBuilder(t *testing.T) {
	for name, test := range map[string]struct {
		os       string
		root     bool
		programs []string
		denied   bool
		want     string
	}{
		"Linux with nothing":                    {os: "linux", want: "install Docker: curl -fsSL https://get.docker.com | sudo sh"},
		"Linux with nothing, as root":           {os: "linux", root: true, want: "install Docker: curl -fsSL https://get.docker.com | sh"},
		"Linux with an engine":                  {os: "linux", programs: []string{"docker", "dockerd"}, want: "start Docker: sudo systemctl start docker"},
		"Linux with an engine for others":       {os: "linux", programs: []string{"docker", "dockerd"}, denied: true, want: "become a member of the group that may use Docker, and log in again: sudo usermod -aG docker $USER"},
		"Linux with a BuildKit, as root":        {os: "linux", root: true, programs: []string{"buildkitd"}, want: "start BuildKit: buildkitd"},
		"macOS with nothing":                    {os: "darwin", want: "install Docker Desktop, and start it: brew install --cask docker-desktop && open -a Docker"},
		"macOS with Docker Desktop":             {os: "darwin", programs: []string{"docker"}, want: "start Docker Desktop: open -a Docker"},
		"Windows with nothing":                  {os: "windows", want: "install Docker Desktop: winget install Docker.DockerDesktop"},
		"Windows with Docker Desktop, as usual": {os: "windows", programs: []string{"docker"}, want: "start Docker Desktop: docker desktop start"},
	} {
		has := func(program string) bool { return slices.Contains(test.programs, program) }
		if got := advise(system{test.os, test.root, has}, test.denied); got != test.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestWhatWasTriedIsSaid(t *testing.T) {
	var e NoneError
	e.tried("docker buildx", errors.New("it is not installed"))
	e.tried("the Docker Engine at unix:///x", fs.ErrNotExist)
	e.advice = "start it"
	const want = `there is nothing to build with:
  docker buildx: it is not installed
  the Docker Engine at unix:///x: file does not exist
start it; or name a BuildKit with --addr or BUILDKIT_HOST, or a builder of docker buildx with --builder`
	if e.Error() != want {
		t.Error(e.Error())
	}
}

// TestAnEngineForOthersIsNoticed: that is what a user meets who is in no group.
func TestAnEngineForOthersIsNoticed(t *testing.T) {
	if os.Geteuid() == 0 || runtime.GOOS == "windows" {
		t.Skip("everything is for root")
	}
	install(t, world{})
	l := socket(t)
	dockerd(t, "engine", l, nil)
	if err := os.Chmod(l.Addr().String(), 0); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_HOST", "unix://"+l.Addr().String())
	if _, err := currentEngine().connect(t.Context()); !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
}
