// Package board shows a project at a glance: which release each ring has, with all
// its images, and what each site runs, as far as its cluster answers. It is what
// `quoit status` prints.
//
// A [Board] is a plain value. Whoever reads rings and clusters makes one of what they
// say ([RingOf], [SiteOf]) and prints it, as text ([Board.String]) or as JSON.
package board

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/internal/show"
	"github.com/quoitbuild/quoit/versioning"
)

// Schema is the number of the JSON form.
const Schema = 1

// Board is what is known of a project. Rings or Sites that were not asked for are
// left out wherever it is printed.
type Board struct {
	Project string
	Rings   []Ring // in their order
	Sites   []Site // in the manifest's order
	// Notes are what else there is to say, a line each.
	Notes []string
}

// Ring is a ring and its release; an empty one has no version.
type Ring struct {
	Ring    string             `json:"ring"`
	Version versioning.Version `json:"version,omitzero"`
	Digest  string             `json:"digest,omitempty"` // of the root image
	// Images are the versions of the release's images, by name.
	Images map[string]versioning.Version `json:"images,omitempty"`
	// Digests are those of the images, by name; none if no record lists them.
	Digests map[string]string `json:"digests,omitempty"`
	Held    *Hold             `json:"held,omitempty"` // nil if it is not held
}

// Hold says why shifts leave a ring alone, and which record of the log says so.
type Hold struct {
	Reason string `json:"reason,omitempty"`
	Record uint64 `json:"record"`
}

// State is how what a site runs compares with what its ring has.
type State string

// The states.
const (
	None        State = "none"        // nothing was deployed
	Current     State = "current"     // it runs what its ring has
	Behind      State = "behind"      // it runs something else
	Broken      State = "broken"      // a step did not end
	Unreachable State = "unreachable" // its cluster did not say
)

// Site is a site, what it runs, and what its ring has.
type Site struct {
	Site      string          `json:"site"`
	Ring      string          `json:"ring"`
	Cluster   string          `json:"cluster,omitempty"`
	Namespace string          `json:"namespace"`
	Installed *deploy.Release `json:"installed,omitempty"`
	Wanted    *deploy.Release `json:"wanted,omitempty"` // what the ring has
	Step      *deploy.Step    `json:"step,omitempty"`   // that did not end
	Last      *deploy.Result  `json:"last,omitempty"`
	State     State           `json:"state"`
	Error     string          `json:"error,omitempty"` // why it is Unreachable
}

// RingOf is a ring with the release that it has.
func RingOf(name string, place versioning.Place) Ring {
	return Ring{Ring: name, Version: place.Version, Digest: place.Digest}
}

// SiteOf is a site, of which the names are given, with what its ring has and its
// record; err says why that could not be read.
func SiteOf(site Site, place versioning.Place, record deploy.Record, err error) Site {
	if !place.Empty() {
		site.Wanted = &deploy.Release{Version: place.Version, Digest: place.Digest}
	}
	if err != nil {
		site.State, site.Error = Unreachable, err.Error()
		return site
	}
	site.Installed, site.Step = record.Installed, record.Step
	if n := len(record.Results); n > 0 {
		site.Last = &record.Results[n-1]
	}
	switch {
	case site.Step != nil:
		site.State = Broken
	case site.Installed == nil:
		site.State = None
	case site.Wanted != nil && site.Installed.Same(*site.Wanted):
		site.State = Current
	default:
		site.State = Behind
	}
	return site
}

// MarshalJSON implements [json.Marshaler].
func (b Board) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Schema  int      `json:"schema"`
		Project string   `json:"project"`
		Rings   []Ring   `json:"rings,omitempty"`
		Sites   []Site   `json:"sites,omitempty"`
		Notes   []string `json:"notes,omitempty"`
	}{Schema, b.Project, b.Rings, b.Sites, b.Notes})
}

// String is the board for people: a table of rings with those that are held below
// it, a table of sites, and the notes. A line feed ends it.
func (b Board) String() string {
	var text strings.Builder
	if len(b.Rings) > 0 {
		b.rings(&text)
	}
	if len(b.Rings) > 0 && len(b.Sites) > 0 {
		text.WriteByte('\n')
	}
	if len(b.Sites) > 0 {
		b.sites(&text)
	}
	for _, note := range b.Notes {
		text.WriteString(show.Block(note) + "\n")
	}
	return text.String()
}

func (b Board) rings(text *strings.Builder) {
	w := tabwriter.NewWriter(text, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "RING\tRELEASE\tIMAGES\tDIGEST\n")
	for _, r := range b.Rings {
		if r.Version.IsZero() {
			fmt.Fprintf(w, "%s\t-\t\t\n", r.Ring)
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", r.Ring, r.Version, len(r.Images), r.Digest)
	}
	w.Flush() // into memory
	for _, r := range b.Rings {
		if r.Held != nil {
			fmt.Fprintf(text, "held: %s, %s (record %d)\n", r.Ring, show.Line(r.Held.Reason), r.Held.Record)
		}
	}
}

func (b Board) sites(text *strings.Builder) {
	w := tabwriter.NewWriter(text, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "SITE\tRING\tRELEASE\tRUNS\tSTATE\n")
	for _, s := range b.Sites {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.Site, s.Ring, orDash(s.Wanted), orDash(s.Installed), s.explain())
	}
	w.Flush() // into memory
}

func orDash(release *deploy.Release) string {
	if release == nil {
		return "-"
	}
	return release.Version.String()
}

// mostShown is how many characters of an error are shown in a table.
const mostShown = 120

// explain says the state, and what to do or what went wrong.
func (s Site) explain() string {
	switch s.State {
	case Unreachable:
		return "unreachable: " + show.Short(s.Error, mostShown)
	case Broken:
		text := s.Step.String() + " did not end"
		if s.Last != nil && s.Last.Error != "" {
			text += ": " + s.Last.Error
		}
		return show.Short(text, mostShown)
	case None:
		return "nothing deployed"
	case Behind:
		return "differs: quoit deploy " + s.Site
	}
	return string(s.State)
}
