package builder

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/docker/cli/cli/config"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/cmd/buildctl/build"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/moby/buildkit/session/sshforward/sshprovider"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quoitbuild/quoit/builder/dial"
	"github.com/quoitbuild/quoit/internal/show"

	// Names of files need not be UTF-8, as with BuildKit's own clients.
	_ "github.com/moby/buildkit/util/grpcutil/encoding/proto"
)

// BuildKit says which BuildKit is asked, as package dial finds it, and what it is given
// besides a project's files. Lists are written as for buildctl and docker buildx. The
// logins of docker login are always given to it.
type BuildKit struct {
	// Address is where it listens, and TLS how it is reached there; "": $BUILDKIT_HOST.
	Address string
	TLS     dial.TLS
	// Builder is the name of a builder of docker buildx, instead of an address.
	Builder string
	// Progress is where its steps are shown.
	Progress Progress
	// Secrets are for RUN --mount=type=secret: id=NAME,src=FILE or id=NAME,env=VARIABLE.
	Secrets []string
	// SSH are agents for RUN --mount=type=ssh: default, or NAME=SOCKET.
	SSH []string
	// CacheFrom and CacheTo are build caches, like type=registry,ref=….
	CacheFrom, CacheTo []string
	// Allow are entitlements, like network.host.
	Allow []string
	// Timeout is how long one solve may take; 0: as long as it does.
	Timeout time.Duration
}

// OptionError says that one of [BuildKit]'s options is not as it is to be written.
type OptionError struct {
	// Option is its name as a flag: secret, ssh, cache-from, cache-to, progress, builder
	// or one of TLS.
	Option string
	// Err says what is wrong with it.
	Err error
}

// Error names the option.
func (e *OptionError) Error() string { return e.Option + ": " + e.Err.Error() }

// Unwrap returns what is wrong.
func (e *OptionError) Unwrap() error { return e.Err }

// Client is a BuildKit that has answered.
type Client struct {
	buildkit *client.Client
	given    client.SolveOpt // what each solve gets
	progress Progress
	name     string
}

// Connect connects to a BuildKit, says which one that is, and waits until it answers, for a
// minute at most. The error is an [*OptionError], which no BuildKit was asked for, one of
// [dial.Find], or says that none answers.
func Connect(ctx context.Context, b BuildKit) (*Client, error) { return b.connect(ctx, nil) }

// connect is Connect to one that can build for platforms.
func (b BuildKit) connect(ctx context.Context, platforms []ocispecs.Platform) (*Client, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	given, err := b.given()
	if err != nil {
		return nil, err
	}
	say := func(line string) {
		if b.Progress.ForPeople() {
			_, _ = fmt.Fprintln(b.Progress.out(), show.Line(line)) // nobody to tell
		}
	}
	o := b.dialed()
	o.Platforms, o.Say = platforms, say
	found, err := dial.Find(ctx, o)
	if err != nil {
		return nil, err
	}
	say("building with " + found.Name)
	c := &Client{buildkit: found.Client, given: given, progress: b.Progress, name: found.Name}
	err = c.soon(ctx, func(ctx context.Context) error {
		_, err := c.buildkit.Info(ctx)
		return err
	})
	if err != nil {
		c.Close()
		return nil, found.Unanswered(err)
	}
	return c, nil
}

// dialed are the options that say which BuildKit it is.
func (b BuildKit) dialed() dial.Options {
	return dial.Options{Address: b.Address, TLS: b.TLS, Builder: b.Builder}
}

// check refuses options that are not as they are to be written.
func (b BuildKit) check() error {
	if _, err := b.given(); err != nil {
		return err
	}
	if flag, err := b.dialed().Check(); err != nil {
		return &OptionError{flag, err}
	}
	_, err := b.Progress.display()
	return err
}

// How long BuildKit may take for what is no work, and until it is said that it does.
const (
	answers = time.Minute
	quiet   = 5 * time.Second
)

// soon asks BuildKit something that takes it no work.
func (c *Client) soon(ctx context.Context, ask func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, answers)
	defer cancel()
	slow := time.AfterFunc(quiet, func() {
		_, _ = fmt.Fprintf(c.progress.out(), "waiting for %s to answer\n", c.name) // nobody to tell
	})
	defer slow.Stop()
	err := ask(limited)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("no answer within %s", answers)
	}
	return err
}

// Close ends the connection.
func (c *Client) Close() error { return c.buildkit.Close() }

// given is what every solve gets, but for the logins.
func (b BuildKit) given() (opt client.SolveOpt, err error) {
	if len(b.Secrets) > 0 {
		files, err := b.secretFiles()
		if err != nil {
			return opt, err
		}
		opt.Session = append(opt.Session, files)
	}
	if len(b.SSH) > 0 {
		configs, err := build.ParseSSH(b.SSH)
		if err != nil {
			return opt, &OptionError{"ssh", err}
		}
		agents, err := sshprovider.NewSSHAgentProvider(configs)
		if err != nil {
			return opt, &OptionError{"ssh", err}
		}
		opt.Session = append(opt.Session, agents)
	}
	if opt.CacheImports, err = build.ParseImportCache(b.CacheFrom); err != nil {
		return opt, &OptionError{"cache-from", err}
	}
	if opt.CacheExports, err = build.ParseExportCache(b.CacheTo); err != nil {
		return opt, &OptionError{"cache-to", err}
	}
	opt.AllowedEntitlements = b.Allow
	return opt, nil
}

// logins gives BuildKit the logins of docker login.
func logins() session.Attachable {
	return authprovider.NewDockerAuthProvider(authprovider.DockerAuthProviderConfig{
		AuthConfigProvider: authprovider.LoadAuthConfig(config.LoadDefaultConfigFile(os.Stderr)),
	})
}
