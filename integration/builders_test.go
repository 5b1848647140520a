//go:build stack

package integration

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// machine is one on which quoit finds a builder by itself: no BUILDKIT_HOST is set there.
type machine struct {
	bin string   // the first folder on PATH
	env []string // added
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	bin := t.TempDir()
	return &machine{bin: bin, env: []string{"BUILDKIT_HOST=", "PATH=" + strings.Join(append([]string{bin}, stack.BinDirs...), ":") + ":" + os.Getenv("PATH")}}
}

// program puts a script on PATH.
func (m *machine) program(t *testing.T, name, script string) {
	t.Helper()
	write(t, m.bin, name, "#!/bin/sh\n"+script)
	if err := os.Chmod(filepath.Join(m.bin, name), 0o755); err != nil {
		t.Fatal(err)
	}
}

// set sets a variable.
func (m *machine) set(name, value string) { m.env = append(m.env, name+"="+value) }

// run runs a program of the stack there.
func (m *machine) run(t *testing.T, dir, program string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, said bytes.Buffer
	cmd := stack.Command(t.Context(), program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &said
	cmd.Env = append(append(cmd.Env, "XDG_CACHE_HOME="+cacheOf(dir)), m.env...)
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), said.String(), cmd.ProcessState.ExitCode()
}

// publishes expects that a new project is published there, by a builder of that name.
func (m *machine) publishes(t *testing.T, builder string, flags ...string) {
	t.Helper()
	dir, prefix := generated(t, 2)
	stdout, stderr, code := m.run(t, dir, quoitRun, append([]string{"build", "--push"}, flags...)...)
	if code != 0 || !strings.Contains(stderr, "building with "+builder+"\n") {
		t.Fatalf("exit code %d, it is to build with %s\n%s%s", code, builder, stdout, stderr)
	}
	if got := string(extract(t, prefix+"/base:0.1.0", "base")); got != "base\n" {
		t.Errorf("the image has %q", got)
	}
}

// TestTransportsToABuilder: the programs that lead to a container, a pod or a machine are
// stubs, and end at a real BuildKit.
func TestTransportsToABuilder(t *testing.T) {
	for address, call := range map[string]string{
		"docker-container://box?context=far": "docker --context=far exec -i box buildctl dial-stdio",
		"podman-container://box":             "podman exec -i box buildctl dial-stdio",
		"nerdctl-container://box":            "nerdctl exec -i box buildctl dial-stdio",
		"ssh://me@box:2222":                  "ssh -l me -p 2222 -- box buildctl dial-stdio",
		"kube-pod://box?namespace=ci":        "kubectl --context= --namespace=ci exec --container= -i box -- buildctl dial-stdio",
	} {
		t.Run(address, func(t *testing.T) {
			m := newMachine(t)
			program, _, _ := strings.Cut(call, " ")
			m.program(t, program, `echo "`+program+` $*" >>"$0.calls"
exec buildctl --addr "`+stack.BuildkitHost+`" dial-stdio
`)
			m.set("BUILDKIT_HOST", address)
			m.publishes(t, "BuildKit at "+address)
			if calls := content(t, filepath.Join(m.bin, program+".calls")); !strings.HasPrefix(calls, call+"\n") {
				t.Errorf("it has called %s", calls)
			}

			m.program(t, program, "echo 'no such box' >&2\nexit 1\n")
			dir, _ := generated(t, 2)
			_, stderr, code := m.run(t, dir, quoitRun, "build", "--push")
			if code != 1 || !strings.Contains(stderr, "BuildKit does not answer at "+address) || !strings.Contains(stderr, "no such box") {
				t.Errorf("exit code %d\n%s", code, stderr)
			}
		})
	}
}

