package ask

import (
	"errors"
	"strings"
	"testing"

	"github.com/moby/buildkit/util/grpcerrors"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The numbers of ports and digests look like statuses.
const deceptive = "localhost:40350/acme/shop/deploy@sha256:4034014290"

func TestNextSteps(t *testing.T) {
	for text, want := range map[string]string{
		"unexpected status from HEAD request to http://" + deceptive + ": 401 Unauthorized":                                         "docker login",
		"unexpected status from HEAD request to http://" + deceptive + ": 403 Forbidden\ndenied: no":                                "QUOIT_FIRST=1",
		"unexpected status from HEAD request to http://" + deceptive + ": 429 Too Many Requests":                                    "limits requests",
		"unexpected status from HEAD request to http://" + deceptive + ": 502 Bad Gateway":                                          "in trouble",
		"failed to copy: content at http://" + deceptive + " not found: not found":                                                  "lost a part",
		`failed to do request: Head "http://` + deceptive + `": EOF`:                                                                "the connection broke",
		`failed to do request: Head "http://` + deceptive + `": dial tcp 127.0.0.1:40350: connect: connection refused`:              "check that the registry runs",
		`failed to do request: Head "https://registry.invalid/v2/": dial tcp: lookup registry.invalid on 10.0.0.1:53: no such host`: "check the registry's address",
		"encountered unknown type application/vnd.example.403; children may not be fetched":                                         "this is not an image",
	} {
		got := Explained(errors.New(text)).Error()
		_, step, found := strings.Cut(got, strings.ReplaceAll(text, "\n", ": ")+": ")
		if !found || !strings.Contains(step, want) {
			t.Errorf("%s\nthe step is %q, want one with %q", got, step, want)
		}
	}
}

func TestLookUpErrorsHoldNoCredentials(t *testing.T) {
	for text, want := range map[string]string{
		"unexpected status from GET request to https://blobs.example.com/x?X-Signature=s3cr3t: 403 Forbidden":                        "https://blobs.example.com/x?***",
		"unexpected status from HEAD request to https://x: 403 Forbidden\ndenied: you sent Authorization: Bearer s3cr3t-t0ken, anna": "Bearer ***, anna",
	} {
		if got := Explained(errors.New(text)).Error(); strings.Contains(got, "s3cr3t") || !strings.Contains(got, want) {
			t.Error(got)
		}
	}
}

func TestLookUpErrorsKeepTheirTextOverGRPC(t *testing.T) {
	inner := grpcerrors.FromGRPC(status.Error(codes.NotFound, "no match for platform in manifest: not found"))
	err := LookingUp("registry.example.com/x:1", inner)
	if got := grpcerrors.ToGRPC(t.Context(), err).Error(); !strings.HasSuffix(got, err.Error()) {
		t.Errorf("it arrives as %q, was %q", got, err)
	}
}
