package dial

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/docker/cli/cli/config"
	dockercontext "github.com/docker/cli/cli/context"
	"github.com/docker/cli/cli/context/docker"
	"github.com/docker/cli/cli/context/store"
	"github.com/docker/cli/opts"
	"github.com/moby/buildkit/client"
	dockerclient "github.com/moby/moby/client"
)

// byDefault is the docker context that is none of those in its store.
const byDefault = "default"

// engine is the Docker Engine of docker's current context.
type engine struct {
	context  string
	selected bool // by somebody: it is not only docker's default
}

// currentEngine is the engine that docker would use, by the rules of docker's own command.
func currentEngine() engine {
	if os.Getenv(dockerclient.EnvOverrideHost) != "" {
		return engine{byDefault, true}
	}
	name := os.Getenv("DOCKER_CONTEXT")
	if file, err := config.Load(config.Dir()); err == nil { // whoever reads its logins says what is wrong with it
		name = cmp.Or(name, file.CurrentContext)
	}
	return engine{cmp.Or(name, byDefault), name != "" && name != byDefault}
}

// connect connects to the engine's BuildKit, as docker buildx does, and waits until it has
// answered. With an error the builder only says which one that was.
func (e engine) connect(ctx context.Context) (*Builder, error) {
	b := &Builder{Name: "the Docker Engine"}
	if e.context != byDefault {
		b.Name += " of the docker context " + e.context
	}
	endpoint, err := e.endpoint()
	if err == nil {
		b.Name += " at " + endpoint.Host
	}
	b.silent = b.Name + " cannot be used: start it, choose another one with docker context use or DOCKER_HOST, or name a BuildKit with --addr or BUILDKIT_HOST"
	if err != nil {
		return b, err
	}
	if err := listens(ctx, endpoint.Host); err != nil {
		return b, err
	}
	api, err := apiOf(endpoint)
	if err != nil {
		return b, err
	}
	defer api.Close() // only what a request has left: those that are taken over stay
	limited, cancel := context.WithTimeout(ctx, promptly)
	defer cancel()
	if _, err := api.Ping(limited, dockerclient.PingOptions{}); err != nil {
		return b, err
	}
	b.Client, err = client.New(ctx, "",
		client.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return api.DialHijack(ctx, "/grpc", "h2c", nil)
		}),
		client.WithSessionDialer(func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
			return api.DialHijack(ctx, "/session", proto, meta)
		}))
	if err != nil {
		return b, err
	}
	if err := ask(ctx, b.Client); err != nil {
		b.Client.Close()
		return b, fmt.Errorf("it has no BuildKit: %w", err)
	}
	return b, nil
}

// endpoint is where the engine listens, and how it is reached.
func (e engine) endpoint() (docker.Endpoint, error) {
	if e.context == byDefault {
		return defaultEndpoint()
	}
	contexts := store.New(config.ContextStoreDir(), store.NewConfig(
		func() any { return &map[string]any{} },
		store.EndpointTypeGetter(docker.DockerEndpoint, func() any { return &docker.EndpointMeta{} })))
	found, err := contexts.GetMetadata(e.context)
	if err != nil {
		return docker.Endpoint{}, err
	}
	at, err := docker.EndpointFromContext(found)
	if err != nil {
		return docker.Endpoint{}, err
	}
	return docker.WithTLSData(contexts, e.context, at)
}

// defaultEndpoint is that of DOCKER_HOST, or of this machine's engine, with the certificates
// that docker's variables name.
func defaultEndpoint() (docker.Endpoint, error) {
	verify := os.Getenv(dockerclient.EnvTLSVerify) != ""
	secure := verify || os.Getenv("DOCKER_TLS") != ""
	var endpoint docker.Endpoint
	host, err := opts.ParseHost(secure, os.Getenv(dockerclient.EnvOverrideHost))
	if err != nil {
		return endpoint, fmt.Errorf("DOCKER_HOST: %w", err)
	}
	endpoint.Host = host
	if !secure {
		return endpoint, nil
	}
	endpoint.SkipTLSVerify = !verify
	dir := cmp.Or(os.Getenv(dockerclient.EnvOverrideCertPath), config.Dir())
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if !exists(cert) || !exists(key) {
		cert, key = "", ""
	}
	endpoint.TLSData, err = dockercontext.TLSDataFromFiles(filepath.Join(dir, "ca.pem"), cert, key)
	return endpoint, err
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// apiOf is the engine's interface at an endpoint, with the headers that docker sends.
func apiOf(endpoint docker.Endpoint) (*dockerclient.Client, error) {
	options, err := endpoint.ClientOpts()
	if err != nil {
		return nil, err
	}
	if file, err := config.Load(config.Dir()); err == nil && len(file.HTTPHeaders) > 0 {
		options = append(options, dockerclient.WithHTTPHeaders(file.HTTPHeaders))
	}
	return dockerclient.New(options...)
}
