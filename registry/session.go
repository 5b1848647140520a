package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/singleflight"
)

// The rights that a session asks for, as registries call them.
const (
	pull = transport.PullScope
	push = transport.PushScope
)

// scope is a repository and the right to it.
type scope struct {
	image, right string
	from         string // the repository from which a blob is mounted, or ""
}

// session is a connection to one repository, made when it is first needed.
type session = shared[*http.Client]

// shared is something that is fetched once, when it is first needed. Whoever needs it
// meanwhile waits for that and has its error too: otherwise many who ask at a time would
// wait for a silent registry one after the other.
type shared[T any] struct {
	fetching singleflight.Group
	mu       sync.Mutex
	value    *T
}

// known is the value, nil if it was not fetched yet.
func (s *shared[T]) known() *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.value
}

func (s *shared[T]) get(ctx context.Context, fetch func() (T, error)) (value T, err error) {
	if there := s.known(); there != nil {
		return *there, nil
	}
	fetched := s.fetching.DoChan("", func() (any, error) {
		value, err := fetch()
		if err == nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.value = &value
		}
		return value, err
	})
	select {
	case <-ctx.Done():
		return value, ctx.Err()
	case got := <-fetched:
		if got.Shared && errors.Is(got.Err, context.Canceled) && ctx.Err() == nil {
			return s.get(ctx, fetch) // somebody else was interrupted
		}
		value, _ = got.Val.(T) // which an error may come without
		return value, got.Err
	}
}

// session returns what requests to a repository are sent with.
func (c *Client) session(ctx context.Context, s scope) (*http.Client, error) {
	if !nameForm.MatchString(s.image) {
		return nil, &RequestError{Doing: connecting, Reference: c.host(), Problem: fmt.Sprintf("%.80q is not the name of an image", s.image)}
	}
	c.mu.Lock()
	open := c.sessions[s]
	if open == nil {
		open = &session{}
		c.sessions[s] = open
	}
	c.mu.Unlock()
	client, err := open.get(ctx, func() (*http.Client, error) { return c.connect(ctx, s) })
	if err = c.refused(ctx, connecting, c.host(), err); err == nil {
		return client, nil
	}
	failed := *err.(*RequestError)
	failed.unsent = true
	return nil, &failed
}

func (c *Client) connect(ctx context.Context, s scope) (*http.Client, error) {
	auth, err := c.auth.get(ctx, func() (authn.Authenticator, error) { return c.account(ctx) })
	if err != nil {
		return nil, err
	}
	challenge, err := c.greeting.get(ctx, func() (*transport.Challenge, error) { return c.greet(ctx) })
	if err != nil {
		return nil, err
	}
	carrier, err := c.authorize(ctx, s, challenge, auth)
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: carrier, CheckRedirect: redirected}, nil
}

// greet finds out how the registry wants to be asked.
func (c *Client) greet(ctx context.Context) (challenge *transport.Challenge, err error) {
	err = c.pace.Retry(ctx, func(ctx context.Context) error {
		challenge, err = transport.Ping(ctx, c.server, c.carrier)
		return c.refused(ctx, connecting, c.host(), err)
	})
	return challenge, err
}

// account finds credentials. A helper that Docker's config.json names may wait for
// somebody, and is not waited for any longer than for the registry.
func (c *Client) account(ctx context.Context) (authn.Authenticator, error) {
	limited, cancel := context.WithTimeout(ctx, enough)
	defer cancel()
	slow := time.AfterFunc(quiet, func() { c.pace.Tell("waiting for Docker's credential helper to answer, for " + c.host()) })
	defer slow.Stop()
	type found struct {
		auth authn.Authenticator
		err  error
	}
	looked := make(chan found, 1)
	go func() {
		auth, err := authn.Resolve(limited, c.options.Keychain, c.server.Repo(c.path))
		looked <- found{auth, err}
	}()
	var is found
	select {
	case is = <-looked:
	case <-limited.Done():
		if is.err = ctx.Err(); is.err == nil {
			is.err = fmt.Errorf("no answer within %s", enough)
		}
	}
	if is.err == nil || errors.Is(is.err, context.Canceled) {
		return is.auth, is.err
	}
	return nil, &RequestError{
		Doing: connecting, Reference: c.host(), Problem: "reading Docker's credentials: " + clean(is.err.Error()),
		Hint: "check " + dockerConfig + " and its credential helper", Err: is.err, once: true,
	}
}

// authorize gets a token for the repository, if the registry wants tokens.
func (c *Client) authorize(ctx context.Context, s scope, challenge *transport.Challenge, auth authn.Authenticator) (http.RoundTripper, error) {
	token := &transport.Token{}
	doing := reading
	if s.right == push {
		doing = writing
	}
	repository := c.at(s.image, s.right)
	if strings.EqualFold(challenge.Scheme, "bearer") {
		err := c.pace.Retry(ctx, func(ctx context.Context) (err error) {
			scopes := []string{repository.name.Scope(s.right)}
			if s.from != "" {
				scopes = append(scopes, c.at(s.from, pull).name.Scope(pull))
			}
			token, err = transport.Exchange(ctx, c.server, auth, c.carrier, scopes, challenge)
			return c.refused(ctx, doing, repository.name.Name(), err)
		})
		if err != nil {
			return nil, err
		}
		token.Token = given(token)
	}
	carrier, err := transport.FromToken(c.server, auth, c.carrier, challenge, token)
	if err != nil {
		return nil, c.refused(ctx, doing, repository.name.Name(), err)
	}
	return carrier, nil
}
