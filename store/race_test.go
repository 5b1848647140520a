package store_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/quoitbuild/quoit/internal/dose"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/storetest"
	"github.com/quoitbuild/quoit/versioning"
)

// race is two publishers who publish from the same state at the same time, over
// and over, and somebody who pushes past the log now and then.
type race struct {
	*server
	sources storetest.Shop
	rounds  int
	foreign map[string]string // image:version → digest, of what others pushed

	first map[string]string // image:version → the first digest that Quoit wrote
}

func TestTwoPublishersRacing(t *testing.T) {
	t.Parallel()
	raceOn(newServer(t), dose.Of(24, 200, 200))
}

func raceOn(s *server, rounds int) {
	t := s.T
	r := &race{server: s, sources: storetest.First, rounds: rounds, foreign: map[string]string{}, first: map[string]string{}}
	r.Release(storetest.First, "developers")
	for round := range rounds {
		rings := [2]string{"developers", "developers"}
		if round%4 == 3 {
			rings[1] = "testers"
		}
		r.round(round, rings)
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	r.Whole()
	r.chain()
}

// round lets both publish, and then those again who lost.
func (r *race) round(round int, rings [2]string) {
	changes := [2]storetest.Shop{storetest.With(r.sources, storetest.Shop{"mail": 2*round + 2}), storetest.With(r.sources, storetest.Shop{"mail": 2*round + 3, "web": round + 2})}
	var publications [2]store.Publication
	for i := range changes {
		publications[i] = r.Next(changes[i], rings[i])
	}
	r.disturb(round, publications[0])
	var errs [2]error
	var group sync.WaitGroup
	for i := range publications {
		group.Go(func() {
			_, errs[i] = r.Open(nil).Publish(context.Background(), publications[i])
		})
	}
	group.Wait()
	r.SetFault(nil)
	for i, err := range errs {
		r.expected(err)
		for tries := 0; err != nil && tries < 5; tries++ {
			_, err = r.Open(nil).Publish(context.Background(), r.Next(changes[i], rings[i]))
		}
		must(r.T, err)
	}
	r.sources = changes[1]
	if round%10 == 9 {
		r.once()
	}
}

// disturb pushes a version in every tenth round, right before its record is decided.
func (r *race) disturb(round int, publication store.Publication) {
	if round%10 != 9 {
		return
	}
	mail, _ := publication.Plan.Image("mail")
	digest := r.Push("mail", map[string]string{"whose": fmt.Sprint("another's ", round)})
	var once sync.Once
	r.SetFault(func(_ int, _ http.ResponseWriter, request *http.Request) bool {
		name, ok := records.ParseName(request.URL.Path[strings.LastIndex(request.URL.Path, "/")+1:])
		if request.Method == http.MethodPut && ok && name.Mark == records.Decided {
			once.Do(func() {
				_, index := r.Do("GET", "/v2/"+storetest.Project+"/mail/manifests/"+digest, "", nil)
				if r.Tags()["mail"][mail.Version.String()] == "" {
					r.Put("mail", mail.Version.String(), registry.IndexType, index)
					r.foreign["mail:"+mail.Version.String()] = digest
				}
			})
		}
		return false
	})
}

func (r *race) expected(err error) {
	var moved *store.MovedError
	var taken *store.TakenError
	var parent *store.ParentError
	if err != nil && !errors.As(err, &moved) && !errors.As(err, &taken) && !errors.As(err, &parent) {
		r.T.Errorf("error %v", err)
	}
}

// once checks that no version has got a second content.
func (r *race) once() {
	for image, tags := range r.Tags() {
		for tag, digest := range tags {
			if _, err := versioning.Parse(tag); err != nil {
				continue
			}
			key := image + ":" + tag
			if before, found := r.first[key]; found && before != digest {
				r.T.Errorf("%s was %s and is %s", key, before, digest)
			}
			r.first[key] = digest
		}
	}
}

// chain checks that the log is whole, and no version is in it with two contents
// unless one of the records was taken back.
func (r *race) chain() {
	tags, images := r.EveryTag()[records.Repository], r.Tags()
	void, assigned := map[uint64]bool{}, map[records.Content]uint64{}
	var all []records.Record
	for sequence := uint64(1); ; sequence++ {
		digest, found := tags[records.Name{Sequence: sequence}.String()]
		if !found {
			break
		}
		record := r.Record(digest)
		all = append(all, record)
		if record.Operation == records.OpVoid {
			void[record.Of] = true
		}
		if parent := tags[records.Name{Sequence: sequence - 1}.String()]; record.Parent != parent || record.Sequence != sequence {
			r.T.Errorf("record %d has parent %s", sequence, record.Parent)
		}
	}
	for _, record := range all {
		for _, version := range record.Versions() {
			key := records.Content{Repository: version.Repository, Tag: version.Tag}
			if before := assigned[key]; before > 0 {
				r.T.Errorf("%s:%s is in records %d and %d", version.Repository, version.Tag, before, record.Sequence)
			}
			assigned[key] = record.Sequence
			if got := images[version.Repository][version.Tag]; got != version.Digest && !(void[record.Sequence] && got == r.foreign[version.Repository+":"+version.Tag]) {
				r.T.Errorf("%s:%s is %s, record %d says %s", version.Repository, version.Tag, got, record.Sequence, version.Digest)
			}
		}
	}
	if len(all) < 2*r.rounds || len(void) == 0 {
		r.T.Errorf("%d records, %d void", len(all), len(void))
	}
}
