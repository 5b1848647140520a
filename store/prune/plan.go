package prune

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/quoitbuild/quoit/registry"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/versioning"
)

// plan finds what nothing needs, by the records that were read.
func (r *pruner) plan(ctx context.Context) error {
	oldest := r.oldest()
	needed, err := r.needed(ctx, oldest)
	if err != nil {
		return err
	}
	releases := r.releases()
	r.outcome = Outcome{Project: r.project.Name(), Releases: []store.ReleaseName{}, Tags: []store.Tag{}, Votes: []string{}, Notes: []string{}}
	r.pruned = r.newest.Record.Pruned
	for _, number := range slices.Sorted(maps.Keys(releases)) {
		switch place := releases[number]; {
		case needed[place.Digest], place.Record <= r.gap && r.gap > 0:
			r.outcome.Kept++
		case !r.pruned.Has(number):
			r.pruned = r.pruned.With(number)
			r.outcome.Releases = append(r.outcome.Releases, store.ReleaseName{Version: place.Version, Digest: place.Digest})
		}
	}
	if r.gap > 0 {
		r.outcome.Notes = append(r.outcome.Notes, fmt.Sprintf("record %d of the log is gone, so what was published up to it stays: `quoit verify` says what brings it back", r.gap))
	}
	if err := r.versions(ctx, needed, releases); err != nil {
		return err
	}
	return r.votes(ctx, oldest)
}

// releases are all that rings ever had, by number.
func (r *pruner) releases() map[uint64]records.Place {
	releases := map[uint64]records.Place{}
	for _, sealed := range r.log {
		for _, place := range sealed.Record.After {
			if !place.Empty() && place.Release > 0 {
				releases[place.Release] = place
			}
		}
	}
	return releases
}

// oldest is the number of the last record that counts. Prunes do not, or the next
// one would always find more to do.
func (r *pruner) oldest() uint64 {
	left := max(r.options.Keep, 1)
	for sequence := r.newest.Record.Sequence; sequence > 1; sequence-- {
		if r.log[sequence].Record.Operation == records.OpPrune {
			continue
		}
		if left--; left == 0 {
			return sequence
		}
	}
	return 1
}

// needed are the digests of releases that stay; the records from the oldest on count.
func (r *pruner) needed(ctx context.Context, oldest uint64) (map[string]bool, error) {
	needed := map[string]bool{}
	keep := func(tables ...records.Table) {
		for _, table := range tables {
			for _, place := range table {
				needed[place.Digest] = true
			}
		}
	}
	for sequence := r.newest.Record.Sequence; sequence >= oldest; sequence-- {
		keep(r.log[sequence].Record.Before, r.log[sequence].Record.After)
	}
	for ring, top := range r.newest.Record.Tops {
		needed[top.Displaced.Digest] = true
		under, _, err := r.reader.Under(ctx, r.log[top.Record].Record)
		if err != nil {
			return nil, err
		}
		needed[under[ring].Displaced.Digest] = true
	}
	undo := r.newest.Record.Undo // of a log that was not written to since Tops are known
	for range 2 {
		if undo != nil {
			shift := r.log[undo.Record].Record
			keep(shift.Before)
			undo = shift.Below
		}
	}
	for _, record := range r.latest() {
		for _, place := range record.After {
			needed[place.Digest] = needed[place.Digest] || place.Record == record.Sequence
		}
	}
	for _, version := range r.options.Needed {
		found := false
		for _, place := range r.releases() {
			if place.Version == version {
				if r.newest.Record.Pruned.Has(place.Release) {
					return nil, &store.PrunedError{Version: version}
				}
				needed[place.Digest], found = true, true
			}
		}
		if !found {
			return nil, fmt.Errorf("the log has no release %s: `quoit history` shows which there are", version)
		}
	}
	return needed, nil
}

