//go:build stack

package integration

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/apply"
	"github.com/quoitbuild/quoit/deploy/render"
)

var startCluster = sync.OnceValue(func() error {
	_, err := stack.StartCluster(context.Background())
	return err
})

// applied is a site in a namespace of its own, with the files of its root image.
// The release has the image api, which is busybox.
type applied struct {
	t       *testing.T
	config  *rest.Config
	request apply.Request
}

// Tests that have one run side by side: they mostly wait.
func newApplied(t *testing.T, files map[string]string) *applied {
	t.Helper()
	t.Parallel()
	if err := startCluster(); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", stack.Cluster().Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	busybox := stack.Ref("library/busybox")
	a := &applied{t, config, apply.Request{
		Target: render.Target{
			Project: "acme/shop", Site: "eu", Environment: "prod", Ring: "users",
			Namespace: "apply-" + strings.ToLower(rand.Text()[:8]), Action: deploy.Install,
			Images: map[string]string{"api": busybox + "@" + descriptor(t, busybox+":latest").Digest.String()},
		},
		Root: t.TempDir(), Timeout: time.Minute,
	}}
	a.file("quoit/release.json", `{"schema":1,"project":"acme/shop","root":"api","images":{"api":{"version":"1.0.0","revision":"sha256:`+
		strings.Repeat("a", 64)+`","platforms":["linux/amd64"]}}}`)
	a.files(files)
	a.kubectl("", "create", "namespace", a.request.Namespace)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if out, err := stack.Command(ctx, "kubectl", "delete", "namespace", "--wait=false", a.request.Namespace).CombinedOutput(); err != nil {
			t.Errorf("deleting the namespace: %v\n%s", err, out)
		}
	})
	return a
}

// files replaces the overlay: name → content. What is named in it is a resource.
func (a *applied) files(files map[string]string) {
	a.t.Helper()
	overlay := filepath.Join(a.request.Root, "overlays", "prod")
	if err := os.RemoveAll(overlay); err != nil {
		a.t.Fatal(err)
	}
	resources := "resources:\n"
	for name, content := range files {
		a.file("overlays/prod/"+name, content)
		resources += "- " + name + "\n"
	}
	a.file("overlays/prod/kustomization.yaml", resources)
}

func (a *applied) file(name, content string) {
	a.t.Helper()
	write(a.t, a.request.Root, name, content)
}

// kubectl runs it in the site's namespace, and returns what it printed.
func (a *applied) kubectl(input string, args ...string) string {
	a.t.Helper()
	out, err := a.tryKubectl(input, args...)
	if err != nil {
		a.t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (a *applied) tryKubectl(input string, args ...string) (string, error) {
	var out bytes.Buffer
	cmd := stack.Command(a.t.Context(), "kubectl", append([]string{"-n", a.request.Namespace}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &out
	err := cmd.Run()
	return strings.TrimSpace(out.String()), err
}

// run applies with an action, and logs what it said if the test fails.
func (a *applied) run(action deploy.Action) (apply.Result, error) {
	a.t.Helper()
	var progress bytes.Buffer
	request := a.request
	request.Action = action
	result, err := apply.Run(a.t.Context(), a.config, request, &progress)
	a.t.Logf("%s: %v\n%s%s", action, err, progress.String(), result)
	return result, err
}

func (a *applied) mustRun(action deploy.Action) apply.Result {
	a.t.Helper()
	result, err := a.run(action)
	if err != nil {
		a.t.Fatal(err)
	}
	return result
}

// objects are those with the site's label and the inventory, with what was
// asked for of them.
func (a *applied) objects(kinds, path string) string {
	a.t.Helper()
	return a.kubectl("", "get", kinds, "-l", "quoit.build/site=eu", "--sort-by=.metadata.name", "-o", "jsonpath="+path)
}

// inventory are the names of the objects that the site remembers.
func (a *applied) inventory() string {
	a.t.Helper()
	var objects []struct{ Kind, Name string }
	text := a.kubectl("", "get", "configmap", "quoit-eu-inventory", "-o", `jsonpath={.data.objects\.json}`)
	if err := json.Unmarshal([]byte(text), &objects); err != nil {
		a.t.Fatal(err)
	}
	var names []string
	for _, o := range objects {
		names = append(names, o.Kind+"/"+o.Name)
	}
	return strings.Join(names, " ")
}

// errCut is what a run gets that was "killed".
var errCut = errors.New("the connection was cut")

// cutter ends all communication with a write: right after it has reached the
// server, or before.
type cutter struct {
	mu     sync.Mutex
	left   int    // writes, until the last one has been
	before bool   // the last one never gets there
	once   bool   // what comes after it is as always
	cut    func() // ends the run, which would wait for the cluster to come back
}

func (c *cutter) wrap(transport http.RoundTripper) http.RoundTripper {
	return &cutting{transport, c}
}

// cutting is one of the transports that a cutter counts the writes of.
type cutting struct {
	http.RoundTripper
	*cutter
}

func (c *cutting) RoundTrip(request *http.Request) (*http.Response, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left == 0 {
		return nil, errCut
	}
	write := request.Method != http.MethodGet && !request.URL.Query().Has("dryRun")
	if write && c.before && c.left == 1 {
		c.end()
		if request.Body != nil {
			return nil, errors.Join(errCut, request.Body.Close())
		}
		return nil, errCut
	}
	response, err := c.RoundTripper.RoundTrip(request)
	if err != nil || !write {
		return response, err
	}
	if c.left--; c.left == 0 {
		c.end()
		return nil, errors.Join(errCut, response.Body.Close())
	}
	return response, nil
}

func (c *cutter) end() {
	c.left = 0
	if c.once {
		c.left = -1
		return
	}
	c.cut()
}
