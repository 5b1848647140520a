package proxy

import "testing"

func TestRequestRepository(t *testing.T) {
	for path, want := range map[string][2]string{
		"/v2/":                                {"", ""},
		"/v2/a/manifests/latest":              {"a", "manifests"},
		"/v2/a/b/blobs/sha256:00":             {"a/b", "blobs"},
		"/v2/a/blobs/uploads/":                {"a", "uploads"},
		"/v2/a/tags/list":                     {"a", "tags"},
		"/v2/blobs/manifests/referrers/s:0":   {"blobs/manifests", "referrers"},
		"/v2/manifests/tags/manifests/latest": {"manifests/tags", "manifests"},
	} {
		r := Request{Path: path}
		if got := [2]string{r.Repository(), r.Kind()}; got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
