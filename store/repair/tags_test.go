package repair_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/quoitbuild/quoit/registry/registrytest"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
)

// forgets deletes the tags of records up to a number, as clean-up policies do.
func (s *server) forgets(upTo uint64) {
	for tag := range s.EveryTag()[records.Repository] {
		if name, ok := records.ParseName(tag); ok && name.Sequence > 0 && name.Sequence <= upTo {
			s.loses("records:" + tag)
		}
	}
}

func TestTagsArePutBack(t *testing.T) {
	for name, test := range map[string]struct {
		lose  func(s *server)
		found string // by verify
		want  []string
	}{
		"the oldest records": {
			func(s *server) { s.forgets(3) }, "records:record-00000001: ",
			[]string{"records:record-00000003: the tag of the record was put back to ", "records:record-00000001: "},
		},
		"a record in the middle":                     {func(s *server) { s.loses("records:record-00000004") }, "records:record-00000004: ", []string{"records:record-00000004: "}},
		"the newest record":                          {func(s *server) { s.loses("records:record-00000007") }, "records:record-00000007: ", []string{"records:record-00000007: "}},
		"the hint":                                   {func(s *server) { s.loses("records:records") }, "records:records: ", []string{"records:records: the tag of the hint was put back to "}},
		"the hint and the oldest":                    {func(s *server) { s.loses("records:records"); s.forgets(3) }, "records:records: ", []string{"records:record-00000003: ", "records:records: "}},
		"a version":                                  {func(s *server) { s.loses("api:0.1.0") }, "api:0.1.0: ", []string{"api:0.1.0: the tag of the version was put back to "}},
		"an older version":                           {func(s *server) { s.loses("mail:0.2.0") }, "mail:0.2.0: ", []string{"mail:0.2.0: "}},
		"a version that names another":               {func(s *server) { s.puts("api", "0.1.0") }, "api:0.1.0: ", []string{"api:0.1.0: the tag of the version was put back to "}},
		"a ring":                                     {func(s *server) { s.loses("deploy:testers") }, "", []string{"deploy:testers: the tag of the ring was put back to "}},
		"a ring that names another":                  {func(s *server) { s.puts("deploy", "developers") }, "deploy:developers: ", []string{"deploy:developers: the tag of the ring was put back to "}},
		"a record's tag that names another":          {func(s *server) { s.puts("records", "record-00000003") }, "records:record-00000003: ", []string{"records:record-00000003: "}},
		"the newest record's tag that names another": {func(s *server) { s.puts("records", "record-00000007") }, "records:record-00000007: ", []string{"records:record-00000007: "}},
		"nothing":                                    {func(*server) {}, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.Steps(3)
			whole := s.EveryTag()
			test.lose(s)
			if found := s.finds(); !strings.Contains("\n"+found, "\n"+test.found) || test.found != "" && !strings.Contains(found, "`quoit repair`") {
				t.Errorf("verify finds:\n%s", found)
			}
			done, left := s.repairs(nil)
			lines := strings.Split(done, "\n")
			for _, want := range test.want {
				if len(lines) == 0 || !strings.Contains("\n"+done, "\n"+want) {
					t.Errorf("%s is not among:\n%s", want, done)
				}
			}
			if left != "" || test.want == nil && done != "" {
				t.Errorf("done:\n%s\nleft:\n%s", done, left)
			}
			after := s.EveryTag()
			for image, tags := range whole {
				for tag, digest := range tags {
					if name, ok := records.ParseName(tag); ok && name.Value != "" {
						continue // votes
					}
					if after[image][tag] != digest {
						t.Errorf("%s:%s is %s", image, tag, after[image][tag])
					}
				}
			}
			if found := s.finds(); found != "" {
				t.Errorf("after it verify finds:\n%s", found)
			}
			s.Shift()
			s.Release(storetest.With(storetest.First, storetest.Shop{"mail": 99}), "developers")
		})
	}
}

// puts lets a tag name what nobody of the project has built.
func (s *server) puts(image, tag string) {
	eve := s.Push(image, map[string]string{"whose": "eve's"})
	_, index := s.Do("GET", "/v2/"+storetest.Project+"/"+image+"/manifests/"+eve, "", nil)
	s.Put(image, tag, "application/vnd.oci.image.index.v1+json", index)
}

