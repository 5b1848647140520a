package stack

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/internal/testkit/proxy"
)

func TestParseLog(t *testing.T) {
	log := `127.0.0.1 - - [20/Nov/2026:08:56:16 +0000] "HEAD /v2/shop/web/manifests/1.0.0?ns=docker.io HTTP/1.1" 404 95 "" "buildkit/v0.33"
127.0.0.1 - - [20/Nov/2026:08:56:17 +0000] "GET /v2/?mark=1.1 HTTP/1.1" 200 2 "" "quoit-mark"
127.0.0.1 - - [20/Nov/2026:08:56:17 +0000] "PATCH /v2/shop/blobs/uploads/7d5?_state=x HTTP/1.1" 202 0 "" "go"
`
	got, err := parseLog([]byte(log))
	if err != nil {
		t.Fatal(err)
	}
	want := []proxy.Request{
		{Time: time.Date(2026, 11, 20, 8, 56, 16, 0, time.UTC), Method: "HEAD", Path: "/v2/shop/web/manifests/1.0.0",
			Query: "ns=docker.io", Status: 404, Bytes: 95, UserAgent: "buildkit/v0.33"},
		{Time: time.Date(2026, 11, 20, 8, 56, 17, 0, time.UTC), Method: "PATCH", Path: "/v2/shop/blobs/uploads/7d5",
			Query: "_state=x", Status: 202, UserAgent: "go"},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(time.Time.Equal)); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"HEAD manifests": 1, "PATCH uploads": 1}, proxy.CountRequests(got)); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if _, err := parseLog([]byte("half a line")); err == nil {
		t.Error("half a line is no error")
	}
}
