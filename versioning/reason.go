package versioning

import "slices"

// Reason is one cause for a new version of an image. What a field holds depends on the
// kind; see docs/plan.md.
type Reason struct {
	Kind    string `json:"kind"`              // one of the constants below
	Subject string `json:"subject,omitempty"` // what it is about: an image, an external, a platform
	From    string `json:"from,omitempty"`    // what that was; "" if it was not there
	To      string `json:"to,omitempty"`      // what it is now; "" if it is gone
	Paths   []Path `json:"paths,omitempty"`   // the files that differ, at most MaxPaths
	More    int    `json:"more,omitempty"`    // how many more there are that are not listed
	Detail  string `json:"detail"`            // for people, one line, made of the rest
}

// MaxPaths is how many paths a reason has.
const MaxPaths = 100

// Path is a file of the project that is not as it was.
type Path struct {
	Path   string `json:"path"`
	Change string `json:"change"`         // one of the constants below
	From   string `json:"from,omitempty"` // the mode, or where the link led
	To     string `json:"to,omitempty"`
}

// The kinds of changes of a file.
const (
	PathAdded   = "added"
	PathRemoved = "removed"
	PathChanged = "changed" // its contents, or what it is
	PathMode    = "mode"    // nothing but its permission bits
	PathLink    = "link"    // where it leads
	PathUnknown = "unknown" // its contents are not kept, so nobody can tell
)

// The kinds of reasons, in the order in which an image's are listed. Those of
// one kind are in the order of the names that they are about.
const (
	ReasonNew         = "new"         // no current version
	ReasonRevision    = "revision"    // its sources differ: files, if nothing else is known
	ReasonTarget      = "target"      // another stage is built
	ReasonInstruction = "instruction" // its sources differ, in an instruction that counts
	ReasonArgument    = "argument"    // a build argument has another value
	ReasonDependency  = "dependency"  // an image that it is made from has another version
	ReasonExternal    = "external"    // an external that it reads has another digest
	ReasonPlatform    = "platform"    // a platform of the manifest is missing
	ReasonFloor       = "floor"       // the manifest's version: is above its own
	ReasonMajor       = "major"       // a major was asked for
	ReasonRebuild     = "rebuild"     // a rebuild was asked for
	ReasonRelease     = "release"     // root image: an image or external was added, removed or changed
	ReasonMerge       = "merge"       // root image: the release contains another one
	ReasonStateless   = "stateless"   // everything is built, because no state is read
)

// Specify puts reasons that name what has changed of an image's sources in the place of the
// one that only says that they have. Without any, and of an image that has no such reason,
// nothing changes.
func (p *Plan) Specify(image string, reasons []Reason) {
	for i := range p.Images {
		if p.Images[i].Name != image || len(reasons) == 0 {
			continue
		}
		var all []Reason
		for _, reason := range p.Images[i].Reasons {
			if reason.Kind != ReasonRevision {
				all = append(all, reason)
				continue
			}
			for _, one := range reasons {
				if one.Kind == ReasonRevision {
					one.From, one.To = reason.From, reason.To
				}
				all = append(all, one.told())
			}
		}
		p.Images[i].Reasons = all
	}
}

// past is what is known of an image before this build.
type past struct {
	image Image
	// recorded is false if only the version is known, or nothing at all.
	recorded bool
}

// why lists the reasons that every image may have.
func why(source Source, was past, now Image, n Version) []Reason {
	var reasons []Reason
	add := func(reason Reason) { reasons = append(reasons, reason.told()) }
	old := was.image
	switch {
	case old.Version.IsZero():
		add(Reason{Kind: ReasonNew})
	case !was.recorded:
		add(Reason{Kind: ReasonNew, From: old.Version.String()})
	case !source.keeps(old):
		add(Reason{Kind: ReasonRevision, From: old.newest(), To: now.Revision})
	}
	if was.recorded {
		reasons = append(reasons, dependencyReasons(source, old, now)...)
		reasons = append(reasons, compare(ReasonExternal, "", old.Externals, now.Externals, itself)...)
		reasons = append(reasons, platformReasons(old, now)...)
	}
	if source.Floor.Compare(old.Version) > 0 {
		add(Reason{Kind: ReasonFloor, To: source.Floor.String()})
	}
	if majorDue(source, old.Version, n) {
		add(Reason{Kind: ReasonMajor})
	}
	if source.Rebuild {
		add(Reason{Kind: ReasonRebuild})
	}
	return reasons
}

// dependencyReasons compares the direct dependencies that the image is made from. An
// added or removed one counts too: the labels would not be true otherwise. A release of
// before does not tell which ones are only needed at run time: those that are now, were.
func dependencyReasons(source Source, old, now Image) []Reason {
	if source.root {
		return nil // all its dependencies are the release's
	}
	from := old.Inputs()
	for _, name := range now.Runtime {
		delete(from, name)
	}
	return compare(ReasonDependency, "", from, now.Inputs(), Version.String)
}

// platformReasons lists the platforms that are wanted and missing. One that is
// no longer wanted is no reason: it harms nobody, and goes with the next change.
func platformReasons(old, now Image) []Reason {
	var reasons []Reason
	for _, platform := range now.Platforms {
		if !slices.Contains(old.Platforms, platform) {
			reasons = append(reasons, Reason{Kind: ReasonPlatform, Subject: platform, From: old.Version.String()}.told())
		}
	}
	return reasons
}

// releaseReasons compares the release with the current one, apart from the root image.
func releaseReasons(current, now Release) []Reason {
	var reasons []Reason
	if current.Root != now.Root {
		reasons = append(reasons, Reason{Kind: ReasonRelease, From: current.Root, To: now.Root}.told())
	}
	reasons = append(reasons, compare(ReasonRelease, "", versions(current, now.Root), versions(now, now.Root), Version.String)...)
	return append(reasons, compare(ReasonRelease, externalSubject, current.Externals, now.Externals, External.whole)...)
}

// externalSubject comes before the name of an external of the manifest, where images are
// subjects too.
const externalSubject = "external "

// versions are those of all images of a release but one.
func versions(r Release, without string) map[string]Version {
	all := map[string]Version{}
	for name, image := range r.Images {
		if name != without {
			all[name] = image.Version
		}
	}
	return all
}

// compare lists the differences of two maps, in the order of their keys. A subject is a
// prefix and a key.
func compare[V comparable](kind, prefix string, old, now map[string]V, text func(V) string) []Reason {
	both := sortedKeys(old)
	both = append(both, sortedKeys(now)...)
	slices.Sort(both)
	var reasons []Reason
	for _, key := range slices.Compact(both) {
		from, was := old[key]
		to, is := now[key]
		if was && is && from == to {
			continue
		}
		reason := Reason{Kind: kind, Subject: prefix + key}
		if was {
			reason.From = text(from)
		}
		if is {
			reason.To = text(to)
		}
		reasons = append(reasons, reason.told())
	}
	return reasons
}

func itself(text string) string { return text }

// whole is the reference and all of the digest.
func (e External) whole() string { return e.Reference + " " + e.Digest }
