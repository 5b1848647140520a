package dial

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// NoneError says that nothing is selected, and nothing that is there by default answers.
type NoneError struct {
	lines  []string
	advice string
	denied bool // there is an engine, for others
}

// Error says what was tried, and what to type.
func (e *NoneError) Error() string {
	return "there is nothing to build with:\n  " + strings.Join(e.lines, "\n  ") + "\n" + e.advice +
		"; or name a BuildKit with --addr or BUILDKIT_HOST, or a builder of docker buildx with --builder"
}

func (e *NoneError) tried(what string, err error) {
	e.lines = append(e.lines, fmt.Sprintf("%s: %v", what, err))
}

// system is what advice depends on.
type system struct {
	os   string
	root bool
	has  func(program string) bool
}

func machine() system {
	return system{runtime.GOOS, os.Geteuid() == 0, func(program string) bool {
		_, err := exec.LookPath(program)
		return err == nil
	}}
}

// advise says what to type on a system to get a builder; denied is that there is an engine
// which this user may not use.
func advise(on system, denied bool) string {
	sudo := "sudo "
	if on.root {
		sudo = ""
	}
	switch {
	case on.os == "windows" && on.has("docker"):
		return "start Docker Desktop: docker desktop start"
	case on.os == "windows":
		return "install Docker Desktop: winget install Docker.DockerDesktop"
	case on.os == "darwin" && on.has("docker"):
		return "start Docker Desktop: open -a Docker"
	case on.os == "darwin":
		return "install Docker Desktop, and start it: brew install --cask docker-desktop && open -a Docker"
	case denied:
		return "become a member of the group that may use Docker, and log in again: sudo usermod -aG docker $USER"
	case on.has("dockerd"):
		return "start Docker: " + sudo + "systemctl start docker"
	case on.has("buildkitd"):
		return "start BuildKit: " + sudo + "buildkitd"
	}
	return "install Docker: curl -fsSL https://get.docker.com | " + sudo + "sh"
}
