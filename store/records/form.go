package records

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/quoitbuild/quoit/versioning"
)

var (
	nameForm      = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
	operationForm = regexp.MustCompile(`^[a-z]{1,32}$`)
	idForm        = regexp.MustCompile(`^[0-9a-f]{32}$`)
	secretForm    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	commitForm    = regexp.MustCompile(`^(?:[0-9a-f]{40}|[0-9a-f]{64})$`)
)

const (
	maxName     = 128
	maxText     = 2048
	maxMessage  = 64 << 10
	maxTimeout  = 24 * 60 * 60 // seconds
	maxSequence = 99_999_999   // eight digits, so that tags sort
)

// check compares a record with what [Parse] promises.
func check(r Record) error {
	switch {
	case r.Schema < 1 || r.Schema > Schema:
		return &SchemaError{Got: r.Schema, Known: Schema}
	case r.Schema == 1 && len(r.Tops)+len(r.Under)+len(r.Assigned)+len(r.Digests) > 0:
		return fmt.Errorf("it is of schema 1, and has fields of a later one")
	case r.Sequence < 1 || r.Sequence > maxSequence:
		return fmt.Errorf("its sequence is %d, not 1 to %d", r.Sequence, maxSequence)
	case r.Sequence == 1 && (r.Parent != "" || len(r.Before) > 0):
		return fmt.Errorf("it is the first, and has a parent or a table before")
	case r.Sequence > 1 && !isDigest(r.Parent):
		return fmt.Errorf("its parent is %.80q, not sha256: and 64 hexadecimal digits", r.Parent)
	case !operationForm.MatchString(r.Operation):
		return fmt.Errorf("its operation is %.40q, not 1 to 32 lower-case letters", r.Operation)
	case r.Of >= r.Sequence:
		return fmt.Errorf("it is of record %d, which does not come before it", r.Of)
	case (r.Operation == OpVoid || r.Operation == OpKeep) && r.Of != r.Sequence-1:
		return fmt.Errorf("it is a %s of record %d, not of the one before it", r.Operation, r.Of)
	}
	if err := r.Signature.check(); err != nil {
		return err
	}
	return checkContents(r)
}

func (s Signature) check() error {
	if !idForm.MatchString(s.ID) {
		return fmt.Errorf("its id is %.40q, not 32 hexadecimal digits", s.ID)
	}
	if year := s.Time.Year(); !s.Time.Equal(s.Time.Truncate(time.Second)) || s.Time.Location() != time.UTC || year < 1970 || year > 9999 {
		return fmt.Errorf("its time is %s, not whole seconds in UTC", s.Time.Format(time.RFC3339Nano))
	}
	for _, text := range []struct {
		name, value string
		most        int
	}{{"actor", s.Actor, maxText}, {"message", s.Message, maxMessage}, {"source", s.Source, maxText}, {"commit", s.Commit, maxText}} {
		if len(text.value) > text.most || !printable(text.value) {
			return fmt.Errorf("its %s %.40q is longer than %d bytes or has control characters", text.name, text.value, text.most)
		}
	}
	return nil
}

func printable(text string) bool {
	for _, r := range text {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return false
		}
	}
	return utf8.ValidString(text)
}

func checkContents(r Record) error {
	if err := checkTables(r); err != nil {
		return err
	}
	if err := cmp.Or(checkHolds(r), checkShifts(r), checkTops(r), checkAssigned(r), checkDigests(r)); err != nil {
		return err
	}
	if err := checkGates(r); err != nil {
		return err
	}
	for _, name := range sortedKeys(r.Images) {
		image := r.Images[name]
		if err := checkName("image", name); err != nil {
			return err
		}
		if image.Version.IsZero() || !isDigest(image.Digest) {
			return fmt.Errorf("image %q has version %s and digest %.80q", name, image.Version, image.Digest)
		}
		if image.Account != "" && !isDigest(image.Account) {
			return fmt.Errorf("image %q has the account %.80q", name, image.Account)
		}
	}
	for _, commit := range r.Ancestors {
		if !IsCommit(commit) {
			return fmt.Errorf("its commit descends from %.80q, which is not 40 or 64 hexadecimal digits", commit)
		}
	}
	for _, parent := range r.Parents {
		if parent.Version.IsZero() || parent.Digest != "" && !isDigest(parent.Digest) {
			return fmt.Errorf("a parent has version %s and digest %.80q", parent.Version, parent.Digest)
		}
	}
	for _, tag := range r.Taken {
		if checkName("image", tag.Repository) != nil || checkName("tag", tag.Tag) != nil || !isDigest(tag.Digest) {
			return fmt.Errorf("it is void for the tag %.80q of %.80q, which is not a tag", tag.Tag, tag.Repository)
		}
	}
	return nil
}