// TestABuilderOfBuildx: the stack's own is of the driver remote, and in use.
func TestABuilderOfBuildx(t *testing.T) {
	m := newMachine(t)
	t.Run("the one in use", func(t *testing.T) { m.publishes(t, "the buildx builder quoit (remote)") })

	config := t.TempDir()
	m.set("BUILDX_CONFIG", config)
	buildx := func(args ...string) {
		t.Helper()
		if _, stderr, code := m.run(t, config, "buildx", args...); code != 0 {
			t.Fatalf("buildx %s: exit code %d\n%s", strings.Join(args, " "), code, stderr)
		}
	}
	buildx("create", "--name", "mine", "--driver", "remote", stack.BuildkitHost)
	buildx("create", "--name", "farm", "--driver", "remote", "--platform", "linux/riscv64", stack.BuildkitHost)
	buildx("create", "--name", "farm", "--append", newWire(t, func() {}).Address)
	buildx("create", "--name", "pair", "--driver", "remote", stack.BuildkitHost)
	buildx("create", "--name", "pair", "--append", "unix:///nonexistent/buildkitd.sock")
	buildx("create", "--name", "dead", "--driver", "remote", "--use", "unix:///nonexistent/buildkitd.sock")
	t.Run("one that is named", func(t *testing.T) { m.publishes(t, "the buildx builder mine (remote)", "--builder", "mine") })
	t.Run("one whose other node is dead", func(t *testing.T) {
		m.publishes(t, "the buildx builder pair (remote), node pair0", "--builder", "pair")
	})
	t.Run("through docker", func(t *testing.T) {
		m := *m
		m.bin = t.TempDir()
		m.program(t, "docker", "test \"$1\" = buildx || exit 1\nshift\nexec buildx \"$@\"\n")
		m.env = append(m.env[:len(m.env):len(m.env)], "PATH="+m.bin+":"+strings.Join(stack.BinDirs, ":")+":"+os.Getenv("PATH"), "BUILDX_BUILDER=mine")
		m.publishes(t, "the buildx builder mine (remote)")
	})
	t.Run("a node that has all platforms", func(t *testing.T) {
		dir, prefix := generated(t, 2)
		write(t, dir, "base/Dockerfile", "FROM scratch\nCOPY Dockerfile /base\n")
		_, stderr, code := m.run(t, dir, quoitRun, "build", "--push", "--builder", "farm")
		if code != 0 || !strings.Contains(stderr, "building with the buildx builder farm (remote), node farm") {
			t.Fatalf("exit code %d\n%s", code, stderr)
		}
		manifest := content(t, filepath.Join(dir, "quoit.yaml"))
		write(t, dir, "quoit.yaml", manifest+"defaults: {platforms: [linux/riscv64]}\n")
		if _, stderr, code = m.run(t, dir, quoitRun, "build", "--push", "--builder", "farm", "--rebuild", "*"); code != 0 || !strings.Contains(stderr, ", node farm0\n") {
			t.Fatalf("exit code %d\n%s", code, stderr)
		}
		if file := extractPlatform(t, prefix+"/base:0.1.1", "base", v1.Platform{OS: "linux", Architecture: "riscv64"}); !strings.HasPrefix(string(file), "FROM scratch") {
			t.Errorf("the image has %q", file)
		}
		write(t, dir, "quoit.yaml", manifest+"defaults: {platforms: [linux/riscv64, linux/s390x]}\n")
		_, stderr, code = m.run(t, dir, quoitRun, "build", "--push", "--builder", "farm")
		for _, text := range []string{"none of the builder farm has all platforms: node farm0 lacks linux/s390x; node farm1 lacks linux/riscv64, linux/s390x; "} {
			if code != 1 || !strings.Contains(stderr, text) {
				t.Errorf("exit code %d\n%s", code, stderr)
			}
		}
	})
	t.Run("one in use that is dead is no reason to take another one", func(t *testing.T) {
		dir, prefix := generated(t, 2)
		nothingWritten(t, prefix, func() {
			_, stderr, code := m.run(t, dir, quoitRun, "build", "--push")
			if code != 1 || !strings.Contains(stderr, "the buildx builder dead (remote) does not start: node dead0 at unix:///nonexistent/buildkitd.sock is inactive; see docker buildx inspect dead, or ") {
				t.Errorf("exit code %d\n%s", code, stderr)
			}
		})
	})
}