// latest are the records that assigned an image its newest version.
func (r *pruner) latest() map[string]records.Record {
	latest := map[string]records.Record{}
	for sequence := uint64(1); sequence <= r.newest.Record.Sequence; sequence++ {
		record := r.log[sequence].Record
		if r.log[sequence+1].Record.Operation == records.OpVoid || r.newest.Record.Pruned.Has(record.Release()) {
			continue
		}
		for _, tag := range record.Versions() {
			if before, found := latest[tag.Repository]; !found || before.Images[tag.Repository].Version.Compare(record.Images[tag.Repository].Version) < 0 {
				latest[tag.Repository] = record
			}
		}
	}
	return latest
}

// versions finds the tags of versions that no kept release has. What has a tag of
// its contents is left, whoever wrote that.
func (r *pruner) versions(ctx context.Context, needed map[string]bool, releases map[uint64]records.Place) error {
	log := records.Snapshot{Records: map[string]records.Record{}}
	for _, sealed := range r.log {
		log.Records[sealed.Digest] = sealed.Record
	}
	kept := log.Kept(r.pruned)
	for _, place := range releases {
		if place.Record > 0 || !needed[place.Digest] {
			continue
		}
		release, err := r.project.Release(ctx, place.Root, place.Digest) // older than the log
		if err != nil {
			return err
		}
		for name, image := range release.Images {
			kept[records.Content{Repository: name, Tag: image.Version.String()}] = true
		}
	}
	var tags []store.Tag
	for _, sealed := range r.log {
		for _, tag := range sealed.Record.Versions() {
			if sealed.Record.Sequence > r.gap && !kept[records.Content{Repository: tag.Repository, Tag: tag.Tag}] {
				tags = append(tags, store.Tag{Image: tag.Repository, Tag: tag.Tag, Digest: tag.Digest})
			}
		}
	}
	return r.tagged(ctx, tags)
}

// tagged keeps the tags that are still there.
func (r *pruner) tagged(ctx context.Context, tags []store.Tag) error {
	var mu sync.Mutex
	err := r.pace.Each(len(tags), func(i int) error {
		digest, _, err := r.at.Repository(tags[i].Image).Head(ctx, tags[i].Tag)
		mu.Lock()
		defer mu.Unlock()
		if err == nil && digest == tags[i].Digest {
			r.outcome.Tags = append(r.outcome.Tags, tags[i])
		}
		return err
	})
	slices.SortFunc(r.outcome.Tags, func(a, b store.Tag) int {
		older, _ := versioning.Parse(a.Tag)
		newer, _ := versioning.Parse(b.Tag)
		return cmp.Or(cmp.Compare(a.Image, b.Image), older.Compare(newer))
	})
	return err
}

// votes finds what the log needs no longer: votes for records before the oldest that
// counts, whose slot has nothing odd. The tag that says that a record was completed stays: it is a second
// one that names it.
func (r *pruner) votes(ctx context.Context, oldest uint64) error {
	tags, err := registry.AllTags(ctx, r.at.Repository(records.Repository))
	if err != nil {
		return err
	}
	odd := map[uint64]bool{}
	var votes []records.Name
	for _, tag := range tags {
		name, ok := records.ParseName(tag)
		if _, there := r.log[name.Sequence]; !ok || !there || name.Sequence >= oldest {
			continue
		}
		switch name.Mark {
		case records.Yes:
			odd[name.Sequence] = odd[name.Sequence] || name.Value != r.log[name.Sequence].Digest
			votes = append(votes, name)
		case records.Try, records.No:
			votes = append(votes, name)
		case records.Done:
			odd[name.Sequence] = odd[name.Sequence] || name.Value != r.log[name.Sequence].Digest
		}
	}
	// Without any vote nothing is odd, with only a yes neither: that goes last.
	slices.SortFunc(votes, func(a, b records.Name) int {
		last := func(n records.Name) int {
			if n.Mark == records.Yes {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(last(a), last(b)), cmp.Compare(a.String(), b.String()))
	})
	for _, name := range votes {
		if !odd[name.Sequence] {
			r.outcome.Votes = append(r.outcome.Votes, name.String())
		}
	}
	return nil
}