// checkGates checks the gates that were run, and those that the release has to pass.
func checkGates(r Record) error {
	for _, gate := range r.Gates {
		reason := len(gate.Skipped) <= maxText && printable(gate.Skipped) && !(gate.Passed && gate.Skipped != "")
		absent := gate.Digest == "" && gate.Skipped != "" // a reason to skip it
		if checkName("ring", gate.Ring) != nil || checkName("image", gate.Image) != nil || !isDigest(gate.Digest) && !absent || !reason {
			return fmt.Errorf("the gate of ring %.40q is %.40q, %.80q, skipped for %.40q", gate.Ring, gate.Image, gate.Digest, gate.Skipped)
		}
	}
	if len(r.Required) > MaxRequired {
		return fmt.Errorf("its release has to pass %d gates, more than %d", len(r.Required), MaxRequired)
	}
	for _, gate := range r.Required {
		size := 0
		for _, word := range gate.Command {
			size += len(word)
		}
		secrets := len(gate.Secrets) <= MaxRequired && !slices.ContainsFunc(gate.Secrets, func(name string) bool { return !secretForm.MatchString(name) })
		if checkName("ring", gate.Ring) != nil || checkName("image", gate.Image) != nil || !secrets ||
			size > MaxCommand || len(gate.Command) > MaxCommand || gate.Timeout < 1 || gate.Timeout > maxTimeout {
			return fmt.Errorf("its release has to pass a gate of ring %.40q, %.40q for %d seconds with a command of %d bytes", gate.Ring, gate.Image, gate.Timeout, size)
		}
	}
	return nil
}

// checkTables compares what the tables say of releases with what the record can know.
func checkTables(r Record) error {
	last, _ := strconv.ParseUint(string(r.Pruned[strings.LastIndexAny(string(r.Pruned), ",-")+1:]), 10, 64) // 0 for none
	if !r.Pruned.Valid() || last > r.Releases {
		return fmt.Errorf("%.80q of %d releases were pruned", r.Pruned, r.Releases)
	}
	for _, ring := range sortedKeys(r.After) {
		if place := r.After[ring]; !place.Empty() && r.Pruned.Has(place.Release) {
			return fmt.Errorf("ring %s: release %s was pruned", ring, place.Version)
		}
	}
	for _, table := range []Table{r.Before, r.After} {
		for _, ring := range sortedKeys(table) {
			if err := cmp.Or(checkName("ring", ring), checkName("root image", table[ring].Root), r.checkPlace(table[ring])); err != nil {
				return fmt.Errorf("ring %.40s: %w", ring, err)
			}
		}
	}
	for _, ring := range sortedKeys(r.Before) {
		if _, found := r.After[ring]; !found {
			return fmt.Errorf("ring %s is in the table before and not in the one after", ring)
		}
	}
	return nil
}

// checkPlace compares what a record says of a release with what it can know.
func (r Record) checkPlace(place Place) error {
	if (place.Digest == "") != place.Version.IsZero() || place.Digest != "" && !isDigest(place.Digest) {
		return fmt.Errorf("version %s has the digest %.80q", place.Version, place.Digest)
	}
	if place != (Place{}) {
		if err := checkName("root image", place.Root); err != nil {
			return err
		}
	}
	numbers := place.Record > r.Sequence || place.Release > r.Releases || r.Releases > versioning.MaxRelease
	if numbers || !place.Lineage.Valid() || place.Lineage.Has(place.Release) {
		return fmt.Errorf("release %d of %d, by record %d, descends from %.80q", place.Release, r.Releases, place.Record, place.Lineage)
	}
	return nil
}

