//go:build stack

package integration

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/quoitbuild/quoit/internal/testkit/proxy"
)

// death is how a root image ends. The zero one never comes.
type death struct {
	write   int  // which one it is at, from one
	done    bool // the API server has carried that out
	deleted bool // its pod is gone; else only its process is killed
}

func (d death) String() string {
	if d.write == 0 {
		return "lives"
	}
	what, when := "killed", "before"
	if d.deleted {
		what = "deleted"
	}
	if d.done {
		when = "after"
	}
	return fmt.Sprintf("%s %s write %d", what, when, d.write)
}

// killer stands between root images and the API server, and kills them at their
// writes. It sees every request, whether the resource knows admission or not,
// and the whole answer. A webhook would not do: it is asked before a write is
// carried out, and does not learn whether it was.
type killer struct {
	t      *testing.T
	api    kubernetes.Interface
	server *httptest.Server

	mu     sync.Mutex
	writes map[string][]string // of a namespace, since arm
	fates  map[string]proxy.Fault
}

// newKiller listens where pods can reach it.
func newKiller(t *testing.T) *killer {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", stack.Cluster().Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	k := &killer{t: t, writes: map[string][]string{}, fates: map[string]proxy.Fault{}}
	if k.api, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(address)
	// With the token of the pod alone.
	forward.Transport, err = rest.TransportFor(&rest.Config{Host: config.Host, TLSClientConfig: rest.TLSClientConfig{CAData: config.CAData}})
	if err != nil {
		t.Fatal(err)
	}
	forward.ModifyResponse = func(r *http.Response) error {
		if isWrite(r.Request) && r.StatusCode >= http.StatusMultipleChoices && r.StatusCode != http.StatusNotFound { // what is deleted may just have gone
			t.Errorf("%s %s is refused: %s", r.Request.Method, r.Request.URL.Path, r.Status)
		}
		return nil
	}
	k.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fate := k.fate(r); fate != nil {
			fate(w, r, forward.ServeHTTP)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	k.server.Listener.Close()
	service := kubectl(t, "", "get", "service", "kubernetes", "-o", "jsonpath={.spec.clusterIP}") // an address of this machine
	if k.server.Listener, err = net.Listen("tcp", net.JoinHostPort(service, "0")); err != nil {
		t.Fatal(err)
	}
	k.server.StartTLS()
	t.Cleanup(k.server.Close)
	return k
}

// kubeconfig is for a root image that is to come this way, as the account of its
// pod.
func (k *killer) kubeconfig() string {
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: k.server.Certificate().Raw})
	return fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: site
contexts: [{name: site, context: {cluster: api, user: account}}]
clusters: [{name: api, cluster: {server: %q, tls-server-name: example.com, certificate-authority-data: %s}}]
users: [{name: account, user: {tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token}}]
`, k.server.URL, base64.StdEncoding.EncodeToString(authority))
}

// arm forgets the writes of a namespace, and decides on its root image.
func (k *killer) arm(namespace string, at death) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.writes, namespace)
	delete(k.fates, namespace)
	if at.write > 0 {
		k.fates[namespace] = proxy.CrashAt(at.write, nil, at.done, func(proxy.Request) {
			if err := k.kill(namespace, at.deleted); err != nil {
				k.t.Errorf("killing the root image in %s: %v", namespace, err)
			}
		}).Fault
	}
}

// seen are the writes of a namespace since arm, like "PATCH configmaps/settings".
func (k *killer) seen(namespace string) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.writes[namespace])
}

// isWrite says whether a request may change something. That one deletes as a dry
// run only its body would say; root images do not.
func isWrite(r *http.Request) bool {
	return r.Method != http.MethodGet && !r.URL.Query().Has("dryRun")
}

// fate is what becomes of a request, nil if nothing but its answer.
func (k *killer) fate(r *http.Request) proxy.Fault {
	if !isWrite(r) {
		return nil
	}
	_, path, _ := strings.Cut(r.URL.Path, "/namespaces/")
	namespace, object, _ := strings.Cut(path, "/")
	if r.Method == http.MethodPost { // to the list of what it creates
		name, err := createdName(r)
		if err != nil {
			k.t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
		}
		object += "/" + name
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.writes[namespace] = append(k.writes[namespace], r.Method+" "+object)
	return k.fates[namespace]
}

// createdName reads the name of an object that is created, and leaves the
// request as it was.
func createdName(r *http.Request) (string, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "", err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var object metav1.PartialObjectMetadata
	err = json.Unmarshal(body, &object)
	return object.Name, err
}

// kill returns when the process of the root image that runs in a namespace has
// ended by SIGKILL. A pod that is to be deleted is so before: nobody is to see
// one that has ended by itself.
func (k *killer) kill(namespace string, deleted bool) error {
	ctx := k.t.Context()
	pods, err := k.api.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{
		LabelSelector: "app.kubernetes.io/managed-by=quoit,batch.kubernetes.io/job-name",
		FieldSelector: "status.phase!=Succeeded,status.phase!=Failed",
	})
	if err != nil {
		return err
	}
	if len(pods.Items) != 1 {
		return fmt.Errorf("%d pods run", len(pods.Items))
	}
	pod := pods.Items[0]
	left, err := processes(string(pod.UID), "quoit")
	if len(left) != 1 {
		return fmt.Errorf("the pod %s has the processes %v: %w", pod.Name, left, err)
	}
	if deleted {
		if err := k.api.CoreV1().Pods(namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}); err != nil {
			return err
		}
	}
	if err := syscall.Kill(left[0], syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) { // it may have gone with its pod
		return err
	}
	for len(left) > 0 {
		if left, err = processes(string(pod.UID), "quoit"); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// processes are those of a pod that have a name.
func processes(uid, name string) (pids []int, err error) {
	groups, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		return nil, err
	}
	for _, group := range groups {
		dir := filepath.Dir(group)
		in, err := os.ReadFile(group)
		if err != nil || !strings.Contains(string(in), "pod"+uid) {
			continue // or it has just ended
		}
		comm, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil || strings.TrimSpace(string(comm)) != name {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, nil
}
