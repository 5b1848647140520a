package takeover

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/quoitbuild/quoit/versioning"
)

// Outcome is what a take-over does, dry or not. Its lists are never nil.
type Outcome struct {
	Project string `json:"project"`
	// Releases are what is taken over, in the order of their records.
	Releases []Release `json:"releases"`
	// Known are the rings whose release the log knows already.
	Known []Ring `json:"known"`
}

// Ring is what the log knows that a ring has.
type Ring struct {
	Ring    string             `json:"ring"`
	Version versioning.Version `json:"version"`
}

// Release is one that is taken over, with all rings whose tag names it.
type Release struct {
	Rings   []string           `json:"rings"`
	Version versioning.Version `json:"version"`
	Digest  string             `json:"digest"` // of the root image
	// Listed says that the log has the release by an older quoit, without its images.
	Listed bool    `json:"listed,omitempty"`
	Claims Claims  `json:"claims"`
	Images []Image `json:"images"` // by name, the root image among them
	// Record is the number of its record, 0 if none was written.
	Record uint64 `json:"record,omitempty"`
}

// Claims are what the root image says of itself. Whoever pushed it may have written it.
type Claims struct {
	Project string `json:"project"`
	Source  string `json:"source,omitempty"`
	Commit  string `json:"commit,omitempty"`
	Vendor  string `json:"vendor,omitempty"`
	Created string `json:"created,omitempty"`
	// Parents are the releases that it says to descend from.
	Parents []versioning.Parent `json:"parents"`
}

// Image is one image of a release.
type Image struct {
	Image   string             `json:"image"`
	Version versioning.Version `json:"version"`
	// Digest is what the log says of the version, else what its tag names now.
	Digest string `json:"digest"`
	// Record is that of the log which has the version, 0 if there is none.
	Record uint64 `json:"inRecord,omitempty"`
}

// within reports whether nothing is taken over but what another outcome shows.
func (o Outcome) within(shown Outcome) bool {
	for _, release := range o.Releases {
		as := func(other Release) bool {
			return release.Digest == other.Digest && slices.Equal(release.Rings, other.Rings) && slices.EqualFunc(release.Images, other.Images, Image.same)
		}
		if !slices.ContainsFunc(shown.Releases, as) {
			return false
		}
	}
	return true
}

// after is what is left to take over, with what the same take-over has recorded before.
func (o Outcome) after(done Outcome) Outcome {
	var recorded []Release
	for _, release := range done.Releases {
		if release.Record == 0 {
			continue
		}
		recorded = append(recorded, release)
		o.Known = slices.DeleteFunc(o.Known, func(known Ring) bool {
			return known.Version == release.Version && slices.Contains(release.Rings, known.Ring)
		})
	}
	o.Releases = append(recorded, o.Releases...)
	return o
}

// same reports whether two images have one name, version and digest.
func (i Image) same(other Image) bool {
	i.Record = other.Record
	return i == other
}

// String is the outcome for people. A line feed ends it.
func (o Outcome) String() string {
	var b strings.Builder
	for _, known := range o.Known {
		fmt.Fprintf(&b, "ring %s has %s in the log already\n", known.Ring, known.Version)
	}
	for _, release := range o.Releases {
		release.write(&b)
	}
	if len(o.Releases) == 0 {
		fmt.Fprintln(&b, "nothing to do")
	}
	return b.String()
}

func (r Release) write(b *strings.Builder) {
	of := "that no record has"
	if r.Listed {
		of = "that the log has without its images"
	}
	if r.Record > 0 {
		of = fmt.Sprintf("by record %d", r.Record)
	}
	fmt.Fprintf(b, "%s: release %s %s (%s)\n", strings.Join(r.Rings, ", "), r.Version, r.Digest, of)
	fmt.Fprintf(b, "  it says that it is of %s%s\n", r.Claims.Project, r.Claims.more())
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, image := range r.Images {
		known := "not in the log"
		if image.Record > 0 {
			known = fmt.Sprintf("in record %d", image.Record)
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", image.Image, image.Version, image.Digest, known)
	}
	w.Flush() // into memory
}

// more are the claims that are there, each with its name.
func (c Claims) more() string {
	var b strings.Builder
	for _, claim := range [][2]string{{"source", c.Source}, {"commit", c.Commit}, {"vendor", c.Vendor}, {"created", c.Created}} {
		if claim[1] != "" {
			fmt.Fprintf(&b, ", %s %s", claim[0], claim[1])
		}
	}
	var parents []string
	for _, parent := range c.Parents {
		parents = append(parents, parent.Version.String())
	}
	if len(parents) > 0 {
		fmt.Fprintf(&b, ", made upon %s", strings.Join(parents, " and "))
	}
	return b.String()
}

// inOrder sorts rings as a project has them.
func inOrder(rings, order []string) []string {
	return slices.SortedFunc(slices.Values(rings), func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) })
}
