package registry

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Client is the repositories below a path of one registry. It connects when first
// asked, once for the registry and, where the registry wants tokens, once for each
// repository and right.
type Client struct {
	server  name.Registry
	path    string // "" for all repositories
	options Options
	given   Options // for other registries
	pace    Pace
	carrier http.RoundTripper

	greeting  *shared[*transport.Challenge] // what the registry says to everybody
	auth      shared[authn.Authenticator]   // who we are for it
	mu        sync.Mutex
	sessions  map[scope]*session
	others    map[string][]*Client // of other registries, by their names
	unlisting bool                 // the registry has no list of referrers
}

// Open returns the repositories below a path ("acme/shop") in a registry: a host,
// optionally with a port and a path of its own. It makes no request; the error says
// that one of the two is not a name, or is that of [Options.Hosts]. Without those, plain
// http is spoken to loopback hosts only.
func Open(registry, path string, options Options) (*Client, error) {
	if strings.Contains(registry, "@") {
		return nil, errors.New("opening a registry: its name contains credentials: leave them out and use docker login")
	}
	host, prefix, _ := strings.Cut(registry, "/")
	full := strings.TrimPrefix(prefix+"/"+path, "/")
	if host == "" || strings.HasSuffix(host, ":") || len(full) > 255 || !nameForm.MatchString(full) {
		return nil, fmt.Errorf("opening project %.80q in registry %.80q: invalid name; expected something like acme/shop in registry.example.com", path, registry)
	}
	server, err := name.NewRegistry(host, encryption(host)...)
	if err != nil {
		return nil, fmt.Errorf("opening registry %.80q: %w", registry, err)
	}
	options = options.filled()
	its := options
	own, known, err := options.Hosts.itself(server.RegistryStr())
	if known && err == nil {
		server, its, err = own.apply(options)
	}
	if err != nil {
		return nil, err
	}
	c := newClient(server, full, its)
	c.given = options
	return c, nil
}

func newClient(server name.Registry, path string, options Options) *Client {
	return &Client{
		server: server, path: path, options: options, pace: options.pace(), carrier: options.Carrier(), greeting: &shared[*transport.Challenge]{},
		sessions: map[scope]*session{}, others: map[string][]*Client{},
	}
}

// String implements [Namespace].
func (c *Client) String() string { return c.host() + "/" + c.path }

// Repository implements [Namespace].
func (c *Client) Repository(name string) Repository { return c.at(name, pull) }

// Writable implements [Namespace].
func (c *Client) Writable(name string) Repository { return c.at(name, push) }

// Pace implements [Namespace].
func (c *Client) Pace() Pace { return c.pace }

// Commit implements [Namespace]: in a registry every write is seen at once.
func (c *Client) Commit() error { return nil }

// Elsewhere implements [Namespace]. The other registry is asked in the same way,
// with its own credentials.
func (c *Client) Elsewhere(reference string) (Repository, error) {
	reference, _, _ = strings.Cut(reference, "#")
	parsed, err := name.ParseReference(reference)
	if err != nil {
		return nil, fmt.Errorf("%.80q is not a reference", clean(reference))
	}
	server := parsed.Context().Registry
	clients, err := c.reached(server)
	if err != nil {
		return nil, err
	}
	var at mirrored
	for _, client := range clients {
		at = append(at, client.Repository(parsed.Context().RepositoryStr()))
	}
	if len(at) == 1 {
		return at[0], nil
	}
	return at, nil
}

// reached are the clients of another registry's hosts.
func (c *Client) reached(server name.Registry) ([]*Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.others[server.RegistryStr()]; known != nil {
		return known, nil
	}
	hosts, err := c.given.Hosts.of(server.RegistryStr())
	if err != nil {
		return nil, err
	}
	var clients []*Client
	for _, host := range hosts {
		one, options, err := host.apply(c.given)
		if err != nil {
			return nil, err
		}
		if one.RegistryStr() != server.RegistryStr() {
			options.Transport = asksFor{options.Transport, strings.Replace(server.RegistryStr(), dockerHubName, dockerHub, 1)}
		}
		clients = append(clients, newClient(one, "", options))
	}
	if len(clients) == 0 {
		if options := encryption(server.RegistryStr()); len(options) > 0 {
			if server, err = name.NewRegistry(server.RegistryStr(), options...); err != nil {
				return nil, err
			}
		}
		clients = append(clients, newClient(server, "", c.given))
	}
	for _, client := range clients {
		if client.server == c.server {
			client.greeting = c.greeting
		}
	}
	c.others[server.RegistryStr()] = clients
	return clients, nil
}

func (c *Client) host() string { return c.server.RegistryStr() }

// encryption is none for this machine.
func encryption(host string) []name.Option {
	if loopback(host) {
		return []name.Option{name.Insecure}
	}
	return nil
}

// loopback reports whether a host, with or without a port, is this machine.
func loopback(host string) bool {
	if bare, _, err := net.SplitHostPort(host); err == nil {
		host = bare
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// repository is one repository of a registry. It reads with one right and writes with
// the other, each with a session of its own unless they are the same.
type repository struct {
	client *Client
	image  string
	read   string
	name   name.Repository
}

func (c *Client) at(image, read string) repository {
	return repository{client: c, image: image, read: read, name: c.server.Repo(c.path, image)}
}

// Reference implements [Repository].
func (r repository) Reference(identifier string) string {
	if IsDigest(identifier) {
		return r.name.Name() + "@" + identifier
	}
	return r.name.Name() + ":" + identifier
}
