package dial

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/docker/cli/cli/config"
	controlapi "github.com/moby/buildkit/api/services/control"
	apitypes "github.com/moby/buildkit/api/types"
	"google.golang.org/grpc"
)

// Programs of tests are this test itself, under another name.
const (
	stubName  = "QUOIT_TEST_STUB"
	stubWorld = "QUOIT_TEST_WORLD"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(stubName); name != "" {
		os.Exit(stub(name, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// world is what stub programs know.
type world struct {
	NoPlugin bool // docker has no buildx
	Current  string
	Builders map[string]stubBuilder
}

type stubBuilder struct {
	Driver  string
	Problem string
	Nodes   []stubNode
}

type stubNode struct {
	Name, Status, Platforms string
	Socket                  string // "": nobody answers
}

// stub is docker, buildx or docker-buildx.
func stub(name string, args []string) int {
	var w world
	file := os.Getenv(stubWorld)
	data, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(data, &w) != nil {
		return 2
	}
	log, err := os.OpenFile(file+".log", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return 2
	}
	fmt.Fprintln(log, name, strings.Join(args, " "))
	fail := func(text string) int {
		fmt.Fprintln(os.Stderr, text)
		return 1
	}
	if name == "docker" {
		if w.NoPlugin || args[0] != "buildx" {
			return fail("docker: '" + args[0] + "' is not a docker command.")
		}
		args = args[1:]
	}
	if args[0] == "version" {
		fmt.Println("github.com/docker/buildx v0.36.0 0123456")
		return 0
	}
	builder, platform := w.Current, ""
	for _, arg := range args[1:] {
		if value, ok := strings.CutPrefix(arg, "--builder="); ok && value != "" {
			builder = value
		}
		platform = strings.TrimPrefix(arg, "--platform=")
	}
	b, ok := w.Builders[builder]
	switch {
	case !ok:
		return fail(`ERROR: no builder "` + builder + `" found`)
	case args[0] == "inspect" && slices.Contains(args, "--bootstrap"):
		for i := range b.Nodes {
			if b.Nodes[i].Socket == "" {
				return fail("ERROR: context deadline exceeded")
			}
			b.Nodes[i].Status = awake
		}
		data, err := json.Marshal(w)
		if err != nil || os.WriteFile(file, data, 0o600) != nil {
			return 2
		}
		return 0
	case args[0] == "inspect":
		b.print(builder)
		return 0
	}
	for _, n := range b.Nodes {
		if platform != "" && !strings.Contains(n.Platforms, platform) {
			continue
		}
		if n.Socket == "" {
			return fail("ERROR: no nodes available")
		}
		return proxy(n.Socket)
	}
	return 2
}

func (b stubBuilder) print(name string) {
	fmt.Printf("Name:   %s\nDriver: %s\n", name, b.Driver)
	if b.Problem != "" {
		fmt.Println("Error: ", b.Problem)
		return
	}
	fmt.Print("\nNodes:\n")
	for _, n := range b.Nodes {
		fmt.Printf("Name:      %s\nEndpoint:  unix://%s\nStatus:    %s\n", n.Name, n.Socket, n.Status)
		if n.Status == awake {
			fmt.Println("Platforms:", n.Platforms)
		}
		fmt.Println()
	}
}

// proxy is what dial-stdio does.
func proxy(socket string) int {
	c, err := net.Dial("unix", socket)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() {
		_, _ = io.Copy(c, os.Stdin)
		_ = c.(*net.UnixConn).CloseWrite()
	}()
	_, _ = io.Copy(os.Stdout, c)
	return 0
}

// install makes the stub programs the only ones on PATH, with nothing that is set by
// whoever runs the test. It returns what they have been called with.
func install(t *testing.T, w world, programs ...string) (calls func() string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the programs are scripts")
	}
	bin, home := t.TempDir(), t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range programs {
		script := fmt.Sprintf("#!/bin/sh\n%s=%s exec '%s' \"$@\"\n", stubName, name, self)
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(home, "world")
	data, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"PATH": bin, stubWorld: file, "HOME": home, "DOCKER_CONFIG": filepath.Join(home, "docker"), "XDG_RUNTIME_DIR": home,
		"BUILDKIT_HOST": "", "BUILDX_BUILDER": "", "DOCKER_HOST": "", "DOCKER_CONTEXT": "", "DOCKER_TLS": "", "DOCKER_TLS_VERIFY": "", "DOCKER_CERT_PATH": "",
	} {
		t.Setenv(name, value)
	}
	config.SetDir(filepath.Join(home, "docker")) // which it reads from the environment only once
	return func() string {
		said, err := os.ReadFile(file + ".log")
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return string(said)
	}
}

// stubBuildKit is a BuildKit that answers only what its name is.
type stubBuildKit struct {
	controlapi.UnimplementedControlServer
	name string
}

func (s stubBuildKit) Info(context.Context, *controlapi.InfoRequest) (*controlapi.InfoResponse, error) {
	return &controlapi.InfoResponse{BuildkitVersion: &apitypes.BuildkitVersion{Version: s.name}}, nil
}

// serve serves BuildKit's protocol until the test ends.
func serve(t *testing.T, name string, l net.Listener, options ...grpc.ServerOption) {
	s := grpc.NewServer(options...)
	controlapi.RegisterControlServer(s, stubBuildKit{name: name})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l) // ends with Stop
	}()
	t.Cleanup(func() { s.Stop(); <-done })
}

// socket listens on one whose path is short enough.
func socket(t *testing.T) net.Listener {
	t.Helper()
	dir, err := os.MkdirTemp("", "dial")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// buildKitd is the socket of a BuildKit.
func buildKitd(t *testing.T, name string) string {
	t.Helper()
	l := socket(t)
	serve(t, name, l)
	return l.Addr().String()
}

// taken is a listener of connections that others have accepted.
type taken struct {
	conns chan net.Conn
	addr  net.Addr
	ended chan struct{}
}

func (l taken) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.ended:
		return nil, net.ErrClosed
	}
}
func (l taken) Close() error   { return nil }
func (l taken) Addr() net.Addr { return l.addr }

// dockerd serves what is needed of a Docker Engine's interface.
func dockerd(t *testing.T, name string, l net.Listener, tls func(*http.Server)) {
	grpcs := taken{make(chan net.Conn), l.Addr(), make(chan struct{})}
	serve(t, name, grpcs)
	mux := http.NewServeMux()
	mux.HandleFunc("/_ping", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Api-Version", "1.52")
		_, _ = w.Write([]byte("OK"))
	})
	mux.HandleFunc("POST /grpc", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "h2c" || name == "" {
			http.Error(w, "no", http.StatusNotFound)
			return
		}
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		fmt.Fprint(c, "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
		grpcs.conns <- c
	})
	s := &http.Server{Handler: mux}
	go func() {
		if tls != nil {
			tls(s)
			_ = s.ServeTLS(l, "", "")
			return
		}
		_ = s.Serve(l)
	}()
	t.Cleanup(func() { s.Close(); close(grpcs.ended) })
}

// engineAt is the address of a Docker Engine.
func engineAt(t *testing.T, name string) string {
	t.Helper()
	l := socket(t)
	dockerd(t, name, l, nil)
	return "unix://" + l.Addr().String()
}
