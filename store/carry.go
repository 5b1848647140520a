package store

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// carry carries out one request.
func (d *driver) carry(ctx context.Context, request records.Request) (records.Response, error) {
	switch request.Action {
	case records.Get:
		got, err := d.get(ctx, request.Tag)
		response := records.Response{Found: got.Found, Digest: got.Digest, Err: got.Broken}
		if err == nil && got.Found && got.Broken == nil {
			response.Record = &got.Record
		}
		return response, err
	case records.Head:
		return d.head(ctx, request)
	case records.HeadDigest:
		_, found, err := d.manifest(ctx, request.Repository, request.Digest)
		return records.Response{Found: found, Digest: request.Digest}, err
	case records.Put:
		return d.put(ctx, request)
	case records.List:
		return d.list(ctx, request)
	case records.Wait:
		return d.wait(ctx, request)
	}
	return records.Response{}, fmt.Errorf("the log asks for %q, which this quoit cannot do", request.Action)
}

// list reads a page of the log's tags.
func (d *driver) list(ctx context.Context, request records.Request) (records.Response, error) {
	if request.Page == "" {
		d.pages = registry.Pages{}
	}
	repository := d.repository(records.Repository)
	tags, next, err := repository.Tags(ctx, request.From, request.Page)
	if err == nil {
		err = d.pages.Turn(repository, tags, next)
	}
	return records.Response{Tags: tags, Next: next}, d.denied(records.Repository, err)
}

func (d *driver) repository(image string) registry.Repository {
	if d.reader {
		return d.project.at.Repository(image)
	}
	return d.project.at.Writable(image)
}

// denied forgives that a registry denies to read a log that nobody has written
// yet, if that is stated, and else says how to state it.
func (d *driver) denied(image string, err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.wrote || image != records.Repository || !registry.Denied(err) {
		return err
	}
	if d.first {
		return nil
	}
	var failed *registry.RequestError
	errors.As(err, &failed)
	denied := *failed
	denied.Hint += "; or say --first if nothing was published to the project yet, as some registries deny what is not there"
	return &denied
}

// get reads the record that a tag of the log names.
func (d *driver) get(ctx context.Context, tag string) (records.Got, error) {
	log := d.repository(records.Repository)
	manifest, found, err := log.Get(ctx, tag)
	if err != nil || !found {
		return records.Got{}, d.denied(records.Repository, err)
	}
	if origin, is := OriginOf(manifest); is && tag == string(records.Hint) && !d.reader {
		return records.Got{}, &MirrorError{Mirror: d.project.at.String(), Origin: origin}
	}
	d.keep(records.Content{Repository: records.Repository, Digest: manifest.Digest}, manifest)
	sealed, broken, err := d.open(ctx, manifest)
	if err != nil {
		return records.Got{}, err
	}
	sealed.Digest = manifest.Digest
	return records.Got{Found: true, Sealed: sealed, Broken: broken}, nil
}

// open reads a record from its manifest. Broken says that it is none.
func (d *driver) open(ctx context.Context, manifest registry.Manifest) (sealed records.Sealed, broken, err error) {
	d.mu.Lock()
	sealed, known := d.opened[manifest.Digest]
	d.mu.Unlock()
	if known {
		return sealed, nil, nil
	}
	digest, size, broken := records.ConfigOf(manifest.Bytes)
	if broken != nil {
		return records.Sealed{}, broken, nil
	}
	config, err := d.config(ctx, registry.Descriptor{Digest: digest, Size: size})
	if gone := new(registry.RequestError); errors.As(err, &gone) && gone.Status == http.StatusNotFound {
		return records.Sealed{}, err, nil
	}
	if err != nil {
		return records.Sealed{}, nil, err
	}
	if sealed, broken = records.Open(manifest.Bytes, config); broken == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.opened[sealed.Digest] = sealed
	}
	return sealed, broken, nil
}

// config reads the config of a record. Who writes asks the registry, which may have lost it.
func (d *driver) config(ctx context.Context, blob registry.Descriptor) ([]byte, error) {
	blobs := d.project.blobs
	if !d.reader || blobs == nil {
		return d.repository(records.Repository).Blob(ctx, blob)
	}
	if config, known := blobs.Blob(blob.Digest); known {
		return config, nil
	}
	config, err := d.repository(records.Repository).Blob(ctx, blob)
	if err == nil {
		blobs.Keep(blob.Digest, config)
	}
	return config, err
}

// head looks what a tag names.
func (d *driver) head(ctx context.Context, request records.Request) (records.Response, error) {
	digest, found, err := d.look(ctx, request)
	if err == nil && found && request.Repository == records.Repository {
		err = d.proof.Check(ctx, source{d}, request.Tag)
	}
	return records.Response{Found: found, Digest: digest}, d.denied(request.Repository, err)
}

func (d *driver) look(ctx context.Context, request records.Request) (digest string, found bool, err error) {
	repository := d.repository(request.Repository)
	if _, notVersion := versioning.Parse(request.Tag); !d.whole || request.Repository == records.Repository || notVersion == nil {
		return repository.Head(ctx, request.Tag)
	}
	manifest, found, err := repository.Get(ctx, request.Tag)
	if found {
		d.keep(records.Content{Repository: request.Repository, Digest: manifest.Digest}, manifest)
	}
	return manifest.Digest, found, err
}

// manifest reads one by its digest, once.
func (d *driver) manifest(ctx context.Context, image, digest string) (registry.Manifest, bool, error) {
	key := records.Content{Repository: image, Digest: digest}
	d.mu.Lock()
	manifest, known := d.manifests[key]
	d.mu.Unlock()
	if known {
		return manifest, true, nil
	}
	manifest, found, err := d.repository(image).Get(ctx, digest)
	if err != nil || !found {
		return registry.Manifest{}, false, err
	}
	if d.held.Add(int64(len(manifest.Bytes))) > maxHeld {
		return registry.Manifest{}, false, fmt.Errorf("the manifests of this release have more than %d MiB", maxHeld>>20)
	}
	d.keep(key, manifest)
	return manifest, true, nil
}

func (d *driver) keep(key records.Content, manifest registry.Manifest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.manifests[key] = manifest
}
