package site

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/quoitbuild/quoit/deploy/apply"
	"github.com/quoitbuild/quoit/internal/diag"
)

// Cluster is the Kubernetes that a site is in.
type Cluster struct {
	api   kubernetes.Interface
	times times
	say   func(what string)
	// Config is how it is reached. Treat it as read-only.
	Config *rest.Config
}

// ClusterOptions say how a cluster is reached. The zero value is what kubectl
// would do, or, in a pod, the pod's own cluster.
type ClusterOptions struct {
	Context   string // of the kubeconfig; "": the current one
	UserAgent string
	// Timeout is for one request that is not a stream; 0: 30 s.
	Timeout time.Duration
	// Say is told what is waited for, if that takes longer than a few seconds; nil:
	// nobody is. It may be called by several goroutines.
	Say func(what string)
	// Wrap may change how requests are carried.
	Wrap func(http.RoundTripper) http.RoundTripper
}

// times are how long things take.
type times struct {
	lease time.Duration // how long a lease is good without being renewed
	poll  time.Duration // between two looks at a Job
	retry time.Duration // for how long an API server may be gone
	look  time.Duration // for reading a release and comparing it, and for logging in
}

// quiet is how long may be waited without a word.
const quiet = 5 * time.Second

var usual = times{lease: 30 * time.Second, poll: 500 * time.Millisecond, retry: 30 * time.Second, look: 5 * time.Minute}

// Connect finds a cluster. It makes no request. The error names the contexts
// that there are.
func Connect(o ClusterOptions) (*Cluster, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: o.Context})
	if raw, err := loader.RawConfig(); err == nil && o.Context != "" {
		if _, known := raw.Contexts[o.Context]; !known {
			return nil, unknownContext(o.Context, raw.Contexts)
		}
	}
	config, err := loader.ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, errors.New("finding the cluster: there is no kubeconfig: set KUBECONFIG, or name the site's cluster in the manifest")
	}
	if err != nil {
		return nil, fmt.Errorf("finding the cluster: %w", err)
	}
	return connect(config, o)
}

func connect(config *rest.Config, o ClusterOptions) (*Cluster, error) {
	config = rest.CopyConfig(config)
	config.UserAgent, config.Timeout = o.UserAgent, 0 // streams have no end; others get one in carrier
	config.QPS, config.Burst = 50, 100
	timeout := o.Timeout
	if timeout <= 0 {
		timeout = 30 * time.Second
	}
	cluster := &Cluster{times: usual, say: o.Say, Config: config}
	config.Wrap(func(inner http.RoundTripper) http.RoundTripper { return carrier{inner, timeout, cluster} })
	if o.Wrap != nil {
		config.Wrap(o.Wrap)
	}
	var err error
	if cluster.api, err = kubernetes.NewForConfig(config); err != nil {
		return nil, fmt.Errorf("finding the cluster: %w", err)
	}
	return cluster, nil
}

// slowly says what is waited for, unless over is called soon.
func (c *Cluster) slowly(what string) (over func()) {
	timer := time.AfterFunc(quiet, func() {
		if c.say != nil {
			c.say("waiting for " + what)
		}
	})
	return func() { timer.Stop() }
}

// carrier gives every request an end, except those that follow something: an
// API server that is gone must not stop a deploy for ever.
type carrier struct {
	inner   http.RoundTripper
	timeout time.Duration
	cluster *Cluster
}

// RoundTrip carries one request.
func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	if query := r.URL.Query(); query.Get("follow") == "true" || query.Get("watch") == "true" {
		return c.inner.RoundTrip(r)
	}
	ctx, cancel := context.WithTimeout(r.Context(), c.timeout)
	over := c.cluster.slowly("the cluster at " + r.URL.Host + " to answer")
	end := func() { over(); cancel() }
	response, err := c.inner.RoundTrip(r.WithContext(ctx))
	if err != nil {
		end()
		return nil, err
	}
	response.Body = &ending{response.Body, end}
	return response, nil
}

// ending ends a request when its answer was read.
type ending struct {
	io.ReadCloser
	end func()
}

func (e *ending) Close() error {
	defer e.end()
	return e.ReadCloser.Close()
}

func unknownContext[T any](name string, contexts map[string]T) error {
	var known []string
	for context := range contexts {
		known = append(known, context)
	}
	slices.Sort(known)
	if near := diag.Nearest(name, known); near != "" {
		return fmt.Errorf("the kubeconfig has no context %q: did you mean %q", name, near)
	}
	if len(known) == 0 {
		return fmt.Errorf("the kubeconfig has no context %q, nor any other: set KUBECONFIG", name)
	}
	return fmt.Errorf("the kubeconfig has no context %q: it has %s", name, strings.Join(known, ", "))
}

// explain adds the next step to what an API server answered.
func explain(s Site, doing string, err error) error {
	switch {
	case errors.As(err, new(*apply.ForbiddenError)): // it has the rule
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%s: %w: `quoit bootstrap %s` prints the rights that are needed", doing, err, s.Name)
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%s: %w: apply what `quoit bootstrap %s` prints", doing, err, s.Name)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("%s: %w: log in to the cluster again", doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// passing reports whether an error may be gone when the request is repeated.
func passing(err error) bool {
	status := apierrors.APIStatus(nil)
	if !errors.As(err, &status) {
		return true // no answer
	}
	code := status.Status().Code
	return code == http.StatusTooManyRequests || code >= 500
}

// patiently repeats a request while there is no answer to it.
func (c *Cluster) patiently(ctx context.Context, request func() error) error {
	end := time.Now().Add(c.times.retry)
	for {
		err := request()
		if err == nil || !passing(err) || time.Now().After(end) {
			return err
		}
		if pause(ctx, c.times.poll) != nil {
			return err
		}
	}
}

// pause waits, or says why that was cut short.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
