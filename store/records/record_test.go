package records

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/labels"
	"github.com/quoitbuild/quoit/versioning"
)

func sample() Record {
	return Record{
		Schema: Schema, Sequence: 42, Parent: sha("41"), Operation: OpPublish, Signature: signature(7),
		Before: Table{"dev": {Root: "deploy", Version: version("0.1.0"), Digest: sha("1"), Record: 3, Release: 1}, "users": {Root: "deploy"}},
		After:  Table{"dev": {Root: "deploy", Version: version("0.2.0"), Digest: sha("2"), Record: 42, Release: 2, Lineage: "1"}, "users": {Root: "deploy"}},
		Holds:  map[string]Hold{"users": {Record: 40, Reason: "an audit"}}, Releases: 2,
		Undo:  &Shifted{Record: 41, Moves: []versioning.Move{{From: "dev", To: "users"}}},
		Gates: []Gate{{Ring: "users", Image: "smoke", Digest: sha("5"), Passed: true}},
		Required: []Required{
			{Ring: "dev", Image: "api", Timeout: 600},
			{Ring: "users", Image: "api", Command: []string{"/smoke", "--all"}, Network: true, Secrets: []string{"TOKEN"}, Timeout: 1},
		},
		Images: map[string]Image{
			"deploy": {version("0.2.0"), sha("2"), true, ""},
			"base":   {version("1.0.0"), sha("3"), false, ""},
			"api":    {version("0.7.1"), sha("4"), true, ""},
		},
		Parents: []versioning.Parent{{Version: version("0.1.0"), Digest: sha("1")}},
	}
}

func TestRecordsComeBack(t *testing.T) {
	sealed, err := Seal(sample())
	if err != nil {
		t.Fatal(err)
	}
	opened, err := Open(sealed.Manifest, sealed.Config)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sealed, opened); diff != "" {
		t.Errorf("opened is not what was sealed (-sealed +opened):\n%s", diff)
	}
	for range 25 {
		again, err := Seal(sample())
		if err != nil || !bytes.Equal(again.Manifest, sealed.Manifest) || !bytes.Equal(again.Config, sealed.Config) {
			t.Fatal("the same record has other bytes", err)
		}
	}
	want := []Content{{"api", "0.7.1", sha("4")}, {"deploy", "0.2.0", sha("2")}}
	if diff := cmp.Diff(want, opened.Record.Versions()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"dev"}, opened.Record.Moved()); diff != "" {
		t.Error(diff)
	}
}