func checkHolds(r Record) error {
	for _, holds := range []map[string]Hold{r.Holds, r.Unheld} {
		for _, ring := range sortedKeys(holds) {
			hold := holds[ring]
			if err := checkName("held ring", ring); err != nil {
				return err
			}
			if hold.Record < 1 || hold.Record > r.Sequence || len(hold.Reason) > maxText || !printable(hold.Reason) {
				return fmt.Errorf("ring %s is held by record %d, for the reason %.40q", ring, hold.Record, hold.Reason)
			}
		}
	}
	return nil
}

func checkShifts(r Record) error {
	for _, shift := range []*Shifted{r.Undo, r.Below} {
		if shift == nil {
			continue
		}
		if shift.Record < 1 || shift.Record > r.Sequence || shift == r.Below && shift.Record == r.Sequence {
			return fmt.Errorf("it says that record %d can be undone", shift.Record)
		}
		for _, move := range shift.Moves {
			if err := cmp.Or(checkName("ring", move.From), checkName("ring", move.To)); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkTops looks at the shifts that can be undone, and at those below them.
func checkTops(r Record) error {
	for _, tops := range []map[string]versioning.Top{r.Tops, r.Under} {
		for _, ring := range sortedKeys(tops) {
			top := tops[ring]
			if err := cmp.Or(checkName("ring", ring), checkName("ring", top.From), r.checkPlace(top.Given), r.checkPlace(top.Displaced)); err != nil {
				return fmt.Errorf("the shift to undo in ring %.40q: %w", ring, err)
			}
			if top.Record < 1 || top.Record > r.Sequence || top.Given.Empty() {
				return fmt.Errorf("ring %s: it says that record %d can be undone, which gave %q", ring, top.Record, top.Given.Digest)
			}
		}
	}
	for _, ring := range sortedKeys(r.Under) {
		if r.Under[ring].Record >= r.Tops[ring].Record {
			return fmt.Errorf("ring %s: record %d can be undone below record %d", ring, r.Under[ring].Record, r.Tops[ring].Record)
		}
	}
	return nil
}

func checkAssigned(r Record) error {
	for _, image := range sortedKeys(r.Assigned) {
		if err := checkName("image", image); err != nil {
			return err
		}
		last := versioning.Version{}
		for i, line := range r.Assigned[image] {
			v := line.Version
			later := i == 0 || v.Major > last.Major || v.Major == last.Major && v.Minor > last.Minor
			if v.IsZero() || !later || line.First > line.Last || line.Last > r.Releases || (line.First == 0) != (line.Last == 0) {
				return fmt.Errorf("of image %s version %s was assigned, to releases %d to %d of %d", image, v, line.First, line.Last, r.Releases)
			}
			last = v
		}
	}
	return nil
}

func checkDigests(r Record) error {
	for number, digest := range r.Digests {
		if number < 1 || number >= r.Sequence || !isDigest(digest) {
			return fmt.Errorf("it says that record %d is %.80q", number, digest)
		}
	}
	return nil
}

func checkName(what, name string) error {
	if len(name) > maxName || !nameForm.MatchString(name) {
		return fmt.Errorf("%.40q is not a name for the %s: lower-case letters and digits, separated by . _ - or /", name, what)
	}
	return nil
}

// isDigest reports whether a text is sha256: and 64 hexadecimal digits.
func isDigest(text string) bool {
	hex, found := strings.CutPrefix(text, "sha256:")
	return found && len(hex) == 64 && strings.Trim(hex, "0123456789abcdef") == ""
}

// IsCommit reports whether a text is the id of a git commit in full: 40 or 64
// hexadecimal digits. What a record says in [Signature.Commit] need not be one.
func IsCommit(text string) bool { return commitForm.MatchString(text) }
