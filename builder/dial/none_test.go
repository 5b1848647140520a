package dial

import (
	"errors"
	"fmt"
	"io/fs"
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
	if e.denied {
		t.Error("nothing was denied")
	}
	e.tried("the Docker Engine at unix:///x", fmt.Errorf("connect: %w", fs.ErrPermission))
	e.advice = "start it"
	const want = `there is nothing to build with:
  docker buildx: it is not installed
  the Docker Engine at unix:///x: connect: permission denied
start it; or name a BuildKit with --addr or BUILDKIT_HOST, or a builder of docker buildx with --builder`
	if !e.denied || e.Error() != want {
		t.Errorf("denied %t: %v", e.denied, &e)
	}
}
