package verify

import (
	"context"
	"errors"
	"slices"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store/records"
)

// read reads the whole log, and what the tags name that follow it.
func (v *verifier) read(ctx context.Context) error {
	log := v.repository(records.Repository)
	tags, err := registry.AllTags(ctx, log)
	if err != nil {
		return err
	}
	if hint := string(records.Hint); len(tags) > 0 && !slices.Contains(tags, hint) {
		tags = append(tags, hint) // it may not be listed yet
	}
	v.log = records.Snapshot{
		Tags: map[string]string{}, Records: map[string]records.Record{}, Errors: map[string]error{}, Images: map[records.Content]string{}, Lost: map[records.Content]bool{},
	}
	v.digests = map[records.Content]string{}
	err = v.all(len(tags), func(i int) (func(), error) {
		digest, found, err := log.Head(ctx, tags[i])
		return func() {
			if found {
				v.log.Tags[tags[i]] = digest
			}
		}, err
	})
	if err != nil {
		return err
	}
	if err := v.mirror(ctx); err != nil {
		return err
	}
	if err := v.open(ctx); err != nil {
		return err
	}
	if err := v.untagged(ctx); err != nil {
		return err
	}
	return v.follow(ctx)
}

// all calls a function for 0 … n-1, several at a time, and what it returns one
// at a time.
func (v *verifier) all(n int, f func(i int) (note func(), err error)) error {
	return v.pace.Each(n, func(i int) error {
		note, err := f(i)
		if err == nil && note != nil {
			v.mu.Lock()
			defer v.mu.Unlock()
			note()
		}
		return err
	})
}

// open reads the decided records, and what the hint and the marks of a mirror's rings name.
func (v *verifier) open(ctx context.Context) error {
	var decided []string
	for tag := range v.log.Tags {
		if name, ok := records.ParseName(tag); ok && (name.Mark == records.Decided || name.Mark == records.Hint || name.Mark == records.Ring && v.log.Mirror) {
			decided = append(decided, tag)
		}
	}
	err := v.all(len(decided), func(i int) (func(), error) { return v.record(ctx, decided[i], v.log.Tags[decided[i]]) })
	hint := v.log.Records[v.log.Tags[string(records.Hint)]]
	tag := records.Name{Sequence: hint.Sequence}.String()
	if _, listed := v.log.Tags[tag]; err != nil || listed || hint.Sequence == 0 {
		return err
	}
	digest, found, err := v.repository(records.Repository).Head(ctx, tag) // it may have come meanwhile
	if found {
		v.log.Tags[tag] = digest
	}
	return err
}

// record reads a record by its tag or digest.
func (v *verifier) record(ctx context.Context, identifier, digest string) (note func(), err error) {
	got, err := v.source.Get(ctx, identifier)
	err, broken := contents(err)
	return func() {
		if got.Found && got.Broken == nil {
			v.log.Records[digest] = got.Record
			return
		}
		if v.log.Errors[digest] = errors.Join(got.Broken, broken); v.log.Errors[digest] == nil {
			v.log.Errors[digest] = errors.New("it is gone")
		}
	}, err
}

// untagged reads the records whose tags are gone, or name something else: later ones
// have their digests.
func (v *verifier) untagged(ctx context.Context) error {
	for {
		chain, lacks := v.log.Chain()
		for _, digest := range chain {
			if record := v.log.Records[digest]; record.Sequence > v.newest.Sequence {
				v.newest = record
			}
		}
		if lacks == 0 {
			return nil
		}
		for digest := chain[lacks]; digest != ""; digest = v.log.Records[digest].Parent {
			if v.log.Records[digest].Sequence > 0 || v.log.Errors[digest] != nil {
				break
			}
			note, err := v.record(ctx, digest, digest)
			if err != nil {
				return err
			}
			note()
		}
	}
}

// contents tells errors of the registry from what is wrong with its contents.
func contents(err error) (failure, broken error) {
	if registry.Broken(err) {
		return nil, err
	}
	return err, nil
}

// follow looks what version and ring tags name, and whether what they should name is there.
// Contents that a record took back and a later one assigned differ, and the later one
// counts. At a mirror, a version that is not there was not copied.
func (v *verifier) follow(ctx context.Context) error {
	var tags []records.Content
	known := map[records.Content]bool{}
	for _, record := range v.log.Records {
		for _, tag := range record.Versions() {
			if !known[tag] {
				known[tag] = true
				tags = append(tags, tag)
			}
		}
		for name, image := range record.Images {
			v.digests[records.Content{Repository: name, Tag: image.Version.String()}] = image.Digest
		}
	}
	if v.report.Mirror == "" {
		for ring := range v.newest.After {
			tag := records.TagOf(v.newest.After, ring)
			v.ringTags[records.Content{Repository: tag.Repository, Tag: ring}] = true
			tags = append(tags, tag)
		}
	}
	return v.all(len(tags), func(i int) (func(), error) {
		tag, lost := tags[i], false
		digest, _, err := v.repository(tag.Repository).Head(ctx, tag.Tag)
		if err == nil && digest != tag.Digest && !records.IsTombstone(digest) && !records.IsNothing(tag.Digest) {
			found := false
			_, found, err = v.repository(tag.Repository).Head(ctx, tag.Digest)
			lost = !found
		}
		return func() {
			if digest != "" || v.report.Mirror == "" {
				v.log.Images[records.Content{Repository: tag.Repository, Tag: tag.Tag}] = digest
			}
			if lost {
				v.log.Lost[tag] = true
			}
		}, err
	})
}
