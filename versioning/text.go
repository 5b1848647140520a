package versioning

import (
	"fmt"
	"path"
	"strings"
	"text/tabwriter"

	"github.com/quoitbuild/quoit/internal/show"
)

// What is longer than this is cut in the text; the JSON form has all of it.
const (
	maxReasons   = 8  // lines for one image
	maxUnchanged = 20 // names in the last line
)

// String is the plan for people: a line that says what happens, the changed
// images with their reasons, and the rest in one line. No line feed ends it.
func (p Plan) String() string {
	var b strings.Builder
	fmt.Fprintln(&b, p.headline())
	if changed := p.Changed(); len(changed) > 0 {
		fmt.Fprintln(&b)
		p.writeTable(&b, changed)
		p.writeRest(&b)
		if len(p.Warnings) > 0 {
			fmt.Fprintln(&b)
		}
	}
	for _, warning := range p.Warnings {
		fmt.Fprintln(&b, "warning:", warning)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (p Plan) headline() string {
	changed, name, root := len(p.Changed()), path.Base(p.Project), p.Version()
	has := p.Current != nil && p.Current.Ring == p.Ring
	switch {
	case p.Ring == None:
		return fmt.Sprintf("%s: everything from source as %s, to try out, not to publish (%s)", name, root, count(changed))
	case changed == 0 && has:
		return fmt.Sprintf("nothing to do: %s has %s and every image is unchanged", p.Ring, root)
	case changed == 0:
		return fmt.Sprintf("nothing to build: %s is empty and takes %s just as %s has it", p.Ring, root, p.Current.Ring)
	case p.Current == nil:
		return fmt.Sprintf("%s: %s %s, the very first release (%s)", p.Ring, name, root, count(changed))
	}
	from := ""
	if !has {
		from = fmt.Sprintf(" of %s", p.Current.Ring)
	}
	change := "change"
	if changed == 1 {
		change = "changes"
	}
	return fmt.Sprintf("%s: %s %s%s → %s (%d of %s %s)", p.Ring, name, p.Current.Version, from, root, changed, count(len(p.Images)), change)
}

// writeTable gives each reason a line of its own, the first one beside the image.
func (p Plan) writeTable(b *strings.Builder, names []string) {
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, name := range names {
		image, _ := p.Image(name)
		first, version := "  "+image.Name, image.versions()
		for _, line := range image.because(maxReasons) {
			fmt.Fprintf(table, "%s\t%s\t%s\n", first, version, line)
			first, version = "", ""
		}
	}
	table.Flush() // a strings.Builder takes everything
}

// versions are the one before, if there is one, and the new one.
func (i ImagePlan) versions() string {
	if i.Previous.IsZero() || !i.Changed {
		return i.Version.String()
	}
	return fmt.Sprintf("%s → %s", i.Previous, i.Version)
}

// because has a line for each reason, but for no more than most (0: all).
func (i ImagePlan) because(most int) []string {
	lines := make([]string, 0, len(i.Reasons)+1)
	for _, reason := range i.Reasons {
		lines = append(lines, reason.Detail)
	}
	if more := len(lines) - most; most > 0 && more > 0 {
		lines = append(lines[:most-1], fmt.Sprintf("and %d more", more+1))
	}
	if i.Adopted {
		lines = append(lines, "built already with just these contents: adopted, not built again")
	}
	return lines
}

// Explain is what the plan says of one of its images, for people: its version, every reason
// why it changes, and the images that it needs. No line feed ends it. It is "" if there is no
// such image.
func (p Plan) Explain(name string) string {
	image, found := p.Image(name)
	if !found {
		return ""
	}
	var b strings.Builder
	switch {
	case p.Ring == None:
		fmt.Fprintf(&b, "%s: from source as %s, to try out, not to publish\n", image.Name, image.Version)
	case image.Changed:
		fmt.Fprintf(&b, "%s: %s %s\n", p.Ring, image.Name, image.versions())
	default:
		fmt.Fprintf(&b, "%s: %s %s is unchanged\n", p.Ring, image.Name, image.Version)
	}
	for i, line := range image.because(0) {
		fmt.Fprintf(&b, "  %s\n", line)
		if i < len(image.Reasons) {
			image.Reasons[i].writePaths(&b)
		}
	}
	var needs []string
	for _, need := range sortedKeys(image.Dependencies) {
		needs = append(needs, need+" "+image.Dependencies[need].String())
	}
	if len(needs) == 0 {
		return b.String() + "needs no other image"
	}
	return b.String() + "needs " + strings.Join(needs, ", ")
}

// writePaths lists the files that the reason's sentence only counts.
func (r Reason) writePaths(b *strings.Builder) {
	if len(r.Paths) < 2 {
		return
	}
	for _, path := range r.Paths[1:] {
		fmt.Fprintf(b, "    %s\n", show.Line(path.String()))
	}
	if r.More > 0 {
		fmt.Fprintf(b, "    and %d more\n", r.More)
	}
}

// writeRest lists the unchanged images.
func (p Plan) writeRest(b *strings.Builder) {
	var unchanged []string
	for _, image := range p.Images {
		if !image.Changed {
			unchanged = append(unchanged, image.Name+" "+image.Version.String())
		}
	}
	if more := len(unchanged) - maxUnchanged; more > 0 {
		unchanged = append(unchanged[:maxUnchanged-1], fmt.Sprintf("and %d more", more+1))
	}
	if len(unchanged) > 0 {
		fmt.Fprintf(b, "\n  unchanged: %s\n", strings.Join(unchanged, ", "))
	}
}

func count(images int) string {
	if images == 1 {
		return "1 image"
	}
	return fmt.Sprintf("%d images", images)
}
