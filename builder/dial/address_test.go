package dial

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/buildkit/client/connhelper"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// authority makes certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) authority {
	a := authority{t: t}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert, a.key, a.pem = a.sign(template, nil, nil)
	return a
}

// sign makes a certificate of a template; without a parent it signs itself.
func (a authority) sign(template, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, []byte) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// pair is a certificate with its key, for a host.
func (a authority) pair(host string) (cert, key []byte) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	_, private, cert := a.sign(template, a.cert, a.key)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// server is the configuration of one that wants clients of this authority.
func (a authority) server(host string) *tls.Config {
	a.t.Helper()
	pair, err := tls.X509KeyPair(a.pair(host))
	if err != nil {
		a.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
}

// folder has files with a client's certificates.
func (a authority) folder(ca, cert, key string) string {
	a.t.Helper()
	dir := a.t.TempDir()
	c, k := a.pair("client")
	for name, data := range map[string][]byte{ca: a.pem, cert: c, key: k} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	return dir
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestABuildKitIsReachedWithCertificates(t *testing.T) {
	install(t, world{})
	a := newAuthority(t)
	l := listen(t)
	serve(t, "secure", l, grpc.Creds(credentials.NewTLS(a.server("buildkit.example.com"))))
	dir, other := a.folder("ca.pem", "cert.pem", "key.pem"), a.folder("ca.crt", "tls.crt", "tls.key")
	ca, cert, key := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	const server = "buildkit.example.com"
	for name, test := range map[string]struct {
		tls   TLS
		wrong string
	}{
		"by files":                 {tls: TLS{ServerName: server, CACert: ca, Cert: cert, Key: key}},
		"by a folder":              {tls: TLS{ServerName: server, Dir: dir}},
		"by a folder of a Secret":  {tls: TLS{ServerName: server, Dir: other}},
		"under another name":       {tls: TLS{CACert: ca, Cert: cert, Key: key}, wrong: "127.0.0.1"},
		"without a client's":       {tls: TLS{ServerName: server, CACert: ca}, wrong: "BuildKit does not answer at tcp://"},
		"of an unknown authority":  {tls: TLS{ServerName: server, Cert: cert, Key: key}, wrong: "certificate"},
		"without any":              {wrong: "BuildKit does not answer at tcp://"},
		"of an empty folder":       {tls: TLS{Dir: t.TempDir()}, wrong: "has neither ca.pem nor ca.crt"},
		"of files that are no PEM": {tls: TLS{ServerName: server, CACert: os.Args[0]}, wrong: "connecting to BuildKit at tcp://"},
	} {
		t.Run(name, func(t *testing.T) {
			_, behind, err := reached(t, Options{Address: "tcp://" + l.Addr().String(), TLS: test.tls})
			if test.wrong == "" && (err != nil || behind != "secure") || test.wrong != "" && (err == nil || !strings.Contains(err.Error(), test.wrong)) {
				t.Errorf("%s, error %v", behind, err)
			}
		})
	}
}

// TestEveryWayOfBuildKitsOwnClientIsKnown: but for npipe, which is Windows'.
func TestEveryWayOfBuildKitsOwnClientIsKnown(t *testing.T) {
	for _, address := range []string{
		"docker-container://x", "podman-container://x", "nerdctl-container://x", "kube-pod://x", "ssh://x",
	} {
		if helper, err := connhelper.GetConnectionHelper(address); helper == nil || err != nil {
			t.Errorf("%s: error %v", address, err)
		}
	}
	if _, err := connhelper.GetConnectionHelper("npipe:////./pipe/x"); err != nil && !strings.Contains(err.Error(), "windows") {
		t.Error(err)
	}
}

func TestOptionsThatRuleOneAnotherOut(t *testing.T) {
	for name, o := range map[string]Options{
		"builder": {Address: "tcp://x", Builder: "y"},
		"tlsdir":  {TLS: TLS{Dir: "x", CACert: "y"}},
		"tlskey":  {TLS: TLS{Cert: "x"}},
		"tlscert": {TLS: TLS{Key: "x"}},
	} {
		if flag, err := o.Check(); err == nil || flag != name {
			t.Errorf("%s: flag %q, error %v", name, flag, err)
		}
	}
	if flag, err := (Options{Builder: "x", TLS: TLS{Dir: "x"}}).Check(); err == nil || flag != "builder" {
		t.Errorf("flag %q, error %v", flag, err)
	}
	if flag, err := (Options{Address: "tcp://x", TLS: TLS{ServerName: "x", CACert: "x", Cert: "x", Key: "x"}}).Check(); err != nil || flag != "" {
		t.Errorf("flag %q, error %v", flag, err)
	}
}

// TestTheEngineOfAContextIsReached: of docker context use, and of variables, with
// certificates.
func TestTheEngineOfAContextIsReached(t *testing.T) {
	a := newAuthority(t)
	l := listen(t)
	dockerd(t, "secure", l, func(s *http.Server) { s.TLSConfig = a.server("127.0.0.1") })
	host := "tcp://" + l.Addr().String()
	dir := a.folder("ca.pem", "cert.pem", "key.pem")

	install(t, world{})
	t.Setenv("DOCKER_HOST", host)
	if _, _, err := reached(t, Options{}); err == nil {
		t.Error("without certificates it is reached")
	}
	t.Setenv("DOCKER_CERT_PATH", dir)
	t.Setenv("DOCKER_TLS", "1")
	if who, behind, err := reached(t, Options{}); err != nil || behind != "secure" || who != "the Docker Engine at "+host {
		t.Errorf("%s > %s, error %v", who, behind, err)
	}
	t.Setenv("DOCKER_TLS_VERIFY", "1")
	if _, _, err := reached(t, Options{}); err == nil || !strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("the server's certificate has another name: error %v", err)
	}

	install(t, world{})
	config := os.Getenv("DOCKER_CONFIG")
	writeContext(t, config, "far", host, dir)
	write(t, filepath.Join(config, "config.json"), []byte(`{"currentContext":"far"}`))
	for range 2 {
		if who, behind, err := reached(t, Options{}); err != nil || behind != "secure" || who != "the Docker Engine of the docker context far at "+host {
			t.Errorf("%s > %s, error %v", who, behind, err)
		}
		write(t, filepath.Join(config, "config.json"), []byte(`{"currentContext":"other"}`))
		t.Setenv("DOCKER_CONTEXT", "far")
	}
	t.Setenv("DOCKER_CONTEXT", "")
	if _, _, err := reached(t, Options{}); err == nil || !strings.Contains(err.Error(), "the Docker Engine of the docker context other cannot be used: ") {
		t.Errorf("a context that there is not: error %v", err)
	}
}

func write(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeContext writes a docker context as docker context create does.
func writeContext(t *testing.T, config, name, host, certificates string) {
	t.Helper()
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte(name)))
	meta, err := json.Marshal(map[string]any{"Name": name, "Metadata": map[string]any{}, "Endpoints": map[string]any{
		"docker": map[string]any{"Host": host, "SkipTLSVerify": true}}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(config, "contexts", "meta", hash, "meta.json"), meta)
	for _, file := range []string{"ca.pem", "cert.pem", "key.pem"} {
		data, err := os.ReadFile(filepath.Join(certificates, file))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(config, "contexts", "tls", hash, "docker", file), data)
	}
}
