package frontend

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/gateway/client"
	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/versioning"
)

// releaseFile is where a root image carries its release.
const releaseFile = "/quoit/release.json"

// stamp returns an image's config with its labels.
func (a assembler) stamp(ctx context.Context, plan versioning.ImagePlan, compiled *llb.Compiled) (dockerspec.DockerOCIImage, error) {
	config := compiled.Config
	own := maps.Clone(config.Config.Labels)
	if own == nil {
		own = map[string]string{}
	}
	if compiled == a.graphs[plan.Name][0] {
		a.overrule(ctx, plan.Name, own)
	}
	labels.Strip(own)
	stamped, err := a.labels(plan, compiled)
	if err != nil {
		return config, err
	}
	maps.Copy(own, stamped)
	config.Config.Labels = own
	if plan.Name == a.Root {
		config.History = append(slices.Clone(config.History), ocispecs.History{
			Created: compiled.Epoch, CreatedBy: "quoit release " + plan.Version.String(), Comment: "quoit",
		})
	}
	if compiled.Epoch != nil {
		epoch := time.Unix(compiled.Epoch.Unix(), 0).UTC()
		config.Created = &epoch
	}
	return config, nil
}

// overrule takes out of labels that were given those that quoit sets itself, and says so.
func (a assembler) overrule(ctx context.Context, image string, given map[string]string) {
	if overruled := labels.Strip(given); len(overruled) > 0 {
		a.source.Warn(ctx, fmt.Sprintf("image %s: quoit sets the label %s itself, the given value is not used", image, strings.Join(overruled, ", ")), client.WarnOpts{})
	}
}

// inherited is what a label says in an image's base, "" for nothing.
func inherited(compiled *llb.Compiled, key string) string {
	if compiled.BaseConfig == nil {
		return ""
	}
	return compiled.BaseConfig.Config.Labels[key]
}

// labels are those that quoit sets on an image. Where it comes from is what its container
// file says, if that does, else what git says; what its base says stays where neither does.
func (a assembler) labels(plan versioning.ImagePlan, compiled *llb.Compiled) (map[string]string, error) {
	info := labels.Info(a.Plan, plan)
	info.Vendor = a.manifest.Vendor
	var err error
	if info.BaseName, info.BaseDigest, err = compiled.Base(); err != nil {
		return nil, err
	}
	all := labels.Image(info)
	if plan.Name == a.Root && a.Ring != versioning.None {
		if all, err = labels.Root(info, a.Release()); err != nil {
			return nil, err
		}
	}
	if source := compiled.Config.Config.Labels[labels.Source]; source != "" && (info.Source == "" || source != inherited(compiled, labels.Source)) {
		all[labels.Source] = source
	}
	return all, nil
}

// releaseFiles are the files that quoit adds to an image: to the root image its
// release.
func (a assembler) releaseFiles(name string) (map[string][]byte, error) {
	if name != a.Root || a.Ring == versioning.None {
		return nil, nil
	}
	data, err := labels.FormatRelease(a.Release())
	if err != nil {
		return nil, err
	}
	return map[string][]byte{releaseFile: data}, nil
}
