package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
)

// loses lets the registry lose a manifest or tag.
func (s *shop) loses(image, identifier string) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodDelete, "http://"+s.host+"/v2/acme/shop/"+image+"/manifests/"+identifier, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusAccepted {
		s.t.Fatalf("deleting %s of %s: %s", identifier, image, response.Status)
	}
}

// recordTags are the tags of the log for records up to a number, and the digest of one.
func (s *shop) recordTags(upTo uint64) (tags []string, digests map[uint64]string) {
	s.t.Helper()
	p, err := store.Open(s.host, "acme/shop", registry.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	log := p.Namespace().Repository(records.Repository)
	all, err := registry.AllTags(s.t.Context(), log)
	if err != nil {
		s.t.Fatal(err)
	}
	digests = map[uint64]string{}
	for _, tag := range all {
		name, ok := records.ParseName(tag)
		if !ok || name.Sequence == 0 || name.Sequence > upTo {
			continue
		}
		tags = append(tags, tag)
		if name.Mark == records.Decided {
			if digests[name.Sequence], _, err = log.Head(s.t.Context(), tag); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	return tags, digests
}

// advice are the commands in what a command says; COPY stands for a copy.
func advice(text, copied string) (commands [][]string) {
	for _, found := range regexp.MustCompile("`quoit ([a-z][^`]*)`").FindAllStringSubmatch(text, -1) {
		args := strings.Fields(strings.ReplaceAll(found[1], "COPY", copied))
		if !slices.ContainsFunc(commands, func(known []string) bool { return slices.Equal(known, args) }) {
			commands = append(commands, args)
		}
	}
	return commands
}

// mends checks that verify finds something, and nothing after the commands that it names.
func (s *shop) mends(copied string) {
	s.t.Helper()
	found := s.quoit("verify")
	if found.code != exitFailed {
		s.t.Errorf("verify: exit code %d\n%s%s", found.code, found.out, found.err)
	}
	commands := advice(found.out, copied)
	for _, command := range commands {
		s.quoit(command...)
	}
	if again := s.quoit("verify"); again.code != 0 || len(commands) == 0 {
		s.t.Errorf("after %v verify finds:\n%s%s\nbefore:\n%s", commands, again.out, again.err, found.out)
	}
}

// A clean-up policy of the registry deletes the oldest tags of the log.
func TestARegistryThatForgets(t *testing.T) {
	for _, hint := range []bool{false, true} {
		t.Run(fmt.Sprint("the hint too: ", hint), func(t *testing.T) {
			s := newShop(t, "")
			for n := range 3 {
				s.publish("developers", fmt.Sprint("release ", n))
				s.does("shift")
			}
			tags, _ := s.recordTags(3)
			for _, tag := range tags {
				s.loses(records.Repository, tag)
			}
			if hint {
				s.loses(records.Repository, "records")
			}
			s.publish("developers", "another")
			s.does("shift")
			s.does("unshift", "testers")
			s.does("set", "testers", "0.1.0", "--discard", "testers")
			s.does("unhold", "testers")
			s.does("hold", "users", "--reason", "a pause")
			s.does("status")
			s.does("prune", "--dry-run")
			s.does("copy", "testers", filepath.Join(t.TempDir(), "media"))
			s.says([]string{"history"}, "\n1 ")
			s.mends("")
			s.does("shift")
		})
	}
}

// Records that are gone themselves are gaps, and nothing but a copy has them.
func TestARegistryThatLosesRecords(t *testing.T) {
	s := newShop(t, "")
	for n := range 3 {
		s.publish("developers", fmt.Sprint("release ", n))
		s.does("shift")
	}
	media := filepath.Join(t.TempDir(), "media")
	s.does("copy", "developers", media)
	tags, digests := s.recordTags(2)
	s.loses(records.Repository, digests[2]) // a shift: who reads what rings have needs their publishes
	for _, tag := range tags {
		if !strings.HasPrefix(tag, "record-00000001") {
			s.loses(records.Repository, tag)
		}
	}
	s.publish("developers", "another")
	s.does("shift")
	s.says([]string{"history"}, "\n2 ", "`quoit repair --from COPY` takes it from a copy", "\n1 ")
	var history struct{ Gaps []historyGap }
	s.reads(&history, "history")
	if want := []historyGap{{2, 2, "quoit repair --from COPY"}}; !slices.Equal(history.Gaps, want) {
		t.Errorf("gaps %v", history.Gaps)
	}
	s.says([]string{"copy", "developers", filepath.Join(t.TempDir(), "media")}, "record 2 of the log is gone")
	s.mends(media)
	history.Gaps = nil
	if s.reads(&history, "history"); len(history.Gaps) > 0 {
		t.Errorf("gaps %v", history.Gaps)
	}
	s.says([]string{"repair"}, "acme/shop has nothing to put back")
}

// A clean-up of what has no tag takes parts of images.
func TestWhatIsLostIsTakenFromACopy(t *testing.T) {
	s := newShop(t, "")
	s.publish("developers", "first")
	media := filepath.Join(t.TempDir(), "media")
	s.does("copy", "developers", media)
	var history struct {
		Records []struct {
			Images map[string]historyImage
		}
	}
	s.reads(&history, "history")
	lost := history.Records[0].Images["api"]
	if lost.Version != "0.1.0" || !lost.New {
		t.Errorf("history says %+v", history.Records[0].Images)
	}
	s.loses("api", lost.Digest)
	s.fails(exitFailed, []string{"copy", "--from", media, "developers", s.host}, "to bring back what it has lost run `quoit repair --from COPY`, where COPY is "+media)
	s.fails(exitFailed, []string{"repair", "--from", s.host}, "are the same")
	s.says([]string{"repair", "--dry-run", "--from", media}, "api@"+lost.Digest+": the manifest was taken from oci:"+media, "would be put back")
	s.mends(media)
}
