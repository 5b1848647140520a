package builder

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	controlapi "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/exporter"
	"github.com/moby/buildkit/session/exporter/exporterprovider"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"

	"github.com/quoitbuild/quoit/frontend"
	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/versioning"
)

// exporters answers BuildKit's question how to export a result: one image
// exporter for each image, pushing by digest, so that nothing is tagged before
// everything is there.
type exporters struct {
	manifest *manifest.Manifest // decides where images may go, whatever a frontend says
	ring     string             // that was asked for, "" for the manifest's first
	epoch    string             // SOURCE_DATE_EPOCH; "" leaves the files' times as they are
	part     int                // of the plan's images
	images   []string           // in the order of the exporters

	mu      sync.Mutex
	session string                   // in which BuildKit asks
	steps   map[digest.Digest]string // by what BuildKit calls the step of an image's export
}

// in notes the session in which BuildKit will ask.
func (e *exporters) in(session string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.session = session
}

// begun notes by which steps BuildKit will export the images.
func (e *exporters) begun() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.steps = map[digest.Digest]string{}
	for i, name := range e.images {
		e.steps[digest.FromString(fmt.Sprint(e.session, "-export-", i))] = name
	}
}

// exports is the image that a step exports, "" if it does not.
func (e *exporters) exports(step digest.Digest) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.steps[step]
}

func (e *exporters) attachable() session.Attachable {
	return exporterprovider.New(func(_ context.Context, meta map[string][]byte, _ []string) ([]*exporter.ExporterRequest, error) {
		requests, err := e.answer(meta)
		e.begun()
		return requests, err
	})
}

// answer are the exporters of a result.
func (e *exporters) answer(meta map[string][]byte) ([]*exporter.ExporterRequest, error) {
	plan, err := decodePlan(meta[frontend.MetaPlan])
	if err != nil {
		return nil, err
	}
	if err := e.check(plan); err != nil {
		return nil, err
	}
	var requests []*exporter.ExporterRequest
	for _, name := range frontend.Part(plan, e.part) {
		attrs, err := imageAttrs(plan, name, meta)
		if err != nil {
			return nil, err
		}
		if e.epoch != "" {
			attrs[string(exptypes.OptKeySourceDateEpoch)] = e.epoch
			attrs[string(exptypes.OptKeyRewriteTimestamp)] = "true"
		}
		e.images = append(e.images, name)
		requests = append(requests, &exporter.ExporterRequest{Type: client.ExporterImage, Attrs: attrs})
	}
	return requests, nil
}

// check refuses a plan for other repositories than those of the manifest, and for
// another ring than the one that was asked for.
func (e *exporters) check(plan versioning.Plan) error {
	m := e.manifest
	if plan.Registry != m.Registry || plan.Project != m.Project || plan.Root != m.Root {
		return fmt.Errorf("the frontend planned for %s/%s, but the manifest says %s/%s: nothing is pushed", plan.Registry, plan.Project, m.Registry, m.Project)
	}
	if ring := cmp.Or(e.ring, m.Rings[0]); plan.Ring != ring {
		return fmt.Errorf("the frontend planned for ring %q, but %s was asked for: nothing is pushed", plan.Ring, ring)
	}
	for _, image := range plan.Images {
		if _, ok := m.Image(image.Name); !ok {
			return fmt.Errorf("the frontend planned an image %q that the manifest does not have: nothing is pushed", image.Name)
		}
	}
	return nil
}

// imageAttrs narrows an image exporter to the refs of one image.
func imageAttrs(plan versioning.Plan, name string, meta map[string][]byte) (map[string]string, error) {
	var all, own exptypes.Platforms
	if err := json.Unmarshal(meta[exptypes.ExporterPlatformsKey], &all); err != nil {
		return nil, fmt.Errorf("reading the result's platforms: %w", err)
	}
	for _, p := range all.Platforms {
		if p.ID == name || strings.HasPrefix(p.ID, name+"/") {
			own.Platforms = append(own.Platforms, p)
		}
	}
	if len(own.Platforms) == 0 {
		return nil, fmt.Errorf("the result lacks image %s", name)
	}
	narrowed, err := json.Marshal(own)
	if err != nil {
		return nil, fmt.Errorf("writing the platforms of image %s: %w", name, err)
	}
	attrs := map[string]string{
		string(exptypes.OptKeyName):         plan.Registry + "/" + plan.Project + "/" + name,
		string(exptypes.OptKeyPush):         "true",
		string(exptypes.OptKeyPushByDigest): "true",
		string(exptypes.OptKeyOCITypes):     "true",
		// A builder with an image store would else ask for the layers of all images of the
		// result while others are still made. A push by digest stores nothing in it anyway.
		string(exptypes.OptKeyStore):  "false",
		exptypes.ExporterPlatformsKey: string(narrowed),
	}
	var config dockerspec.DockerOCIImage
	if err := json.Unmarshal(meta[exptypes.ExporterImageConfigKey+"/"+own.Platforms[0].ID], &config); err != nil {
		return nil, fmt.Errorf("reading the config of image %s: %w", name, err)
	}
	for key, value := range labels.Annotations(config.Config.Labels) {
		attrs[exptypes.AnnotationManifestKey(nil, key)] = value
	}
	return attrs, nil
}

// digests reads from BuildKit's history what was pushed: the record has a
// descriptor for each exporter.
func (e *exporters) digests(ctx context.Context, c *client.Client, ref string) (map[string]string, error) {
	events, err := c.ControlClient().ListenBuildHistory(ctx, &controlapi.BuildHistoryRequest{Ref: ref, EarlyExit: true})
	if err != nil {
		return nil, fmt.Errorf("reading BuildKit's history: %w", err)
	}
	for {
		event, err := events.Recv()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("BuildKit's history has no digests of build %s", ref)
		}
		if err != nil {
			return nil, fmt.Errorf("reading BuildKit's history: %w", err)
		}
		if event.Record != nil && event.Record.Ref == ref && event.Record.Result != nil {
			return e.match(event.Record.Result.Results)
		}
	}
}

func (e *exporters) match(results map[int64]*controlapi.Descriptor) (map[string]string, error) {
	digests := map[string]string{}
	for i, name := range e.images {
		descriptor := results[int64(i)]
		if descriptor == nil || descriptor.Digest == "" {
			return nil, fmt.Errorf("BuildKit's history lacks the digest of image %s: it has %v", name, slices.Sorted(maps.Keys(results)))
		}
		digests[name] = descriptor.Digest
	}
	return digests, nil
}

// markDirty lets the images of a result say that their sources differ from the commit.
func markDirty(res *gateway.Result) error {
	for key, data := range res.Metadata {
		if key != exptypes.ExporterImageConfigKey && !strings.HasPrefix(key, exptypes.ExporterImageConfigKey+"/") {
			continue
		}
		var config dockerspec.DockerOCIImage
		if err := json.Unmarshal(data, &config); err != nil {
			return fmt.Errorf("reading an image's config: %w", err)
		}
		commit := config.Config.Labels[labels.Commit]
		if commit == "" || strings.HasSuffix(commit, labels.Dirty) {
			continue // a stock client's commit says it itself
		}
		config.Config.Labels[labels.Commit] = commit + labels.Dirty
		data, err := json.Marshal(config)
		if err != nil {
			return fmt.Errorf("writing an image's config: %w", err)
		}
		res.AddMeta(key, data)
	}
	return nil
}