// What the log does not know, or took back, is nobody's but theirs who pushed it.
func TestOtherTagsAreLeftAlone(t *testing.T) {
	s := newServer(t)
	s.Steps(1)
	s.puts("api", "7.0.0")
	s.puts("deploy", "eve")
	s.puts("web", "latest")
	before := s.EveryTag()
	if done, left := s.repairs(nil); done+left != "" || !equal(before, s.EveryTag()) {
		t.Errorf("done %s left %s", done, left)
	}
}

// With two histories, of which each has votes, nothing can choose.
func TestARepairDoesNotHideAFork(t *testing.T) {
	s := newServer(t)
	s.Steps(2)
	second, third := s.digest("records", "record-00000002"), s.digest("records", "record-00000003")
	_, manifest := s.Do("GET", "/v2/acme/shop/records/manifests/"+third, "", nil)
	s.Put("records", "record-00000002", records.ManifestType, manifest)
	s.Put("records", records.Name{Mark: records.Yes, Sequence: 2, Round: 1, Value: third}.String(), records.ManifestType, manifest)
	_, err := repairOf(s)
	if err == nil || !strings.Contains(err.Error(), "record 2 is "+third) || !strings.Contains(err.Error(), second) {
		t.Error(err)
	}
}

func TestARepairWithoutALog(t *testing.T) {
	s := newServer(t)
	if _, err := repairOf(s); err == nil || !strings.Contains(err.Error(), "there is no log") {
		t.Error(err)
	}
}

// What is said to be put back was.
func TestARepairSaysOnlyWhatItDid(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(s *server)
		left    int
		fails   bool
	}{
		"a ring cannot be written": {func(s *server) { s.dies("PUT deploy developers") }, 0, true},
		"a release is gone": {func(s *server) {
			lost := s.digest("deploy", "testers")
			s.loses("deploy:testers", "deploy:0.1.0")
			s.lacks(lost)
		}, 3, false}, // of the ring and the version, and the other ring
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.Steps(1)
			wanted := s.digest("deploy", "developers")
			s.puts("deploy", "developers")
			test.prepare(s)
			outcome, err := repairOf(s)
			s.SetFault(nil)
			if (err != nil) != test.fails || len(outcome.Done) > 0 || len(outcome.Left) != test.left || s.digest("deploy", "developers") == wanted {
				t.Errorf("%v, done %v, left %v", err, outcome.Done, outcome.Left)
			}
		})
	}
}

// A publish that is not done keeps its writer's right to be taken back.
func TestARepairOfAnUnfinishedPublish(t *testing.T) {
	s := newServer(t)
	s.Steps(1)
	next := s.Next(storetest.With(storetest.First, storetest.Shop{"mail": 7}), "developers")
	planned, _ := next.Plan.Image("mail")
	mail := planned.Version.String()
	s.dies("PUT mail " + mail)
	if _, err := s.Open(nil).Publish(context.Background(), next); err == nil {
		t.Fatal("it lives")
	}
	s.SetFault(nil)
	s.puts("mail", mail)
	eve := s.digest("mail", mail)
	_, err := repairOf(s)
	must(t, err)
	history, err := s.Open(nil).History(context.Background(), 1)
	must(t, err)
	if operation := history[0].Record.Operation; operation != records.OpVoid || s.digest("mail", mail) != eve {
		t.Errorf("the newest record is a %s", operation)
	}
}

// What others write between the requests of a repair is no fork.
func TestOthersWriteWhileARepairLooks(t *testing.T) {
	s := newServer(t)
	s.Steps(2)
	var written atomic.Bool
	s.SetFault(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if registrytest.Line(r) != "GET records list" || !written.CompareAndSwap(false, true) {
			return false
		}
		list := httptest.NewRecorder()
		s.Inner.ServeHTTP(list, r)
		s.Shift()
		s.Release(storetest.With(storetest.First, storetest.Shop{"mail": 7}), "developers")
		maps.Copy(w.Header(), list.Header())
		_, err := w.Write(list.Body.Bytes())
		return err == nil
	})
	outcome, err := repairOf(s)
	if err != nil || len(outcome.Left) > 0 || !written.Load() {
		t.Errorf("left %v, %v", outcome.Left, err)
	}
	if found := s.finds(); found != "" {
		t.Errorf("verify finds:\n%s", found)
	}
}
