package records_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// memory is a registry: what tags name, and the records by digest.
type memory struct {
	tags    map[string]string // repository:tag → digest
	records map[string]records.Sealed
}

// carry carries out one request of a machine.
func (m memory) carry(r records.Request) records.Response {
	tag := r.Repository + ":" + r.Tag
	switch r.Action {
	case records.Put:
		m.tags[tag] = r.Digest
		if r.Sealed != nil {
			m.records[r.Digest] = *r.Sealed
		}
		return records.Response{}
	case records.List:
		var tags []string
		for _, tag := range slices.Sorted(maps.Keys(m.tags)) {
			if name, log := strings.CutPrefix(tag, records.Repository+":"); log {
				tags = append(tags, name)
			}
		}
		return records.Response{Tags: tags}
	case records.HeadDigest: // this registry has every image
		return records.Response{Found: true, Digest: r.Digest}
	case records.Wait:
		return records.Response{Over: true}
	}
	response := records.Response{Found: m.tags[tag] != "", Digest: m.tags[tag]}
	if sealed, found := m.records[response.Digest]; found && r.Action == records.Get {
		response.Record = &sealed.Record
	}
	return response
}

// append is all that a driver does.
func (m memory) append(id string, operation records.Operation) records.Result {
	machine, err := records.New(records.Options{
		Operation: operation,
		Signature: records.Signature{ID: strings.Repeat(id, 32), Actor: "ann", Time: time.Unix(0, 0).UTC()},
	})
	if err != nil {
		return records.Result{Err: err}
	}
	for {
		requests, more := machine.Next()
		if !more {
			return machine.Result()
		}
		var responses []records.Response
		for _, request := range requests {
			responses = append(responses, m.carry(request))
		}
		machine.Took(responses)
	}
}

// Heads, Tags, Get, Several and Reference make it a [records.Source].
func (m memory) Heads(_ context.Context, tags ...string) ([]string, error) {
	var digests []string
	for _, tag := range tags {
		digests = append(digests, m.tags[records.Repository+":"+tag])
	}
	return digests, nil
}

func (m memory) Tags(context.Context, string) (tags []string, next string, err error) {
	for name := range m.tags {
		if tag, found := strings.CutPrefix(name, records.Repository+":"); found {
			tags = append(tags, tag)
		}
	}
	return tags, "", nil
}

func (m memory) Get(_ context.Context, identifier string) (records.Got, error) {
	digest, tagged := m.tags[records.Repository+":"+identifier]
	if !tagged {
		digest = identifier
	}
	sealed, found := m.records[digest]
	return records.Got{Found: found, Sealed: sealed}, nil
}

func (m memory) Several(n int, f func(i int) error) error {
	for i := range n {
		if err := f(i); err != nil {
			return err
		}
	}
	return nil
}

func (m memory) Reference(identifier string) string { return records.Repository + ":" + identifier }

// A publish of one image, and a ring that gets it too.
func Example() {
	registry := memory{map[string]string{}, map[string]records.Sealed{}}
	shop := records.Place{Root: "deploy", Version: versioning.Version{Minor: 1}, Digest: "sha256:" + strings.Repeat("0", 64)}

	result := registry.append("a", func(newest records.Record) (records.Record, error) {
		record := newest.Following(records.OpPublish)
		record.Images = map[string]records.Image{shop.Root: {Version: shop.Version, Digest: shop.Digest, New: true}}
		record.After["developers"] = shop
		return record, nil
	})
	fmt.Println(result.Outcome, result.Err)

	result = registry.append("b", func(newest records.Record) (records.Record, error) {
		record := newest.Following(records.OpSet)
		record.After["users"] = shop
		return record, nil
	})
	fmt.Println(result.Outcome, result.Err)

	log := records.NewLog(registry)
	newest, err := log.Newest(context.Background())
	if err != nil {
		fmt.Println(err)
	}
	for sealed, err := range log.Back(context.Background(), newest) {
		fmt.Println(sealed.Record.Sequence, sealed.Record.Operation, sealed.Record.Moved(), err)
	}
	fmt.Println("users has", registry.tags["deploy:users"] == shop.Digest)
	// Output:
	// success <nil>
	// success <nil>
	// 2 set [users] <nil>
	// 1 publish [developers] <nil>
	// users has true
}
