package dial

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/connhelper"
	"github.com/moby/buildkit/util/appdefaults"

	// The ways to reach a BuildKit that is not a socket.
	_ "github.com/moby/buildkit/client/connhelper/dockercontainer"
	_ "github.com/moby/buildkit/client/connhelper/kubepod"
	_ "github.com/moby/buildkit/client/connhelper/nerdctlcontainer"
	_ "github.com/moby/buildkit/client/connhelper/npipe"
	_ "github.com/moby/buildkit/client/connhelper/podmancontainer"
	_ "github.com/moby/buildkit/client/connhelper/ssh"
)

// TLS says with which certificates an address is reached, in files, as buildctl's options
// of these names do.
type TLS struct {
	// ServerName is in the server's certificate; "": the address's host.
	ServerName string
	// CACert has those who may have signed it; "": those that this machine trusts.
	CACert string
	// Cert and Key are the client's certificate and its key.
	Cert, Key string
	// Dir has them all, as ca.pem, cert.pem and key.pem or as ca.crt, tls.crt and tls.key.
	Dir string
}

// Check refuses options of which one rules another out; it returns the flag that is wrong
// too.
func (o Options) Check() (flag string, err error) {
	files := o.TLS.CACert != "" || o.TLS.Cert != "" || o.TLS.Key != ""
	switch {
	case o.Builder != "" && o.Address != "":
		return "builder", errors.New("--addr names a BuildKit already: give one of the two")
	case o.Builder != "" && o.TLS != (TLS{}):
		return "builder", errors.New("docker buildx knows the certificates of its builders: leave out --tls…, or give an --addr")
	case o.TLS.Dir != "" && files:
		return "tlsdir", errors.New("it is instead of --tlscacert, --tlscert and --tlskey: give the folder or the files")
	case o.TLS.Cert != "" && o.TLS.Key == "":
		return "tlskey", errors.New("it belongs to --tlscert: give both or none")
	case o.TLS.Cert == "" && o.TLS.Key != "":
		return "tlscert", errors.New("it belongs to --tlskey: give both or none")
	}
	return "", nil
}

// at is the BuildKit at an address.
func at(ctx context.Context, address string, with TLS) (*Builder, error) {
	name := "BuildKit at " + address
	options, err := with.options(address)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", name, err)
	}
	helper, err := connhelper.GetConnectionHelper(address)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", name, err)
	}
	if helper != nil {
		options = append(options, client.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			c, err := helper.ContextDialer(ctx, address)
			return helped{c}, err
		}))
	}
	c, err := client.New(ctx, address, options...)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", name, err)
	}
	silent := "BuildKit does not answer at " + address + ": start buildkitd, or name another one with --addr or BUILDKIT_HOST"
	return &Builder{Client: c, Name: name, silent: silent}, nil
}

// helped is a connection through a program of BuildKit's client. If the program ends before
// it has read, only reading from it tells why.
type helped struct{ net.Conn }

// Write writes to the program.
func (c helped) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if err != nil && !errors.Is(err, os.ErrClosed) {
		if _, why := c.Conn.Read(make([]byte, 1)); why != nil && !errors.Is(why, io.EOF) {
			err = why
		}
	}
	return n, err
}

// options are what connects with these certificates.
func (t TLS) options(address string) ([]client.ClientOpt, error) {
	if t == (TLS{}) {
		return nil, nil
	}
	parsed, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	if t.Dir != "" {
		if t, err = t.found(); err != nil {
			return nil, err
		}
	}
	server := cmp.Or(t.ServerName, parsed.Hostname())
	var options []client.ClientOpt
	if t.CACert != "" {
		options = append(options, client.WithServerConfig(server, t.CACert))
	} else {
		options = append(options, client.WithServerConfigSystem(server))
	}
	if t.Cert != "" {
		options = append(options, client.WithCredentials(t.Cert, t.Key))
	}
	return options, nil
}

// found are the files of the folder.
func (t TLS) found() (TLS, error) {
	for _, file := range []struct {
		to    *string
		names [2]string
	}{
		{&t.CACert, [2]string{"ca.pem", "ca.crt"}},
		{&t.Cert, [2]string{"cert.pem", "tls.crt"}},
		{&t.Key, [2]string{"key.pem", "tls.key"}},
	} {
		for _, name := range file.names {
			path := filepath.Join(t.Dir, name)
			if _, err := os.Stat(path); err == nil && *file.to == "" {
				*file.to = path
			}
		}
		if *file.to == "" {
			return t, fmt.Errorf("--tlsdir %s has neither %s nor %s", t.Dir, file.names[0], file.names[1])
		}
	}
	return t, nil
}

// local is a buildkitd that listens where one does by default: that of the system, or the
// user's own.
func (o Options) local(ctx context.Context, none NoneError) (*Builder, error) {
	addresses := []string{appdefaults.Address}
	if own := appdefaults.UserAddress(); own != appdefaults.Address {
		addresses = append(addresses, own)
	}
	for _, address := range addresses {
		b, err := answering(ctx, address)
		if err == nil {
			return b, nil
		}
		none.tried("buildkitd at "+address, err)
	}
	none.advice = advise(machine(), none.denied)
	return nil, &none
}

// answering is the BuildKit at an address, if it answers.
func answering(ctx context.Context, address string) (*Builder, error) {
	if err := listens(ctx, address); err != nil {
		return nil, err
	}
	b, err := at(ctx, address, TLS{})
	if err != nil {
		return nil, err
	}
	if err := ask(ctx, b.Client); err != nil {
		b.Client.Close()
		return nil, err
	}
	return b, nil
}

// listens finds out whether anybody listens at an address, if it is a socket: clients say
// it at length, and not in a way that tells why.
func listens(ctx context.Context, address string) error {
	socket, ok := strings.CutPrefix(address, "unix://")
	if !ok {
		return nil
	}
	c, err := (&net.Dialer{Timeout: promptly}).DialContext(ctx, "unix", socket)
	if err != nil {
		return err
	}
	return c.Close()
}