// Golden: other bytes would make records of different versions of Quoit differ.
func TestBytesAreFrozen(t *testing.T) {
	sealed, err := Seal(Record{Schema: 1, Sequence: 1, Operation: OpSet, Signature: signature(1), After: Table{"dev": {Root: "deploy", Version: version("0.1.0"), Digest: "sha256:" + strings.Repeat("ab", 32)}}})
	if err != nil {
		t.Fatal(err)
	}
	const config = `{"architecture":"amd64","os":"linux","config":{"Labels":{"io.github.quoitbuild.record":"{\"schema\":1,\"sequence\":1,\"operation\":\"set\",\"id\":\"00000000000000000000000000000001\",\"actor\":\"tester\",\"time\":\"2026-01-02T03:04:05Z\",\"before\":{},\"after\":{\"dev\":{\"root\":\"deploy\",\"version\":\"0.1.0\",\"digest\":\"sha256:abababababababababababababababababababababababababababababababab\"}}}"}},"rootfs":{"type":"layers","diff_ids":[]}}`
	if diff := cmp.Diff(config, string(sealed.Config)); diff != "" {
		t.Error(diff)
	}
	manifest := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.quoit.record.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"%s","size":%d},"layers":[]}`, digestOf(sealed.Config), len(sealed.Config))
	if diff := cmp.Diff(manifest, string(sealed.Manifest)); diff != "" {
		t.Error(diff)
	}
	for what, c := range map[string]struct {
		sealed       Sealed
		want         string
		recognised   func(string) bool
		artifactType string
		label        string
	}{
		"emptied ring":   {sealed: Nothing(), want: "sha256:a97137bc5c2226a5ddbe0488beace9c934f10729d6e7c9ee2ba95f26ed14341e", recognised: IsNothing, artifactType: emptyType, label: labels.Empty},
		"pruned version": {sealed: Tombstone(), want: "sha256:83077296a2ebc80b89ab3b7bb0631e110b7f9a15afa1c1b6b878949d13dded21", recognised: IsTombstone, artifactType: prunedType, label: labels.Pruned},
	} {
		old, err := seal(c.artifactType, entry{Labels: map[string]string{c.label: "true"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.sealed.Digest != c.want || !c.recognised(c.want) || !c.recognised(old.Digest) || c.recognised(digestOf(nil)) || c.recognised("") {
			t.Errorf("the manifest of the %s is %s, not %s; what was written before is %s", what, c.sealed.Digest, c.want, old.Digest)
		}
	}
}

// TestArtifactsSayWhatTheyAre: to who pulls one, looks at it, or runs it. A slash in an
// entry point would make it a path.
func TestArtifactsSayWhatTheyAre(t *testing.T) {
	for _, sealed := range []Sealed{Nothing(), Tombstone()} {
		var m struct{ Annotations map[string]string }
		var c struct {
			Config struct {
				Labels     map[string]string
				Entrypoint []string
			}
		}
		if err := errors.Join(json.Unmarshal(sealed.Manifest, &m), json.Unmarshal(sealed.Config, &c)); err != nil {
			t.Fatal(err)
		}
		said := c.Config.Labels[description]
		if len(strings.Fields(said)) < 4 || strings.Contains(said, "/") || m.Annotations[description] != said || !slices.Equal(c.Config.Entrypoint, []string{said}) {
			t.Errorf("label %q, annotation %q, entry point %q", said, m.Annotations[description], c.Config.Entrypoint)
		}
	}
}

func TestBrokenRecords(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Record)
		want   string
	}{
		"no sequence":        {func(r *Record) { r.Sequence = 0 }, "its sequence is 0"},
		"too late":           {func(r *Record) { r.Sequence = 100_000_000 }, "its sequence is 100000000"},
		"a first one":        {func(r *Record) { r.Sequence = 1 }, "it is the first, and has a parent or a table before"},
		"no parent":          {func(r *Record) { r.Parent = "" }, `its parent is ""`},
		"an operation":       {func(r *Record) { r.Operation = "Do it" }, `its operation is "Do it"`},
		"of the future":      {func(r *Record) { r.Of = 42 }, "it is of record 42, which does not come before it"},
		"a void of another":  {func(r *Record) { r.Operation, r.Of = OpVoid, 40 }, "it is a void of record 40, not of the one before it"},
		"an id":              {func(r *Record) { r.ID = "7" }, `its id is "7"`},
		"a fraction of time": {func(r *Record) { r.Time = r.Time.Add(1) }, "its time is 2026-01-02T03:04:05.000000001Z"},
		"a control":          {func(r *Record) { r.Message = "a\x1b[2J" }, `its message "a\x1b[2J" is longer than`},
		"a long actor":       {func(r *Record) { r.Actor = strings.Repeat("x", 3000) }, "its actor "},
		"a ring's name":      {func(r *Record) { r.After["A"] = Place{Root: "x"} }, `"A" is not a name for the ring`},
		"a root's name":      {func(r *Record) { r.After["dev"] = Place{} }, `ring dev: "" is not a name for the root image`},
		"a ring's digest":    {func(r *Record) { r.After["dev"] = Place{Root: "deploy", Version: version("1.0.0"), Digest: "x"} }, `ring dev: version 1.0.0 has the digest "x"`},
		"a forgotten ring":   {func(r *Record) { delete(r.After, "users") }, "ring users is in the table before and not in the one after"},
		"an image":           {func(r *Record) { r.Images["x"] = Image{} }, `image "x" has version 0.0.0 and digest ""`},
		"an image's name":    {func(r *Record) { r.Images[".."] = Image{} }, `".." is not a name for the image`},
		"a parent":           {func(r *Record) { r.Parents[0].Digest = "y" }, `a parent has version 0.1.0 and digest "y"`},
		"a hold":             {func(r *Record) { r.Holds["users"] = Hold{Record: 43} }, "ring users is held by record 43"},
		"a hold's reason":    {func(r *Record) { r.Holds["users"] = Hold{1, "\x1b"} }, "ring users is held by record 1"},
		"a release's number": {func(r *Record) { r.Releases = 1 }, "ring dev: release 2 of 1, by record 42"},
		"a place's record":   {func(r *Record) { r.Releases, r.Sequence = 2, 41 }, "ring dev: release 2 of 2, by record 42"},
		"a lineage":          {func(r *Record) { p := r.After["dev"]; p.Lineage = "2-1"; r.After["dev"] = p }, `descends from "2-1"`},
		"its own ancestor":   {func(r *Record) { p := r.After["dev"]; p.Lineage = "1-2"; r.After["dev"] = p }, `descends from "1-2"`},
		"a shift to undo":    {func(r *Record) { r.Undo.Record = 43 }, "record 43 can be undone"},
		"a shift below":      {func(r *Record) { r.Below = &Shifted{Record: 42} }, "record 42 can be undone"},
		"a shift's ring":     {func(r *Record) { r.Undo.Moves[0].To = "Users" }, `"Users" is not a name for the ring`},
		"a gate":             {func(r *Record) { r.Gates[0].Digest = "x" }, `the gate of ring "users" is "smoke", "x"`},
		"a skipped gate":     {func(r *Record) { r.Gates[0].Skipped = "it passed" }, `skipped for "it passed"`},
		"a gate's reason":    {func(r *Record) { r.Gates[0] = Gate{"users", "smoke", sha("5"), false, "\x1b"} }, `skipped for "\x1b"`},
		"too many gates":     {func(r *Record) { r.Required = make([]Required, 101) }, "101 gates, more than 100"},
		"a required image":   {func(r *Record) { r.Required[1].Image = "API" }, `a gate of ring "users", "API"`},
		"a required time":    {func(r *Record) { r.Required[1].Timeout = 0 }, "for 0 seconds"},
		"a required secret":  {func(r *Record) { r.Required[1].Secrets[0] = "../x" }, `a gate of ring "users"`},
		"a long command":     {func(r *Record) { r.Required[1].Command[1] = strings.Repeat("x", 8<<10) }, "a command of 8198 bytes"},
		"what is taken":      {func(r *Record) { r.Taken = []Content{{"a", "b", ""}} }, `it is void for the tag "b" of "a"`},
	} {
		t.Run(name, func(t *testing.T) {
			record := sample()
			test.change(&record)
			if _, err := Format(record); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("writing: got %v, want %s", err, test.want)
			}
			data, err := json.Marshal(record)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Parse(data); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("reading: got %v, want %s", err, test.want)
			}
		})
	}
}

func TestLimitsAndForms(t *testing.T) {
	newer := new(SchemaError)
	if _, err := Parse([]byte(`{"schema":3,"sequence":"x"}`)); !errors.As(err, &newer) || newer.Got != 3 {
		t.Errorf("a newer record: %v", err)
	}
	for text, want := range map[string]string{
		"":                               "the record is broken",
		"{}":                             "no schema number",
		"{}{}":                           "the record is broken",
		strings.Repeat(" ", MaxRecord+1): "bytes, more than",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.10q: %v", text, err)
		}
	}
	large := sample()
	for i := range 9000 {
		large.Images[fmt.Sprintf("image-%d", i)] = Image{version("10.20.30"), sha(fmt.Sprint(i)), true, ""}
	}
	if data, err := Format(large); err != nil || len(data) < 1<<20 {
		t.Errorf("nine thousand images: %d bytes, %v", len(data), err)
	}
	for i := range 9000 {
		large.Images[fmt.Sprintf("more-%d", i)] = Image{version("10.20.30"), sha(fmt.Sprint(i)), true, ""}
	}
	if _, err := Format(large); err == nil {
		t.Error("a record larger than the limit was written")
	}
}

func TestAlteredRecordsDoNotOpen(t *testing.T) {
	sealed, err := Seal(sample())
	if err != nil {
		t.Fatal(err)
	}
	altered := bytes.Replace(sealed.Config, []byte("tester"), []byte("TESTER"), 1)
	if _, err := Open(sealed.Manifest, altered); err == nil || !strings.Contains(err.Error(), "was altered") {
		t.Error(err)
	}
	empty := Nothing()
	if _, err := Open(empty.Manifest, empty.Config); !errors.Is(err, ErrNotRecord) {
		t.Error(err)
	}
	if _, err := Open([]byte("{"), nil); err == nil {
		t.Error("a broken manifest was opened")
	}
}

func TestNames(t *testing.T) {
	hex := strings.Repeat("0a", 32)
	for tag, want := range map[string]Name{
		"records":                        {Mark: Hint},
		"record-00000042":                {Sequence: 42},
		"record-00000042-r01-try-" + hex: {Try, 42, 1, "sha256:" + hex},
		"record-00000042-r12-yes-" + hex: {Yes, 42, 12, "sha256:" + hex},
		"record-99999999-r100-no-" + hex: {No, 99_999_999, 100, "sha256:" + hex},
		"record-00000001-done-" + hex:    {Done, 1, 0, "sha256:" + hex},
		"record-00000001-doubt-" + hex:   {Doubt, 1, 0, "sha256:" + hex},
		"ring-users":                     {Mark: Ring, Value: "users"},
		"ring-users-eu":                  {Mark: Ring, Value: "users-eu"},
	} {
		if got, ok := ParseName(tag); !ok || got != want || got.String() != tag || len(tag) > 128 {
			t.Errorf("%s: %+v, %v, %s", tag, got, ok, got)
		}
	}
	for _, tag := range []string{
		"", "record", "record-", "record-1", "record-00000000", "record-000000042", "record-00000042-", "record-00000042-r01-try-" + hex[1:],
		"record-00000042-r00-try-" + hex, "record-00000042-r1-try-" + hex, "record-00000042-r01-maybe-" + hex, "record-00000042-try-" + hex,
		"record-00000042-r01-done-" + hex, "record-00000042-r01-try-" + strings.ToUpper(hex), "record-00000042-r01-try-" + hex + "-x", "1.2.3",
		"ring", "ring-", "ring-Users", "ring-a/b", "ring-" + strings.Repeat("a", 200),
	} {
		if got, ok := ParseName(tag); ok {
			t.Errorf("%q is taken for %+v", tag, got)
		}
	}
}

func FuzzParseName(f *testing.F) {
	f.Add("record-00000042-r01-try-" + strings.Repeat("0a", 32))
	f.Fuzz(func(t *testing.T, tag string) {
		if name, ok := ParseName(tag); ok && name.String() != tag {
			t.Errorf("%q is %q", tag, name)
		}
	})
}

// Whatever is read can be written and read again, and is the same then.
func FuzzParse(f *testing.F) {
	data, err := Format(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		record, err := Parse(data)
		if err != nil {
			return
		}
		written, err := Format(record)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		again, err := Parse(written)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if twice, err := Format(again); err != nil || !bytes.Equal(twice, written) {
			t.Fatal(err)
		}
	})
}

// The operations' names are in logs that were written long ago.
func TestOperationNames(t *testing.T) {
	for name, operation := range map[string]string{
		"publish": OpPublish, "adopt": OpTakeOver, "shift": OpShift, "unshift": OpUnshift, "set": OpSet,
		"hold": OpHold, "unhold": OpUnhold, "prune": OpPrune, "void": OpVoid, "keep": OpKeep,
	} {
		if name != operation {
			t.Errorf("%q is written %q", name, operation)
		}
	}
}
