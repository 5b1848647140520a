package main

import (
	"cmp"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// forge lets a ring's tag name what a version names, or, for "", an image that is not of
// the project.
func (s *shop) forge(ring, version string) {
	s.t.Helper()
	image := empty.Image
	from, err := name.NewTag(s.host + "/acme/shop/deploy:" + cmp.Or(version, ring))
	if err == nil && version != "" {
		image, err = remote.Image(from)
	}
	to := from.Context().Tag(ring)
	if err == nil {
		err = remote.Write(to, image)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestAllCommandsGoByTheLog: whatever a ring's tag names, every command tells the same
// story, in the same words.
func TestAllCommandsGoByTheLog(t *testing.T) {
	for name, from := range map[string]string{"an older release": "0.1.0", "nothing of the project": ""} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, shopSites)
			s.publish("developers", "one")
			s.does("shift", "--to", "testers")
			s.does("set", "users", "0.1.0")
			s.publish("developers", "two")
			s.does("set", "users", "0.2.0", "--discard", "users")
			before, rights := s.holds(), s.does("bootstrap", "eu")
			s.forge("users", from)

			_, said, found := strings.Cut(s.does("status"), s.host)
			said = s.host + strings.TrimSpace(said)
			if !found || !strings.Contains(said, "/acme/shop/deploy:users: it is sha256:") || !strings.Contains(said, ", and ring users has 0.2.0 by the log, sha256:") ||
				!strings.Contains(said, ", moved by ann at ") {
				t.Errorf("status says %q", said)
			}
			if now := s.holds(); now != before {
				t.Errorf("the rings have %s, not %s", now, before)
			}
			if now := s.does("bootstrap", "eu"); now != rights {
				t.Errorf("bootstrap goes by the tag:\n%s", now)
			}
			if a := s.quoit("verify"); a.code != 1 || strings.Count(a.out, "deploy:users: ") != 1 || !strings.Contains(a.out, said) {
				t.Errorf("verify says, with exit code %d, %s", a.code, a.out)
			}
			s.fails(1, []string{"shift", "--dry-run"}, said)
			s.fails(1, []string{"shift"}, said)
			s.fails(1, []string{"set", "users", "0.1.0", "--discard", "users"}, said)
			if now := s.holds(); now != before {
				t.Errorf("the rings have %s, not %s", now, before)
			}
		})
	}
}

// TestTagsThatTheLogDoesNotKnow: they are named, and give the ring nothing.
func TestTagsThatTheLogDoesNotKnow(t *testing.T) {
	s := newShop(t, shopSites)
	s.publish("developers", "one")
	s.forge("users", "0.1.0")
	s.says([]string{"status"}, "/acme/shop/deploy:users: it is sha256:", "ring users has nothing by the log: ", "`quoit take-over users`")
	if a := s.quoit("verify"); a.code != 1 || !strings.Contains(a.out, "`quoit take-over users`") {
		t.Errorf("verify says, with exit code %d, %s", a.code, a.out)
	}
	s.fails(1, []string{"bootstrap", "eu"}, "ring users has no release", "`quoit take-over users`")
	if got := s.holds(); got != "- 0.1.0 - - -" {
		t.Errorf("the rings have %s", got)
	}
}
