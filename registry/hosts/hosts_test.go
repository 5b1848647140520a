package hosts

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	memory "github.com/google/go-containerregistry/pkg/registry"
	"github.com/moby/buildkit/util/resolver/config"

	"github.com/quoitbuild/quoit/registry"
)

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// serve is a registry in memory; it notes what it is asked for.
func serve(t *testing.T, start func(http.Handler) *httptest.Server, asked *[]string) (address string) {
	t.Helper()
	inner := memory.New(memory.Logger(log.New(io.Discard, "", 0)))
	server := start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r.Method+" "+r.URL.String())
		inner.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(server.Close)
	return server.URL
}

const image = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}`

// push puts an image there, by a client of its own.
func push(t *testing.T, url, repository string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{}}
	if server, ok := strings.CutPrefix(url, "https://"); ok {
		t.Fatalf("%s: pushed over plain http only", server)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url+"/v2/"+repository+"/manifests/1", strings.NewReader(image))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	res, err := client.Do(r)
	if err != nil || res.StatusCode != http.StatusCreated {
		t.Fatalf("error %v, answer %+v", err, res)
	}
	res.Body.Close()
}

// elsewhere is a client of some registry, which reaches others as hosts says.
func elsewhere(t *testing.T, hosts registry.Hosts) *registry.Client {
	t.Helper()
	c, err := registry.Open("registry.example.com", "acme/shop", registry.Options{Hosts: hosts, Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAMirrorIsAskedFirst(t *testing.T) {
	var asked, other []string
	mirror, origin := serve(t, httptest.NewServer, &asked), serve(t, httptest.NewServer, &other)
	push(t, mirror, "hub/library/busybox")
	push(t, origin, "library/alpine")
	asked, other = nil, nil
	dir := t.TempDir()
	write(t, filepath.Join(dir, "docker.io", "hosts.toml"), fmt.Sprintf(`server = %q
[host.%q]
  capabilities = ["pull", "resolve"]
  override_path = true
`, origin, mirror+"/v2/hub"))
	t.Setenv(Variable, dir)
	c := elsewhere(t, Of())
	for _, reference := range []string{"busybox:1", "docker.io/library/busybox:1", "alpine:1"} {
		repository, err := c.Elsewhere(reference)
		if err != nil {
			t.Fatal(err)
		}
		if digest, found, err := repository.Head(t.Context(), "1"); err != nil || !found || digest != registry.DigestOf([]byte(image)) {
			t.Errorf("%s: %s, found %v, error %v", reference, digest, found, err)
		}
	}
	for _, line := range append([]string{"HEAD /v2/hub/library/busybox/manifests/1?ns=docker.io"}, "HEAD /v2/hub/library/alpine/manifests/1?ns=docker.io") {
		if !strings.Contains(strings.Join(asked, "\n"), line) {
			t.Errorf("the mirror is not asked %q: %q", line, asked)
		}
	}
	if text := strings.Join(other, "\n"); strings.Contains(text, "busybox") || !strings.Contains(text, "HEAD /v2/library/alpine/manifests/1") {
		t.Errorf("the registry itself is asked %q", other)
	}
}

// TestWhatNoFileKnowsIsReachedByItsName: the registry of a project, too.
func TestWhatNoFileKnowsIsReachedByItsName(t *testing.T) {
	t.Setenv(Variable, t.TempDir())
	found, err := Of()("registry.corp:5000")
	if err != nil || found != nil {
		t.Errorf("%v, error %v", found, err)
	}
	t.Setenv(Variable, filepath.Join(t.TempDir(), "nowhere"))
	if _, err := Of()("registry.corp:5000"); err == nil || !strings.HasPrefix(err.Error(), Variable+": ") {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func TestABrokenFileIsNamed(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(Variable, dir)
	write(t, filepath.Join(dir, "registry.corp", "hosts.toml"), "server = \n")
	if _, err := Of()("registry.corp"); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "registry.corp", "hosts.toml")) {
		t.Errorf("error %v", err)
	}
	if _, err := registry.Open("registry.corp", "acme/shop", registry.Options{Hosts: Of()}); err == nil || !strings.Contains(err.Error(), "hosts.toml") {
		t.Errorf("error %v", err)
	}
}

// TestTheProjectsOwnRegistry: how it is reached counts, and no mirror of it is asked.
func TestTheProjectsOwnRegistry(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(Variable, dir)
	write(t, filepath.Join(dir, "registry.corp", "hosts.toml"), `server = "http://registry.corp"
[host."https://mirror.corp"]
  capabilities = ["pull", "resolve"]
`)
	var sent []string
	c, err := registry.Open("registry.corp", "acme/shop", registry.Options{Hosts: func(name string) ([]registry.Host, error) {
		hosts, err := Of()(name)
		for i := range hosts {
			hosts[i].Transport = noted{&sent}
		}
		return hosts, err
	}, Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = c.Repository("api").Head(t.Context(), "1")
	if err == nil || len(sent) == 0 {
		t.Fatalf("error %v, sent %q", err, sent)
	}
	for _, url := range sent {
		if !strings.HasPrefix(url, "http://registry.corp/v2/") && url != "https://registry.corp/v2/" {
			t.Errorf("it is asked at %s", url)
		}
	}
}

// noted notes requests and answers none.
type noted struct{ urls *[]string }

func (n noted) RoundTrip(r *http.Request) (*http.Response, error) {
	*n.urls = append(*n.urls, r.URL.String())
	return nil, fmt.Errorf("nobody answers")
}

func TestDockersConfiguration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "daemon.json")
	write(t, file, `{"registry-mirrors": ["https://mirror.corp/hub", "http://10.0.0.1:5000/"], "insecure-registries": ["10.0.0.2:5000", "10.0.0.0/8"], "debug": true}`)
	got := map[string]config.RegistryConfig{}
	if err := readDaemon(file, got); err != nil {
		t.Fatal(err)
	}
	on := true
	want := map[string]config.RegistryConfig{
		"docker.io":     {Mirrors: []string{"https://mirror.corp/hub", "http://10.0.0.1:5000/"}},
		"10.0.0.1:5000": {PlainHTTP: &on}, "10.0.0.2:5000": {Insecure: &on, PlainHTTP: &on},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	write(t, file, "{")
	var syntax *json.SyntaxError
	if err := readDaemon(file, got); err == nil || !strings.Contains(fmt.Sprintf("%T", err), "Syntax") {
		t.Errorf("error %v, want a %T", err, syntax)
	}
	if err := readDaemon(file+".none", got); err != nil {
		t.Errorf("a file that is not there: %v", err)
	}
}
