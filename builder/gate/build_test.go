package gate

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"

	"github.com/quoitbuild/quoit/internal/gatewaytest"
)

// TestAGateIsLookedUpAndSolved: once, whatever there is to be read of it.
func TestAGateIsLookedUpAndSolved(t *testing.T) {
	tasks, err := tasksOf(gated(t, "{image: smoke}"), Skip{}, []Release{someRelease("users")})
	if err != nil {
		t.Fatal(err)
	}
	gate := tasks[0]
	var image dockerspec.DockerOCIImage
	image.Config.Cmd = []string{"/smoke"}
	config, err := json.Marshal(image)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, config, want string
		fail               error
	}{
		{"an image that runs", string(config), "", nil},
		{"an image that runs nothing", "{}", "no entrypoint and no command", nil},
		{"an image that is broken", "[", "reading the config of " + gate.reference, nil},
		{"an image that is gone", "{}", "reading " + gate.reference + ": gone", errors.New("gone")},
	} {
		t.Run(test.name, func(t *testing.T) {
			gw := gatewaytest.New()
			gw.Push(gate.reference, []byte(test.config))
			gw.Fail = func(string) error { return test.fail }
			_, err := gate.build(t.Context(), gw)
			if test.want == "" && (err != nil || len(gw.Solved()) != 1) {
				t.Errorf("%v, %d are solved", err, len(gw.Solved()))
			}
			if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
	if _, err := defaultPlatform([]gateway.WorkerInfo{{}}); err == nil {
		t.Error("a BuildKit without platforms has one")
	}
}

func TestErrorsNameTheGate(t *testing.T) {
	cause := errors.New("exit code 3")
	failed := &Error{Ring: "users", Image: "smoke 1.4.2", Problem: "failed with exit code 3", Output: []string{"not shown"}, err: cause}
	if failed.Error() != "gate of ring users: smoke 1.4.2 failed with exit code 3" || !errors.Is(failed, cause) {
		t.Error(failed)
	}
	if secret := (&SecretError{"users", cause}); secret.Error() != "gate of ring users: exit code 3" || !errors.Is(secret, cause) {
		t.Error(secret)
	}
}
