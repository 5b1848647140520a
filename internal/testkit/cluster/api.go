package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
)

// apiClient asks the API server, as the administrator, whether it is there.
type apiClient struct {
	http *http.Client
	url  string
}

func newAPIClient(url, pki string) (apiClient, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(pki, "admin.crt"), filepath.Join(pki, "admin.key"))
	if err != nil {
		return apiClient{}, fmt.Errorf("reading the administrator's certificate: %w", err)
	}
	ca, err := os.ReadFile(filepath.Join(pki, "ca.crt"))
	if err != nil {
		return apiClient{}, fmt.Errorf("reading the cluster's certificate: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return apiClient{url: url, http: &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}},
		DisableKeepAlives: true,
	}}}, nil
}

// get is the body of an answer with status 200.
func (a apiClient) get(ctx context.Context, path string) ([]byte, bool) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url+path, nil)
	if err != nil {
		return nil, false
	}
	response, err := a.http.Do(request)
	if err != nil {
		return nil, false
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return body, err == nil && response.StatusCode == http.StatusOK
}

func (a apiClient) ready(ctx context.Context) bool {
	_, ok := a.get(ctx, "/readyz")
	return ok
}

// hasServiceAccount is false while pods cannot be made yet.
func (a apiClient) hasServiceAccount(ctx context.Context) bool {
	_, ok := a.get(ctx, "/api/v1/namespaces/default/serviceaccounts/default")
	return ok
}

func (a apiClient) nodeReady(ctx context.Context) bool {
	body, ok := a.get(ctx, "/api/v1/nodes/"+nodeName)
	if !ok {
		return false
	}
	type condition struct{ Type, Status string }
	var node struct {
		Status struct{ Conditions []condition }
	}
	err := json.Unmarshal(body, &node)
	return err == nil && slices.Contains(node.Status.Conditions, condition{"Ready", "True"})
}
