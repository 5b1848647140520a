package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/quoitbuild/quoit/internal/show"
	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// State is what a project's log says at one moment. What decides anything goes by that:
// tags of versions and rings are for others.
type State struct {
	// Newest is the newest record, one without a digest if there is no log. Of a mirror
	// it is the newest of those by which the rings were copied, or of its log if none was.
	Newest records.Sealed
	// Closed says that every tag follows Newest: its writer, or who completed it, has
	// said so. False says nothing: the hint may be behind.
	Closed bool
	// Origin is the project that this is a mirror of, "" if it is none.
	Origin string

	table records.Table // what the rings have, if that is not what Newest leaves; nil: it is
	// sign is, of a ring of a mirror, the tag that is another one when that ring was copied
	// again; of all others it is the next record's.
	sign map[string]records.Content
}

// Rings are what the rings have, also those that are no longer declared. It must not be changed.
func (s State) Rings() records.Table {
	if s.table != nil {
		return s.table
	}
	return s.Newest.Record.After
}

// Pending says of a settled state why the rings have not what the newest record gives
// them; "" if they have.
func (s State) Pending() string {
	if s.Closed || s.table == nil {
		return ""
	}
	return fmt.Sprintf("the publish by %s is not completed, so its ring has what it had before: the next command that writes completes it", credit(s.Newest.Record))
}

// State reads what the log says now, for who writes: what the newest record says counts
// for him, as he completes it first. It is a GET of the hint, one of the record's config
// if that is not known ([Project.Know]), and a HEAD of the next number; more only if the
// hint is behind. Of a mirror it is a GET for each of some rings (none: all that its log
// knows); a ring that was not copied there is not in the table. Errors are those of [Project.History].
func (p *Project) State(ctx context.Context, rings ...string) (State, error) {
	d := p.reader()
	hint, err := d.get(ctx, string(records.Hint))
	if err != nil {
		return State{}, err
	}
	log := records.NewLog(hinted{source{d}, hint})
	if mark, read, _ := d.manifest(ctx, records.Repository, hint.Digest); hint.Found && read { // as get has kept it
		if origin, is := OriginOf(mark); is {
			return mirrored(ctx, d, log, origin, rings)
		}
	}
	newest, err := log.Newest(ctx)
	if err != nil || newest.Digest == "" {
		return State{}, err
	}
	d.log.Know(newest)
	return State{Newest: newest, Closed: newest.Digest == hint.Digest}, nil
}

// hinted is a source whose hint was read already.
type hinted struct {
	source
	hint records.Got
}

// Get implements [records.Source].
func (h hinted) Get(ctx context.Context, tag string) (records.Got, error) {
	if tag == string(records.Hint) {
		return h.hint, nil
	}
	return h.source.Get(ctx, tag)
}

// Settled is the state for who only reads: a publish counts when its done tag or a later
// record is there, until then the rings have what they had before. It is a HEAD of that tag
// if the newest record is a publish of which nothing else says so. Errors are those of
// [Project.History].
func (p *Project) Settled(ctx context.Context, s State) (State, error) {
	if s.Closed || s.Newest.Record.Operation != records.OpPublish {
		return s, nil
	}
	done := records.Name{Mark: records.Done, Sequence: s.Newest.Record.Sequence, Value: s.Newest.Digest}
	found, err := source{p.reader()}.Heads(ctx, done.String())
	switch {
	case err != nil:
		return s, err
	case found[0] != "":
		s.Closed = true
	default:
		s.table = records.Table{}
		maps.Copy(s.table, s.Newest.Record.Before)
	}
	return s, nil
}

// Changed reports whether a ring may have something else than in a settled state, by one
// HEAD: of the next record, or, of a mirror, of the tag that a copy of the ring writes.
// While the newest record is a publish that does not count yet, it is two. Errors are
// those of [Project.History].
func (p *Project) Changed(ctx context.Context, s State, ring string) (bool, error) {
	d, record := p.reader(), s.Newest.Record
	sign, special := s.sign[ring]
	if !special {
		sign = records.Content{Repository: records.Repository, Tag: records.Name{Sequence: record.Sequence + 1}.String()}
	}
	digest, _, err := d.repository(sign.Repository).Head(ctx, sign.Tag)
	if err = d.denied(sign.Repository, err); err != nil || digest != sign.Digest || s.Origin != "" || s.table == nil {
		return digest != sign.Digest, err
	}
	settled, err := p.Settled(ctx, State{Newest: s.Newest})
	return settled.Closed, err
}

// Placed reads the release that a ring has by the log, by the digest of its root image;
// nil for an empty ring. Errors are those of [Project.Release].
func (p *Project) Placed(ctx context.Context, ring string, place records.Place) (*versioning.Placed, error) {
	if place.Empty() {
		return nil, nil
	}
	release, err := p.Release(ctx, place.Root, place.Digest)
	if err != nil {
		return nil, fmt.Errorf("ring %s: %w", ring, err)
	}
	return &versioning.Placed{Ring: ring, Digest: place.Digest, Release: release}, nil
}

