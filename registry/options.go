package registry

import (
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Options are how a registry is talked to. The zero value is what people want.
type Options struct {
	// Keychain finds credentials, once for a Client; nil: those of Docker.
	Keychain authn.Keychain
	// Transport carries the requests; nil: the one of go-containerregistry.
	Transport http.RoundTripper
	// UserAgent is sent as it is; "": "quoit".
	UserAgent string
	// Timeout is for one attempt, body included; 0: 30 s.
	Timeout time.Duration
	// Attempts is how often a request that changes nothing is made until one
	// succeeds; 0: 3.
	Attempts int
	// Backoff is the pause before the second attempt; each further one is three
	// times as long. What a registry asks to wait goes before; 0: 1 s.
	Backoff time.Duration
	// Jobs is how many requests run at a time; 0: 8.
	Jobs int
	// Say is told what is waited for, as in [Pace].
	Say func(what string)
	// Hosts says how other registries are reached, and this one, which has no mirrors: its
	// tags count. Nil: as their names say.
	Hosts Hosts

	plain string // the host that is asked without encryption
}

func (o Options) filled() Options {
	if o.Keychain == nil {
		o.Keychain = authn.DefaultKeychain
	}
	if o.Transport == nil {
		o.Transport = remote.DefaultTransport
	}
	if o.UserAgent == "" {
		o.UserAgent = "quoit"
	}
	return o
}

func (o Options) pace() Pace {
	return Pace{Timeout: o.Timeout, Attempts: o.Attempts, Backoff: o.Backoff, Jobs: o.Jobs, Say: o.Say}.Filled()
}
