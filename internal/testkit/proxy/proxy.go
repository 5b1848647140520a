// Package proxy stands between a client and a registry to record requests and to make
// chosen ones fail: the tests' way to a registry that breaks at the worst moment.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/quoitbuild/quoit/internal/testkit/daemon"
)

// Proxy stands between clients and a registry. It records every request, and
// its rules make chosen ones fail, wait, or stop the client:
//
//	p, err := proxy.Start(stack.Registry)
//	p.Use(proxy.Rule{Match: proxy.Manifest("deploy", "users"), Times: 1, Fault: proxy.Drop()})
//
// Clients reach it as p.Host; addresses of the registry in its answers become
// the proxy's, so they stay with it. What is pushed through it is in the registry
// behind, under the same repository.
type Proxy struct {
	// Host is localhost:PORT, which every client takes for plain http.
	Host string

	registry string
	inner    http.Handler

	mu       sync.Mutex
	server   *http.Server
	listener net.Listener
	login    *login
	rules    []*activeRule
	requests []*Request
}

// Rule says what happens to some requests.
type Rule struct {
	// Match chooses requests; nil is for all of them.
	Match func(Request) bool
	// Skip is how many of the chosen requests pass first.
	Skip int
	// Times is how many fail after those; 0 is for all of them.
	Times int
	// Fault is what happens to them.
	Fault Fault
}

type activeRule struct {
	Rule
	seen int
}

// Start starts a proxy on a free port of this machine in front of a
// registry, localhost:PORT. Close ends it.
func Start(registry string) (*Proxy, error) {
	p := &Proxy{Host: "localhost:0", registry: registry}
	p.inner = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: registry})
			r.Out.Host = p.Host // the registry makes its Location headers of it
		},
		Transport:      &http.Transport{DisableCompression: true},
		ModifyResponse: p.stay,
		ErrorHandler:   func(w http.ResponseWriter, _ *http.Request, _ error) { hangUp(w) },
	}
	return p, p.Up()
}

// Up listens again after Down, on the same port.
func (p *Proxy) Up() error {
	listener, err := net.Listen("tcp", strings.Replace(p.Host, "localhost", "127.0.0.1", 1))
	if err != nil {
		return fmt.Errorf("starting the proxy: %w", err)
	}
	server := &http.Server{Handler: p, ReadHeaderTimeout: daemon.StartTimeout}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Host = fmt.Sprintf("localhost:%d", listener.Addr().(*net.TCPAddr).Port)
	p.server, p.listener = server, listener
	go func() { _ = server.Serve(listener) }() // until Down
	return nil
}

// Down ends all connections; new ones are refused.
func (p *Proxy) Down() {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Gone either way; the listener by itself, as the server may not have it yet.
	_ = p.listener.Close()
	_ = p.server.Close()
}

// Close ends the proxy and whatever it holds.
func (p *Proxy) Close() { p.Down() }

// Use replaces the rules and forgets the recorded requests. For each request
// the first rule that chooses it decides; without one it passes.
func (p *Proxy) Use(rules ...Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules, p.requests = nil, nil
	for _, r := range rules {
		p.rules = append(p.rules, &activeRule{Rule: r})
	}
}

// Requests are those that came since the last Use, in the order of their
// arrival. The status is 0 for one without an answer.
func (p *Proxy) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]Request, len(p.requests))
	for i, r := range p.requests {
		all[i] = *r
	}
	return all
}

// Await returns when a request has come that match chooses, answered or not.
func (p *Proxy) Await(ctx context.Context, match func(Request) bool) error {
	err := daemon.Poll(ctx, func() (bool, error) {
		for _, r := range p.Requests() {
			if match(r) {
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for a request: %w", err)
	}
	return nil
}

// ServeHTTP serves one request by the rules.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request := &Request{Time: time.Now(), Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, UserAgent: r.UserAgent()}
	p.mu.Lock()
	p.requests = append(p.requests, request)
	forward := p.forward(p.login)
	fault := p.fault(*request)
	p.mu.Unlock()
	counted := &countingWriter{ResponseWriter: w}
	if fault != nil {
		fault(counted, r, forward)
	} else {
		forward(counted, r)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	request.Status, request.Bytes = counted.status, counted.bytes
}

// fault is what the rules say of a request, nil to let it pass.
func (p *Proxy) fault(request Request) Fault {
	for _, r := range p.rules {
		if r.Match != nil && !r.Match(request) {
			continue
		}
		r.seen++
		if r.seen > r.Skip && (r.Times == 0 || r.seen <= r.Skip+r.Times) {
			return r.Fault
		}
		return nil
	}
	return nil
}

func (p *Proxy) forward(login *login) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if login != nil && !login.admits(w, r) {
			return
		}
		r.Header.Del("Authorization")
		p.inner.ServeHTTP(w, r)
	}
}

// stay makes a client that follows the registry's answer come back here.
func (p *Proxy) stay(response *http.Response) error {
	for _, key := range []string{"Location", "Www-Authenticate", "Link"} {
		for i, value := range response.Header.Values(key) {
			response.Header[key][i] = strings.ReplaceAll(value, p.registry, p.Host)
		}
	}
	return nil
}

// countingWriter notes what the client was sent.
type countingWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *countingWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *countingWriter) Write(data []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(data)
	w.bytes += int64(n)
	return n, err
}

// Hijack gives the connection away, for faults that break it.
func (w *countingWriter) Hijack() (net.Conn, error) {
	hijacker, ok := w.ResponseWriter.(http.Hijacker)
	if !ok {
		return nil, errors.New("the connection cannot be taken")
	}
	connection, _, err := hijacker.Hijack()
	return connection, err
}

// Flush sends what was written.
func (w *countingWriter) Flush() {
	if flusher, ok := w.ResponseWriter.(http.Flusher); ok {
		flusher.Flush()
	}
}
