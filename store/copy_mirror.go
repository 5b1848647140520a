package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// A mirror has this in place of the log's hint, so whoever writes to the log
// sees it by the first request that he makes anyway.
const (
	mirrorType = "application/vnd.quoit.mirror.v1+json"
	mirrorOf   = "io.github.quoitbuild.mirror"
)

// MirrorError says that somebody wants to write to the log of a mirror.
type MirrorError struct {
	Mirror string // the project there
	Origin string // the project of which it is one
}

// Error says where to write.
func (e *MirrorError) Error() string {
	return fmt.Sprintf("%s is a mirror of %s: publish there, and run `quoit copy` again", e.Mirror, e.Origin)
}

// NotMirrorError says that the target of a copy has another log than the source.
type NotMirrorError struct {
	Target string // the project there
	Record uint64 // the first one that differs, 0 if the target is no mirror at all
	Here   string // its digest at the source, "" if it has none
	There  string // its digest at the target
}

// Error says what to do.
func (e *NotMirrorError) Error() string {
	switch {
	case e.Record == 0:
		return e.Target + " has a log and is no mirror: it is a project that is published there; copy to another place"
	case e.Here == "":
		return fmt.Sprintf("%s has record %d (%s), which is not here: what is copied from is older; copy from where it came from", e.Target, e.Record, e.There)
	}
	return fmt.Sprintf("record %d is %s at %s, and %s here: that is written by somebody else; copy to another place", e.Record, e.There, e.Target, e.Here)
}

type mirrorManifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType"`
	Config        descriptor        `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Annotations   map[string]string `json:"annotations"`
}

// mirrorMark is the mark of a mirror, and the config that it needs.
func mirrorMark(origin string) (manifest stored, config []byte, err error) {
	config = records.Nothing().Config
	data, err := json.Marshal(mirrorManifest{
		SchemaVersion: 2, MediaType: records.ManifestType, ArtifactType: mirrorType, Layers: []descriptor{},
		Config:      descriptor{MediaType: records.ConfigType, Digest: digestOf(config), Size: int64(len(config))},
		Annotations: map[string]string{mirrorOf: origin},
	})
	return stored{digestOf(data), types.OCIManifestSchema1, data}, config, err
}

// origin returns of what a mirror is one; false for any other manifest.
func (m stored) origin() (string, bool) {
	var parsed mirrorManifest
	if json.Unmarshal(m.bytes, &parsed) != nil || parsed.ArtifactType != mirrorType {
		return "", false
	}
	return clean(parsed.Annotations[mirrorOf]), true
}

// mirror notes whether this is one, of what, and takes the mark for no hint.
func (v *verifier) mirror(ctx context.Context) error {
	if _, found := v.log.Tags[string(records.Hint)]; !found {
		return nil
	}
	mark, found, err := v.repository(records.Repository).get(ctx, string(records.Hint))
	if err, broken := contents(err); err != nil || broken != nil || !found {
		return err // verify names it as a hint of nothing
	}
	if origin, is := mark.origin(); is {
		v.report.Mirror = origin
		delete(v.log.Tags, string(records.Hint))
	}
	return nil
}

// asCopied leaves out of what tags name what was not copied to a mirror: absent
// versions, and rings that are absent or were copied before they moved. The rings
// hold what their tags say then.
func (v *verifier) asCopied() {
	for tag, digest := range v.log.Images {
		if digest == "" {
			delete(v.log.Images, tag)
		}
	}
	v.newest.After = maps.Clone(v.newest.After) // the record's stays
	for ring, place := range v.newest.After {
		tag := records.Content{Repository: place.Root, Tag: ring}
		digest, copied := v.log.Images[tag]
		held, known := v.held(ring, digest)
		if !copied || known {
			delete(v.log.Images, tag)
		}
		if v.newest.After[ring] = held; !known {
			v.newest.After[ring] = records.Place{Root: place.Root}
		}
	}
}

// held finds the release of a digest that a ring has ever held.
func (v *verifier) held(ring, digest string) (records.Place, bool) {
	for _, record := range v.log.Records {
		if place, found := record.After[ring]; found && digest != "" && place.Digest == digest {
			return place, true
		}
	}
	return records.Place{}, false
}

// others are the releases that are at a mirror without being in a ring of it.
func (v *verifier) others() []records.Place {
	var others []records.Place
	seen := map[string]bool{}
	for _, place := range v.newest.After {
		seen[place.Digest] = true
	}
	for _, record := range v.log.Records {
		for _, place := range record.After {
			if seen[place.Digest] || v.log.Images[records.Content{Repository: place.Root, Tag: place.Version.String()}] != place.Digest {
				continue
			}
			seen[place.Digest] = true
			others = append(others, place)
		}
	}
	slices.SortFunc(others, func(a, b records.Place) int { return versioning.Version.Compare(a.Version, b.Version) })
	return others
}
