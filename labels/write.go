package labels

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/quoitbuild/quoit/versioning"
)

// Schema is the newest number of the release's JSON form that this package reads. It
// rises when an older reader would go wrong. Schema 2 came with the second scheme of
// revisions: whoever takes such a revision for one of the first would plan that everything
// has changed. A release without one is still written with schema 1.
const Schema = 2

// MaxRelease is how many bytes the JSON of a release may have: enough for
// about two thousand images.
const MaxRelease = 1 << 20

// ImageInfo is what the labels of one image say, apart from the release.
type ImageInfo struct {
	Project  string
	Name     string
	Version  versioning.Version
	Revision string
	Identity string
	Vendor   string // "" for none
	// Source and Commit are where the sources come from, "" if unknown.
	Source, Commit string
	// BaseName and BaseDigest are the external base of the final stage; "" if
	// it has none.
	BaseName, BaseDigest string
	// Dependencies are the direct ones, of the root image all images.
	Dependencies map[string]versioning.Version
}

// Info returns what a plan says of one image; vendor and base are the caller's.
func Info(plan versioning.Plan, image versioning.ImagePlan) ImageInfo {
	return ImageInfo{
		Project: plan.Project, Name: image.Name, Version: image.Version, Revision: image.Revision,
		Identity: image.Identity, Dependencies: image.Dependencies, Source: plan.Source, Commit: plan.Commit,
	}
}

// Image returns the labels of an image that is not the root image. An empty
// value gives no label.
func Image(info ImageInfo) map[string]string {
	labels := map[string]string{}
	for key, value := range map[string]string{
		Version: info.Version.String(), Revision: info.Revision, Identity: info.Identity,
		RefName: info.Project + "/" + info.Name, Vendor: info.Vendor,
		BaseName: info.BaseName, BaseDigest: info.BaseDigest,
		Source: info.Source, Commit: info.Commit,
	} {
		if value != "" {
			labels[key] = value
		}
	}
	for name, version := range info.Dependencies {
		labels[Dependency+name] = version.String()
	}
	return labels
}

// Root returns the labels of a root image: those of [Image], and the release.
// Errors are those of [FormatRelease].
func Root(info ImageInfo, release versioning.Release) (map[string]string, error) {
	data, err := FormatRelease(release)
	if err != nil {
		return nil, err
	}
	labels := Image(info)
	labels[Release] = string(data)
	return labels, nil
}

// FormatRelease returns the JSON of a release, for the label and for
// /quoit/release.json: compact, and the same bytes for the same release. What
// it returns can be read again: it is an error if the JSON gets longer than
// [MaxRelease], or if the release is not what [Parse] promises.
func FormatRelease(release versioning.Release) ([]byte, error) {
	if err := check(release); err != nil {
		return nil, fmt.Errorf("writing the release of %s: %w", release.Project, err)
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false) // it is read by people too, and escapes take room
	if err := encoder.Encode(document{schemaOf(release), release}); err != nil {
		return nil, fmt.Errorf("writing the release of %s: %w", release.Project, err)
	}
	data := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if len(data) > MaxRelease {
		return nil, fmt.Errorf("the release of %s needs %d bytes for its %d images, a label holds %d",
			release.Project, len(data), len(release.Images), MaxRelease)
	}
	return data, nil
}

func schemaOf(release versioning.Release) int {
	for _, image := range release.Images {
		if image.Scheme > 1 {
			return 2
		}
	}
	return 1
}

// document is the JSON form of a release.
type document struct {
	Schema int `json:"schema"`
	versioning.Release
}