// TestABuildKitBehindTLS wants certificates of its clients.
func TestABuildKitBehindTLS(t *testing.T) {
	dir := t.TempDir()
	for _, line := range []string{
		"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.pem",
		"req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server -keyout tls.key -out server.csr",
		"x509 -req -days 2 -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -out tls.crt",
	} {
		write(t, dir, "names", "subjectAltName=DNS:buildkit.example.com\n")
		run(t, dir, "openssl", strings.Fields(line)...)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(content(t, filepath.Join(dir, "ca.pem")))) {
		t.Fatal("ca.pem is no certificate")
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, NextProtos: []string{"h2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go forward(listener, strings.TrimPrefix(stack.BuildkitHost, "unix://"))
	address := "tcp://" + listener.Addr().String()

	file := func(name string) string { return filepath.Join(dir, name) }
	files := []string{"--tlsservername", "buildkit.example.com", "--tlscacert", file("ca.pem"), "--tlscert", file("tls.crt"), "--tlskey", file("tls.key")}
	m := newMachine(t)
	t.Run("by files", func(t *testing.T) {
		m.publishes(t, "BuildKit at "+address, append([]string{"--addr", address}, files...)...)
	})
	t.Run("by a folder, at BUILDKIT_HOST", func(t *testing.T) {
		m := *m
		m.env = append(m.env[:len(m.env):len(m.env)], "BUILDKIT_HOST="+address)
		if err := os.Symlink("ca.pem", file("ca.crt")); err != nil {
			t.Fatal(err)
		}
		m.publishes(t, "BuildKit at "+address, "--tlsservername", "buildkit.example.com", "--tlsdir", dir)
	})
	t.Run("through buildx", func(t *testing.T) {
		config := t.TempDir()
		m.set("BUILDX_CONFIG", config)
		opts := "servername=buildkit.example.com,cacert=" + file("ca.pem") + ",cert=" + file("tls.crt") + ",key=" + file("tls.key")
		if _, stderr, code := m.run(t, config, "buildx", "create", "--name", "far", "--use", "--driver", "remote", "--driver-opt", opts, address); code != 0 {
			t.Fatalf("buildx create: exit code %d\n%s", code, stderr)
		}
		m.publishes(t, "the buildx builder far (remote)")
	})
	t.Run("without certificates", func(t *testing.T) {
		dir, _ := generated(t, 2)
		if _, stderr, code := m.run(t, dir, quoitRun, "build", "--push", "--addr", address); code != 1 || !strings.Contains(stderr, "BuildKit does not answer at "+address) {
			t.Errorf("exit code %d\n%s", code, stderr)
		}
	})
}

// forward gives each connection one to a socket.
func forward(listener net.Listener, socket string) {
	for {
		from, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer from.Close()
			to, err := net.Dial("unix", socket)
			if err != nil {
				return
			}
			defer to.Close()
			go func() { _, _ = io.Copy(to, from) }()
			_, _ = io.Copy(from, to)
		}()
	}
}

// TestWhatNeedsNoBuilderLooksForNone: docker and buildx are not even started.
func TestWhatNeedsNoBuilderLooksForNone(t *testing.T) {
	m := newMachine(t)
	for _, program := range []string{"docker", "buildx", "docker-buildx"} {
		m.program(t, program, "echo \"$*\" >>'"+filepath.Join(m.bin, "calls")+"'\nexit 1\n")
	}
	dir, _ := generated(t, 2)
	mustQuoit(t, dir, "build", "--push")
	for _, args := range [][]string{{"plan"}, {"graph"}, {"status"}, {"build"}, {"build", "--push"}, {"shift"}, {"plan", "--rebuild", "*"}} {
		if stdout, stderr, code := m.run(t, dir, quoitRun, args...); code != 0 || strings.Contains(stderr, "building with") {
			t.Errorf("%s: exit code %d\n%s%s", args, code, stdout, stderr)
		}
	}
	if calls, err := os.ReadFile(filepath.Join(m.bin, "calls")); err == nil {
		t.Errorf("it has called\n%s", calls)
	}
	if _, _, code := m.run(t, dir, quoitRun, "build", "--rebuild", "*"); code == 0 {
		t.Error("without a builder something is built")
	}
	if calls := content(t, filepath.Join(m.bin, "calls")); !strings.Contains(calls, "buildx version\n") {
		t.Errorf("for a build it has called\n%s", calls)
	}
}

// TestTheEngineOfADockerContext is dialled without buildx, and without docker.
func TestTheEngineOfADockerContext(t *testing.T) {
	n := newNewcomer(t, false)
	m := newMachine(t)
	config := t.TempDir()
	m.set("DOCKER_CONFIG", config)
	m.set("DOCKER_HOST", "")
	if _, stderr, code := m.run(t, config, "docker", "context", "create", "far", "--docker", "host="+n.engine.Host); code != 0 {
		t.Fatalf("docker context create: exit code %d\n%s", code, stderr)
	}
	dead := "unix://" + filepath.Join(config, "nobody.sock")
	if _, stderr, code := m.run(t, config, "docker", "context", "create", "dead", "--docker", "host="+dead); code != 0 {
		t.Fatalf("docker context create: exit code %d\n%s", code, stderr)
	}
	m.set("PATH", m.bin)
	with := func(name, value string) *machine {
		other := *m
		other.env = append(m.env[:len(m.env):len(m.env)], name+"="+value)
		return &other
	}
	t.Run("DOCKER_HOST", func(t *testing.T) {
		with("DOCKER_HOST", n.engine.Host).publishes(t, "the Docker Engine at "+n.engine.Host)
	})
	t.Run("DOCKER_CONTEXT", func(t *testing.T) {
		with("DOCKER_CONTEXT", "far").publishes(t, "the Docker Engine of the docker context far at "+n.engine.Host)
	})
	t.Run("docker context use", func(t *testing.T) {
		if _, stderr, code := with("PATH", strings.Join(stack.BinDirs, ":")).run(t, config, "docker", "context", "use", "far"); code != 0 {
			t.Fatalf("exit code %d\n%s", code, stderr)
		}
		m.publishes(t, "the Docker Engine of the docker context far at "+n.engine.Host)
	})
	t.Run("one that is dead", func(t *testing.T) {
		dir, prefix := generated(t, 2)
		nothingWritten(t, prefix, func() {
			m := with("DOCKER_CONTEXT", "dead")
			_, without, _ := m.run(t, dir, quoitRun, "build", "--push")
			m.set("PATH", strings.Join(stack.BinDirs, ":")) // where buildx is
			_, stderr, code := m.run(t, dir, quoitRun, "build", "--push")
			if stderr != without {
				t.Errorf("without buildx it says\n%s", without)
			}
			if code != 1 || !strings.Contains(stderr, "the Docker Engine of the docker context dead at "+dead+" cannot be used: start it, choose another one with docker context use or DOCKER_HOST, ") {
				t.Errorf("exit code %d\n%s", code, stderr)
			}
		})
	})
}

// TestABuildKitOfThisMachine is found where one listens by default, beside a buildx in which
// nothing is selected, and which finds no engine.
func TestABuildKitOfThisMachine(t *testing.T) {
	for _, socket := range []string{"/var/run/docker.sock", "/run/buildkit/buildkitd.sock"} {
		if _, err := os.Stat(socket); err == nil {
			t.Skipf("this machine has %s", socket)
		}
	}
	m := newMachine(t)
	own := t.TempDir()
	for _, name := range []string{"BUILDX_CONFIG", "DOCKER_CONFIG"} {
		m.set(name, filepath.Join(own, name))
	}
	for _, name := range []string{"DOCKER_HOST", "DOCKER_CONTEXT", "BUILDX_BUILDER"} {
		m.set(name, "")
	}
	m.set("XDG_RUNTIME_DIR", own)
	dir, _ := generated(t, 2)
	_, stderr, code := m.run(t, dir, quoitRun, "build")
	socket := filepath.Join(own, "buildkit", "buildkitd.sock")
	for _, text := range []string{"there is nothing to build with", "the Docker Engine at unix:///var/run/docker.sock: ", "buildkitd at unix:///run/buildkit/buildkitd.sock: ", "buildkitd at unix://" + socket + ": ", "; or name a BuildKit with --addr"} {
		if code != 1 || !strings.Contains(stderr, text) {
			t.Errorf("exit code %d, it lacks %q:\n%s", code, text, stderr)
		}
	}
	if strings.Contains(stderr, "docker buildx: ") {
		t.Errorf("buildx is there:\n%s", stderr)
	}
	if err := os.Mkdir(filepath.Dir(socket), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(strings.TrimPrefix(stack.BuildkitHost, "unix://"), socket); err != nil {
		t.Fatal(err)
	}
	m.publishes(t, "BuildKit at unix://"+socket)
}
