package versioning

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/quoitbuild/quoit/internal/show"
)

// told is the reason with its detail.
func (r Reason) told() Reason {
	r.Detail = show.Line(r.sentence())
	return r
}

// sentence says for people what the fields do.
func (r Reason) sentence() string {
	switch r.Kind {
	case ReasonNew:
		if r.From != "" {
			return "welcome back, its last version was " + r.From
		}
		return "first version, welcome aboard"
	case ReasonInstruction:
		return more(r.instruction(), r.More)
	case ReasonTarget:
		return fmt.Sprintf("target %s → %s", cmp.Or(r.From, "(the last stage)"), cmp.Or(r.To, "(the last stage)"))
	case ReasonArgument:
		return r.argument()
	case ReasonRevision:
		if len(r.Paths) > 0 {
			return r.paths()
		}
		return fmt.Sprintf("sources changed: %s → %s", show.Digest(r.From), show.Digest(r.To))
	case ReasonDependency:
		return r.change("now needs %s %s", "no longer needs %s %s", "%s %s → %s")
	case ReasonExternal:
		return r.change("now reads %s %s", "no longer reads %s %s", "%s %s → %s")
	case ReasonPlatform:
		return fmt.Sprintf("%s has no %s", r.From, r.Subject)
	case ReasonFloor:
		return fmt.Sprintf("the manifest wants %s or later", r.To)
	case ReasonMajor:
		return "a major was asked for"
	case ReasonRebuild:
		return "a rebuild was asked for"
	case ReasonRelease:
		return r.released()
	case ReasonMerge:
		return fmt.Sprintf("contains %s of %s", r.To, r.Subject)
	}
	return "built from source, without looking at any ring"
}

// paths names all files if they are few, else the first one.
func (r Reason) paths() string {
	if len(r.Paths)+r.More > 3 || r.Paths[0].Change == PathUnknown {
		return more(r.Paths[0].String(), len(r.Paths)-1+r.More)
	}
	var all []string
	for _, path := range r.Paths {
		all = append(all, path.String())
	}
	return strings.Join(all, ", ")
}

// released says how the release differs from the one before.
func (r Reason) released() string {
	switch {
	case r.Subject == "":
		return fmt.Sprintf("%s is the root image now, %s was it", r.To, r.From)
	case strings.HasPrefix(r.Subject, externalSubject):
		return r.change("%s joins: %s", "%s leaves: %s", "%s: %s → %s")
	}
	return r.change("%s %s joins", "%s retires after %s", "%s %s → %s")
}

// change says what happened to the subject: that it was added, that it was removed, or that
// it changed.
func (r Reason) change(added, removed, changed string) string {
	from, to := brief(r.From), brief(r.To)
	switch {
	case r.From == "":
		return fmt.Sprintf(added, r.Subject, to)
	case r.To == "":
		return fmt.Sprintf(removed, r.Subject, from)
	}
	return fmt.Sprintf(changed, r.Subject, from, to)
}

func (r Reason) argument() string {
	switch {
	case r.From == "":
		return fmt.Sprintf("argument %s is given now", r.Subject)
	case r.To == "":
		return fmt.Sprintf("argument %s is no longer given", r.Subject)
	}
	return fmt.Sprintf("argument %s has another value", r.Subject)
}

func (r Reason) instruction() string {
	switch {
	case r.From == "":
		return fmt.Sprintf("%s %s added", r.Subject, r.To)
	case r.To == "":
		return fmt.Sprintf("%s %s removed", r.Subject, r.From)
	}
	return fmt.Sprintf("%s %s changed", r.Subject, r.To)
}

// String says for people what has happened to the file.
func (p Path) String() string {
	switch p.Change {
	case PathMode:
		return fmt.Sprintf("mode of %s %s → %s", p.Path, cmp.Or(p.From, "of no matter"), cmp.Or(p.To, "of no matter"))
	case PathLink:
		return fmt.Sprintf("link %s %s → %s", p.Path, cmp.Or(p.From, "(a file)"), cmp.Or(p.To, "(a file)"))
	case PathUnknown:
		return fmt.Sprintf("a file whose contents are not kept changed, perhaps %s", p.Path)
	}
	return p.Path + " " + p.Change
}

func more(first string, others int) string {
	if others > 0 {
		return fmt.Sprintf("%s, %d more", first, others)
	}
	return first
}

// brief is a value with no more than the beginning of a digest in it.
func brief(value string) string {
	if reference, digest, found := strings.Cut(value, " "); found {
		return reference + " " + show.Digest(digest)
	}
	return show.Digest(value)
}
