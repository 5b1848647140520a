package apply

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/quoitbuild/quoit/internal/show"
)

// fieldManager owns the fields that are applied.
const fieldManager = "quoit"

// How many requests a second a run may make, and at once. The server has its own
// limits; the client's default of five would make large releases slow.
const (
	requestsPerSecond = 100
	requestsAtOnce    = 200
)

// silence keeps the client's library from complaining that it has no log.
var silence = sync.OnceFunc(func() { log.SetLogger(logr.Discard()) })

// connection is the API server with what it is asked through.
type connection struct {
	client.Client
	pods corev1client.PodsGetter // for logs
}

func connect(config *rest.Config, progress io.Writer) (connection, error) {
	c, err := newClient(config, progress)
	if err != nil {
		return connection{}, err
	}
	pods, err := corev1client.NewForConfig(clientConfig(config, progress))
	if err != nil {
		return connection{}, fmt.Errorf("connecting to the cluster: %w", err)
	}
	return connection{c, pods}, nil
}

func newClient(config *rest.Config, progress io.Writer) (client.Client, error) {
	silence()
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	c, err := client.New(clientConfig(config, progress), client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("connecting to the cluster: %w", err)
	}
	return c, nil
}

func clientConfig(config *rest.Config, progress io.Writer) *rest.Config {
	own := rest.CopyConfig(config)
	own.QPS, own.Burst = requestsPerSecond, requestsAtOnce
	own.UserAgent = fieldManager
	own.WarningHandler = &warnings{progress: progress, seen: map[string]bool{}}
	return own
}

// warnings prints what the API server warns of, each text once.
type warnings struct {
	progress io.Writer // may be nil
	mu       sync.Mutex
	seen     map[string]bool
}

const maxWarnings = 50

func (w *warnings) HandleWarningHeader(code int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if code != 299 || text == "" || w.progress == nil || w.seen[text] || len(w.seen) >= maxWarnings {
		return
	}
	w.seen[text] = true
	fmt.Fprintln(w.progress, "warning:", show.Line(strings.TrimSpace(text)))
}

// cluster is a connection as a site's run uses it.
type cluster struct {
	client.Client
	pods    podReader
	owner   owner
	console *console
	timeout time.Duration // of each wait
}

// patch applies one object as it is.
func (c *cluster) patch(ctx context.Context, object *unstructured.Unstructured, force bool) error {
	options := []client.ApplyOption{client.FieldOwner(fieldManager)}
	if force {
		options = append(options, client.ForceOwnership)
	}
	return c.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), options...)
}

// pollInterval is how often the cluster is asked while something is waited for.
const pollInterval = 500 * time.Millisecond
