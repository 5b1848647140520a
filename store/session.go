package store

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

// client returns what requests to a repository are sent with.
func (p *Project) client(ctx context.Context, s scope) (*http.Client, error) {
	if !nameForm.MatchString(s.image) {
		return nil, &RequestError{Doing: connecting, Reference: p.host(), Problem: fmt.Sprintf("%.80q is not the name of an image", s.image)}
	}
	p.mu.Lock()
	open := p.sessions[s]
	if open == nil {
		open = &session{}
		p.sessions[s] = open
	}
	p.mu.Unlock()
	open.mu.Lock()
	defer open.mu.Unlock()
	if open.client != nil {
		return open.client, nil
	}
	challenge, auth, err := p.greet(ctx)
	if err != nil {
		return nil, err
	}
	carrier, err := p.authorize(ctx, s, challenge, auth)
	if err != nil {
		return nil, err
	}
	open.client = &http.Client{Transport: carrier}
	return open.client, nil
}

// greet finds out, once, how the registry wants to be asked.
func (p *Project) greet(ctx context.Context) (*transport.Challenge, authn.Authenticator, error) {
	g := &p.greeting
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.challenge != nil {
		return g.challenge, g.auth, nil
	}
	auth, err := authn.Resolve(ctx, p.options.Keychain, p.server.Repo(p.path))
	if err != nil {
		return nil, nil, &RequestError{
			Doing: connecting, Reference: p.host(), Problem: "reading Docker's credentials: " + clean(err.Error()),
			Hint: "check " + dockerConfig + " and its credential helper", Err: err,
		}
	}
	var challenge *transport.Challenge
	err = p.attempts(ctx, func(ctx context.Context) error {
		challenge, err = transport.Ping(ctx, p.server, p.carrier)
		return p.refused(ctx, connecting, p.host(), err)
	})
	if err != nil {
		return nil, nil, err
	}
	g.challenge, g.auth = challenge, auth
	return challenge, auth, nil
}

// authorize gets a token for the repository, if the registry wants tokens.
func (p *Project) authorize(ctx context.Context, s scope, challenge *transport.Challenge, auth authn.Authenticator) (http.RoundTripper, error) {
	token := &transport.Token{}
	doing := reading
	if s.right == push {
		doing = writing
	}
	repository := p.repository(s.image, s.right)
	if strings.EqualFold(challenge.Scheme, "bearer") {
		err := p.attempts(ctx, func(ctx context.Context) (err error) {
			scopes := []string{repository.name.Scope(s.right)}
			if s.from != "" {
				scopes = append(scopes, p.repository(s.from, pull).name.Scope(pull))
			}
			token, err = transport.Exchange(ctx, p.server, auth, p.carrier, scopes, challenge)
			return p.refused(ctx, doing, repository.name.Name(), err)
		})
		if err != nil {
			return nil, err
		}
		if token.Token == "" {
			token.Token = token.AccessToken // some registries send only this one
		}
	}
	carrier, err := transport.FromToken(p.server, auth, p.carrier, challenge, token)
	if err != nil {
		return nil, p.refused(ctx, doing, repository.name.Name(), err)
	}
	return carrier, nil
}

func (p *Project) host() string { return p.server.RegistryStr() }

// carrier sends every request as Quoit, and none in the clear to another machine.
type carrier struct {
	inner http.RoundTripper
	agent string
}

// RoundTrip implements [http.RoundTripper]. A body is sent from its beginning,
// also when a layer above repeats the request with a fresh token.
func (c *carrier) RoundTrip(in *http.Request) (*http.Response, error) {
	if in.URL.Scheme != "https" && !loopback(in.URL.Host) {
		if in.Body != nil {
			in.Body.Close()
		}
		return nil, &plainError{host: in.URL.Host}
	}
	out := in.Clone(in.Context())
	out.Header.Set("User-Agent", c.agent)
	if in.GetBody != nil {
		body, err := in.GetBody()
		if err != nil {
			return nil, err
		}
		in.Body.Close()
		out.Body = body
	}
	return c.inner.RoundTrip(out)
}

// plainError says that a host would have been asked without encryption.
type plainError struct{ host string }

func (e *plainError) Error() string {
	return fmt.Sprintf("plain http is spoken to this machine only, not to %s", e.host)
}
