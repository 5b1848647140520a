package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/whole"
	"github.com/quoitbuild/quoit/versioning"
)

const (
	nextCopy   = "run `quoit repair --from COPY`, which takes it from a copy"
	nextBuild  = nextCopy + ", or build it again with --rebuild"
	nextRepair = "run `quoit repair`, which puts it back"
	nextMark   = "copy the ring again, or put it back with `quoit repair --from COPY`"
)

// ring checks the release that the log says is in a ring.
func (v *verifier) ring(ctx context.Context, ring string) error {
	place := v.rings[ring]
	if place.Digest == "" {
		return nil
	}
	v.report.Rings = append(v.report.Rings, ring)
	return v.release(ctx, place, "ring "+ring)
}

// release checks one that something holds, by the log.
func (v *verifier) release(ctx context.Context, place records.Place, holder string) error {
	root := v.repository(place.Root)
	top, err := v.image(ctx, root, place.Digest)
	if err != nil || top == nil {
		return err
	}
	release, err := store.ReleaseOf(ctx, root, *top)
	if failure, broken := contents(err); failure != nil && isRequest(failure) {
		return failure
	} else if err != nil {
		v.find(root.Reference(place.Digest), fmt.Sprintf("its release cannot be read: %v", errors.Join(failure, broken)), v.nextLost())
		return nil
	}
	if release.Version() != place.Version {
		v.find(root.Reference(place.Digest), fmt.Sprintf("its label says release %s, the log says that %s has %s", release.Version(), holder, place.Version), "somebody forged the label: build again with --rebuild "+place.Root)
	}
	if err := v.externals(ctx, release); err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(release.Images))
	return v.pace.Each(len(names), func(i int) error { return v.member(ctx, release, names[i], place) })
}

// nextLost says what to do about an image that is not whole. Nobody builds for a mirror.
func (v *verifier) nextLost() string {
	if v.report.Mirror != "" {
		return nextCopy
	}
	return nextBuild
}

func isRequest(err error) bool {
	var failed *registry.RequestError
	return errors.As(err, &failed)
}

// image reads a manifest and looks whether all that it consists of is there; nil if it is
// not there itself.
func (v *verifier) image(ctx context.Context, repository registry.Repository, digest string) (*registry.Manifest, error) {
	reference, first := repository.Reference(digest), false
	v.noted(func() { first, v.seen[reference] = !v.seen[reference], true })
	var lost []whole.Part
	if first {
		var err error
		if lost, err = whole.Lost(ctx, repository, nil, digest); err != nil {
			return nil, err
		}
	}
	gone := false
	v.noted(func() {
		for _, part := range lost {
			gone = gone || part.Digest == digest
			v.find(reference, part.Problem(), v.nextLost())
		}
	})
	if gone {
		return nil, nil
	}
	top, found, err := repository.Get(ctx, digest)
	if failure, broken := contents(err); failure != nil || broken != nil || !found {
		return nil, failure
	}
	return &top, nil
}

func (v *verifier) noted(note func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	note()
}

// member checks one image of a release.
func (v *verifier) member(ctx context.Context, release versioning.Release, name string, place records.Place) error {
	image, repository := release.Images[name], v.repository(name)
	tag := image.Version.String()
	v.noted(func() { v.report.Images++ })
	wanted, known := v.digests[records.Content{Repository: name, Tag: tag}]
	if name == place.Root {
		wanted, known = place.Digest, true
	}
	digest, found, err := repository.Head(ctx, tag)
	switch {
	case err != nil:
		return err
	case !found && !known: // older than the log
		v.noted(func() {
			v.find(repository.Reference(tag), "release "+release.Version().String()+" needs it, and it is not there", "copy it there from where it is, or build it again with --rebuild")
		})
		return nil
	case !known:
		wanted = digest // older than the log
	}
	if _, listed := v.log.Images[records.Content{Repository: name, Tag: tag}]; digest != wanted && !listed {
		v.noted(func() {
			v.find(repository.Reference(tag), fmt.Sprintf("it is %s, the log says %s", cmp.Or(digest, "not there"), wanted), nextRepair)
		})
	}
	top, err := v.image(ctx, repository, wanted)
	if err != nil || top == nil {
		return err
	}
	return v.labels(ctx, repository, *top, release, name)
}

// labels holds those of an image against the release.
func (v *verifier) labels(ctx context.Context, repository registry.Repository, top registry.Manifest, release versioning.Release, name string) error {
	have, err := store.LabelsOf(ctx, repository, top)
	if failure, _ := contents(err); failure != nil && isRequest(failure) {
		return failure
	}
	image := release.Images[name]
	want := map[string]string{
		labels.Version: image.Version.String(), labels.Revision: image.Revision, labels.RefName: release.Project + "/" + name,
	}
	for need, version := range image.Inputs() {
		want[labels.Dependency+need] = version.String()
	}
	for _, need := range image.Runtime { // it says what the image was built beside
		beside := have[labels.Dependency+need]
		if _, err := versioning.Parse(beside); err != nil && beside != "" {
			want[labels.Dependency+need] = image.Dependencies[need].String()
		}
	}
	v.noted(func() {
		if err != nil {
			v.find(repository.Reference(top.Digest), "its labels cannot be read: "+err.Error(), v.nextLost())
			return
		}
		for _, key := range slices.Sorted(maps.Keys(want)) {
			if value := want[key]; have[key] != value {
				v.find(repository.Reference(top.Digest), fmt.Sprintf("its label %s says %q, release %s says %q", key, have[key], release.Version(), value), "somebody forged one of them: build again with --rebuild "+name)
			}
		}
	})
	return nil
}
