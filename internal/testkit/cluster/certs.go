package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const nodeName = "localhost"

// authority makes the certificates of one cluster, as files NAME.crt and
// NAME.key in a folder.
type authority struct {
	dir    string
	key    *ecdsa.PrivateKey
	cert   *x509.Certificate
	serial int64
}

func newAuthority(dir string) (*authority, error) {
	a := &authority{dir: dir}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "quoit-test"},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	var err error
	a.key, err = a.write("ca", template)
	a.cert = template
	return a, err
}

// issue writes a certificate for clients, and for servers at the addresses.
func (a *authority) issue(name string, subject pkix.Name, addresses ...string) error {
	template := &x509.Certificate{
		Subject:     subject,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	for _, address := range addresses {
		if ip := net.ParseIP(address); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, address)
		}
	}
	_, err := a.write(name, template)
	return err
}

// write makes a key and lets the authority sign its certificate; the first
// one, the authority's own, signs itself.
func (a *authority) write(name string, template *x509.Certificate) (*ecdsa.PrivateKey, error) {
	key, err := a.writeKey(name)
	if err != nil {
		return nil, err
	}
	a.serial++
	template.SerialNumber = big.NewInt(a.serial)
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = template.NotBefore.AddDate(1, 0, 0)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, fmt.Errorf("making the certificate %s: %w", name, err)
	}
	return key, a.writePEM(name+".crt", "CERTIFICATE", der)
}

// writeKey writes NAME.key, and its public part as NAME.pub.
func (a *authority) writeKey(name string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the key %s: %w", name, err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("making the key %s: %w", name, err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("making the key %s: %w", name, err)
	}
	if err := a.writePEM(name+".key", "EC PRIVATE KEY", private); err != nil {
		return nil, err
	}
	return key, a.writePEM(name+".pub", "PUBLIC KEY", public)
}

func (a *authority) writePEM(file, kind string, der []byte) error {
	return os.WriteFile(filepath.Join(a.dir, file), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// writeKubeconfig writes the configuration of a client with the named
// certificate; all of it is in the file.
func (a *authority) writeKubeconfig(file, api, name string) error {
	data := map[string]string{}
	for _, part := range []string{"ca.crt", name + ".crt", name + ".key"} {
		content, err := os.ReadFile(filepath.Join(a.dir, part))
		if err != nil {
			return err
		}
		data[part] = base64.StdEncoding.EncodeToString(content)
	}
	type object = map[string]any
	content, err := json.MarshalIndent(object{
		"apiVersion": "v1", "kind": "Config", "current-context": "quoit",
		"clusters": []object{{"name": "quoit", "cluster": object{"server": api, "certificate-authority-data": data["ca.crt"]}}},
		"users": []object{{"name": name, "user": object{
			"client-certificate-data": data[name+".crt"], "client-key-data": data[name+".key"],
		}}},
		"contexts": []object{{"name": "quoit", "context": object{"cluster": "quoit", "user": name}}},
	}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o600)
}
