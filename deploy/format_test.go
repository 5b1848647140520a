package deploy

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// story is a site whose downgrade failed after an upgrade.
func story(t *testing.T) Record {
	t.Helper()
	w := newWorld(nil, []int{0})
	record := Record{Project: "acme/shop", Site: "eu"}
	for i, d := range []struct {
		target int
		err    string
	}{{0, ""}, {1, ""}, {0, "the Job quoit-eu ended with code 1: <no column \"name\">"}} {
		plan, err := Decide(record, w.releases[d.target], w.descends, Options{Downgrade: true})
		if err != nil {
			t.Fatal(err)
		}
		outcome := Done
		if d.err != "" {
			outcome = Failed
		}
		at := time.Date(2026, 11, 20, 12, i, 0, 0, time.UTC)
		record = record.Finish(plan, 0, outcome, Result{Time: at, Error: d.err}, w.descends)
	}
	return record
}

func TestFormat(t *testing.T) {
	for name, record := range map[string]Record{
		"new.json":   {Project: "acme/shop", Site: "eu"},
		"story.json": story(t),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Format(record)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name)
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
			again, err := Parse(got)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(record, again); diff != "" {
				t.Errorf("Parse(Format(record)) (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFormatKeepsItsBounds(t *testing.T) {
	w := newWorld(nil)
	record := Record{Project: "acme/shop", Site: "eu"}
	plan, err := Decide(record, w.releases[0], w.descends, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 * maxResults {
		result := Result{Time: time.Unix(1, 5).In(time.FixedZone("", 3600)), Error: strings.Repeat("é\xff", maxError)}
		record = record.Finish(plan, 0, Failed, result, w.descends)
	}
	text, err := Format(record)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	last := again.Results[len(again.Results)-1]
	if len(again.Results) != maxResults || len(last.Error) > maxError || !utf8.ValidString(last.Error) || !strings.HasSuffix(last.Error, " ...") {
		t.Errorf("%d results, the last of %d bytes: %q", len(again.Results), len(last.Error), last.Error)
	}
	record.Site = strings.Repeat("s", MaxRecord)
	if _, err := Format(record); err == nil {
		t.Error("a record that is too long was written")
	}
}

func TestParseRefuses(t *testing.T) {
	valid, err := Format(story(t))
	if err != nil {
		t.Fatal(err)
	}
	one := history().releases[0].Digest
	two := history().releases[1].Digest
	without := func(from, to string) string {
		text := string(valid)
		start, end := strings.Index(text, from), strings.Index(text, to)
		if start < 0 || end < start {
			t.Fatalf("the record has no %q before %q", from, to)
		}
		return text[:start] + text[end:]
	}
	swap := func(old, with string) string {
		if !strings.Contains(string(valid), old) {
			t.Fatalf("the record has no %q", old)
		}
		return strings.Replace(string(valid), old, with, 1)
	}
	for name, test := range map[string]struct{ text, want string }{
		"no JSON":             {"{", "broken"},
		"no schema":           {swap(`"schema": 1,`, ``), "no schema number"},
		"schema zero":         {swap(`"schema": 1`, `"schema": 0`), "no schema number"},
		"an unknown field":    {swap(`"site": "eu"`, `"site": "eu", "colour": "red"`), `unknown field "colour"`},
		"something behind it": {string(valid) + "{}", "after top-level value"},
		"no site":             {swap(`"site": "eu"`, `"site": ""`), "lacks a project or a site"},
		"a bad digest":        {swap(one, "sha256:1"), "not a digest"},
		"another algorithm":   {swap(one, "sha512:"+strings.Repeat("0", 128)), "not a digest"},
		"an unknown action":   {swap(`"downgrade"`, `"sidegrade"`), `"sidegrade" is not an action`},
		"a bad version":       {swap(`"2.0.0"`, `"2.0"`), "not a version"},
		"nothing attempted":   {without(`  "attempted"`, `  "phase"`), "does not fit"},
		"no phase":            {without(`  "phase"`, `  "reached"`), "there is no phase"},
		"nothing reached":     {without(`  "reached"`, `  "results"`), "not among those reached"},
		"reached twice":       {strings.ReplaceAll(string(valid), two, one), "twice"},
		"a time with a zone":  {swap(`12:00:00Z`, `12:00:00+05:00`), "not in whole seconds of UTC"},
		"a time of fractions": {swap(`12:00:00Z`, `12:00:00.5Z`), "not in whole seconds of UTC"},
		"too long":            {string(valid) + strings.Repeat(" ", MaxRecord), "the limit is 262144"},
		"installed and reached": {`{"schema":1,"project":"p","site":"s","installed":{"version":"1.0.0","digest":"` + one +
			`"},"reached":[{"version":"1.0.0","digest":"` + two + `"}]}`, "it rests"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want %q", err, test.want)
			}
		})
	}
	var newer *SchemaError
	if _, err := Parse([]byte(swap(`"schema": 1`, `"schema": 2, "more": []`))); !errors.As(err, &newer) || newer.Got != 2 {
		t.Errorf("a newer record: %v", err)
	}
}

// FuzzParse checks that what can be read can be written, and is the same then.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"new.json", "story.json"} {
		seed, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		record, err := Parse(data)
		if err != nil {
			return
		}
		text, err := Format(record)
		if err != nil {
			t.Fatalf("writing what was read: %v", err)
		}
		again, err := Parse(text)
		if err != nil {
			t.Fatalf("reading what was written: %v", err)
		}
		if diff := cmp.Diff(record, again); diff != "" {
			t.Error(diff)
		}
	})
}
