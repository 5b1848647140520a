package registry

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
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
type session struct {
	mu     sync.Mutex
	client *http.Client
}

// greeting is what the registry says to everybody, and who we are for it.
type greeting struct {
	mu        sync.Mutex
	challenge *transport.Challenge
	auth      authn.Authenticator
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
	open.mu.Lock()
	defer open.mu.Unlock()
	if open.client != nil {
		return open.client, nil
	}
	challenge, auth, err := c.greet(ctx)
	if err != nil {
		return nil, err
	}
	carrier, err := c.authorize(ctx, s, challenge, auth)
	if err != nil {
		return nil, err
	}
	open.client = &http.Client{Transport: carrier, CheckRedirect: redirected}
	return open.client, nil
}

// greet finds out, once, how the registry wants to be asked.
func (c *Client) greet(ctx context.Context) (*transport.Challenge, authn.Authenticator, error) {
	g := &c.greeting
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.challenge != nil {
		return g.challenge, g.auth, nil
	}
	auth, err := authn.Resolve(ctx, c.options.Keychain, c.server.Repo(c.path))
	if err != nil {
		return nil, nil, &RequestError{
			Doing: connecting, Reference: c.host(), Problem: "reading Docker's credentials: " + clean(err.Error()),
			Hint: "check " + dockerConfig + " and its credential helper", Err: err,
		}
	}
	var challenge *transport.Challenge
	err = c.pace.Retry(ctx, func(ctx context.Context) error {
		challenge, err = transport.Ping(ctx, c.server, c.carrier)
		return c.refused(ctx, connecting, c.host(), err)
	})
	if err != nil {
		return nil, nil, err
	}
	g.challenge, g.auth = challenge, auth
	return challenge, auth, nil
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
