package store

import (
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"testing"
)

// realServer is a server whose contents are in a real registry.
func realServer(t *testing.T) *server {
	t.Helper()
	return serve(t, behind(realRegistry(t)))
}

// behind hands requests on to a registry.
func behind(host string) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: host})
			r.Out.Host = r.In.Host // the registry makes its Location headers of it
		},
		Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 32},
		ErrorLog:  log.New(io.Discard, "", 0), // clients that die break connections
	}
}