// mirrored is the state of a mirror: each ring has what the record says by which it was
// copied, and a ring without such a mark was not. The copies of an older quoit have none:
// while the log is its, a ring has what its tag names, if a record gave it that.
func mirrored(ctx context.Context, d *driver, log *records.Log, origin string, rings []string) (State, error) {
	state := State{Origin: origin, Closed: true, table: records.Table{}, sign: map[string]records.Content{}}
	err := copied(ctx, d, &state, rings)
	if err != nil || len(rings) > 0 && len(state.table) == len(rings) || state.Newest.Record.Schema == records.Schema {
		return state, err
	}
	newest, err := log.Newest(ctx)
	if err != nil {
		return state, err
	}
	if len(rings) == 0 {
		rings = slices.Sorted(maps.Keys(newest.Record.After))
		if err := copied(ctx, d, &state, rings); err != nil {
			return state, err
		}
	}
	if state.Newest.Digest == "" {
		state.Newest = newest
	}
	if newest.Record.Schema == records.Schema {
		return state, nil
	}
	for _, ring := range rings {
		place, known := newest.Record.After[ring]
		if _, marked := state.table[ring]; marked || !known {
			continue
		}
		digest, found, err := d.repository(place.Root).Head(ctx, ring)
		if err != nil {
			return state, err
		}
		state.sign[ring] = records.Content{Repository: place.Root, Tag: ring, Digest: digest}
		if !found || records.IsNothing(digest) {
			continue
		}
		for sealed, err := range log.Back(ctx, newest) {
			if err != nil {
				return state, err
			}
			if place := sealed.Record.After[ring]; place.Digest == digest {
				state.table[ring] = place
				break
			}
		}
	}
	return state, nil
}

// copied reads by which records rings were copied to a mirror.
func copied(ctx context.Context, d *driver, state *State, rings []string) error {
	got := make([]records.Got, len(rings))
	err := d.project.pace.Each(len(rings), func(i int) (err error) {
		got[i], err = d.get(ctx, records.RingName(rings[i]))
		return err
	})
	if err != nil {
		return err
	}
	for i, ring := range rings {
		state.sign[ring] = records.Content{Repository: records.Repository, Tag: records.RingName(ring), Digest: got[i].Digest}
		if !got[i].Found {
			continue
		}
		if err := got[i].Broken; err != nil {
			return fmt.Errorf("%s, by which ring %s was copied, cannot be read: %w: copy the ring again, or put it back with `quoit repair --from COPY`", source{d}.Reference(records.RingName(ring)), ring, err)
		}
		state.table[ring] = got[i].Record.After[ring]
		if got[i].Record.Sequence > state.Newest.Record.Sequence {
			state.Newest = got[i].Sealed
		}
	}
	return nil
}

// Settle completes what the newest record says, if its writer did not: versions
// that have no tag yet, then ring tags, of which rings gives the order. Errors are
// those of [Project.History], or a [*ForeignError].
func (p *Project) Settle(ctx context.Context, rings []string) error {
	return p.settle(ctx, records.Options{Rings: rings})
}

// Mend is Settle, and lets ring tags that somebody else has moved name what the log says.
func (p *Project) Mend(ctx context.Context, rings []string) error {
	return p.settle(ctx, records.Options{Rings: rings, Mend: true})
}

func (p *Project) settle(ctx context.Context, options records.Options) error {
	d := newDriver(p)
	options.Signature = signatureOf(Author{})
	machine, err := records.New(options)
	if err != nil {
		return err
	}
	switch result := d.run(ctx, machine); result.Outcome {
	case records.Settled:
		return nil
	case records.Foreign:
		return d.foreign(ctx, result)
	default:
		return result.Err
	}
}

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

type mirrorManifest struct {
	SchemaVersion int                   `json:"schemaVersion"`
	MediaType     string                `json:"mediaType"`
	ArtifactType  string                `json:"artifactType"`
	Config        registry.Descriptor   `json:"config"`
	Layers        []registry.Descriptor `json:"layers"`
	Annotations   map[string]string     `json:"annotations"`
}

// MirrorMark is what makes a namespace a mirror under the hint's tag, and the config
// that it needs. Origin is what it is a mirror of.
func MirrorMark(origin string) (manifest registry.Manifest, config []byte, err error) {
	config = records.MirrorConfig()
	data, err := json.Marshal(mirrorManifest{
		SchemaVersion: 2, MediaType: records.ManifestType, ArtifactType: mirrorType, Layers: []registry.Descriptor{},
		Config:      registry.Descriptor{MediaType: records.ConfigType, Digest: registry.DigestOf(config), Size: int64(len(config))},
		Annotations: map[string]string{mirrorOf: origin},
	})
	return registry.NewManifest(records.ManifestType, data), config, err
}

// OriginOf returns of what a mirror is one; false for any other manifest.
func OriginOf(m registry.Manifest) (string, bool) {
	var parsed mirrorManifest
	if json.Unmarshal(m.Bytes, &parsed) != nil || parsed.ArtifactType != mirrorType {
		return "", false
	}
	return show.Short(parsed.Annotations[mirrorOf], 200), true
}
