package labels

import (
	"strings"
	"testing"
)

func TestBrokenReleases(t *testing.T) {
	set := func(value any, path ...string) string {
		return change(t, func(free map[string]any) {
			for _, key := range path[:len(path)-1] {
				free = free[key].(map[string]any)
			}
			free[path[len(path)-1]] = value
		})
	}
	const prefix = "label io.github.quoitbuild.release: "
	for name, test := range map[string]struct{ release, want string }{
		"nothing":       {"", "the release is broken: unexpected end of JSON input"},
		"two documents": {"{}{}", "the release is broken: invalid character '{' after top-level value"},
		"too long":      {strings.Repeat(" ", MaxRelease+1), "the release has 1048577 bytes, more than 1048576"},
		"too deep":      {strings.Repeat(`{"a":`, 20_000), "the release is broken: "},
		"no schema":     {`{"images":{}}`, "the release has no schema number"},
		"schema zero":   {`{"schema":0}`, "the release has no schema number"},
		"no root":       {set("cart", "root"), `the root image "cart" is not an image of the release`},
		"no images":     {set(nil, "images"), `the root image "deploy" is not an image of the release`},
		// What encoding/json adds to these is its own business.
		"another form":                    {set("x", "images"), "the release is broken: json: cannot unmarshal string into Go struct field "},
		"a loose version":                 {set("v1.2", "images", "api", "version"), `the release is broken: "v1.2" is not a version like 1.2.3`},
		"a huge version":                  {set("1.2.99999999999999999999", "retired", "cart"), `the release is broken: "1.2.99999999999999999999" is not a version like 1.2.3`},
		"a bad project":                   {set("acme/../shop", "project"), `"acme/../shop" is not a name for the project: lower-case letters and digits, separated by . _ - or /`},
		"a bad revision":                  {set("sha256:12", "images", "api", "revision"), `image "api": the revision is "sha256:12", not sha256: and 64 hexadecimal digits`},
		"a bad platform":                  {set([]string{"linux amd64"}, "images", "api", "platforms"), `image "api": "linux amd64" is not a platform like linux/amd64`},
		"a bad digest":                    {set("md5:1", "images", "base", "externals", "x"), `image "base": the digest of x is "md5:1", not sha256: and 64 hexadecimal digits`},
		"no reference":                    {set(digestOf("1"), "images", "base", "externals", ""), `image "base": an external has no reference`},
		"a long reference":                {set(map[string]string{"reference": strings.Repeat("x", 3000)}, "externals", "postgres"), `external "postgres": the reference "` + strings.Repeat("x", 40) + `" is longer than 2048 bytes or has control characters`},
		"a bad external":                  {set(map[string]string{}, "externals", "a b"), `"a b" is not a name for the external: lower-case letters and digits, separated by . _ - or /`},
		"a bad image":                     {set(map[string]string{}, "retired", "A"), "the release is broken: json: cannot unmarshal object into Go struct field "},
		"a bad retired one":               {set("1.0.0", "retired", "A"), `"A" is not a name for the retired image: lower-case letters and digits, separated by . _ - or /`},
		"both here and gone":              {set("1.0.0", "retired", "api"), `image "api" is in the release and retired from it`},
		"a bad parent":                    {set([]any{map[string]string{"version": "1.0.0", "digest": "x"}}, "parents"), `the digest of parent 1.0.0 is "x", not sha256: and 64 hexadecimal digits`},
		"a control character":             {set("a\x1b[2Jb", "source"), `the source "a\x1b[2Jb" is longer than 2048 bytes or has control characters`},
		"a dependency that is no image":   {set("1.0.0", "images", "api", "dependencies", "moon"), `image "api": it depends on "moon", which is not an image of the release`},
		"nothing that it depends on":      {set([]string{"deploy"}, "images", "api", "runtime"), `image "api": it needs "deploy" at run time, which is not one of its dependencies`},
		"a dependency's other version":    {set("1.0.1", "images", "api", "dependencies", "base"), `image "api": it depends on base 1.0.1, the release has 1.0.0`},
		"a circle":                        {set(map[string]string{"api": "0.2.3"}, "images", "base", "dependencies"), "images need each other in a circle: api → base → api"},
		"a root without some of its rest": {set(map[string]string{"api": "0.2.3"}, "images", "deploy", "dependencies"), `the root image "deploy" has to depend on all the other images`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(map[string]string{Release: test.release})
			if err == nil || !strings.HasPrefix(err.Error(), prefix+test.want) {
				t.Errorf("got  %v\nwant %s", err, prefix+test.want)
			}
		})
	}
}

func TestLabelsThatDoNotAgreeWithTheRelease(t *testing.T) {
	for key, test := range map[string]struct{ value, want string }{
		Version:             {"9.9.9", `it says "9.9.9", the release says "0.2.3"`},
		Revision:            {digestOf("9"), `it says "` + digestOf("9") + `", the release says "` + digestOf("de") + `"`},
		RefName:             {"acme/shop/api", `it says "acme/shop/api", the release says "acme/shop/deploy"`},
		"dependency.api":    {"0.2.4", `it says "0.2.4", the release says "0.2.3"`},
		"dependency.moon":   {"1.0.0", `"moon" is not an image of the release`},
		"dependency.deploy": {"0.2.3", `"deploy" is not an image of the release`},
	} {
		t.Run(key, func(t *testing.T) {
			labels := rootLabels(t, shop())
			labels[key] = test.value
			if _, err := Parse(labels); err == nil || err.Error() != "label "+key+": "+test.want {
				t.Errorf("got  %v\nwant label %s: %s", err, key, test.want)
			}
		})
	}
}

// Whatever is read can be written and read again, and is the same then.
func FuzzParse(f *testing.F) {
	f.Add(rootLabels(f, shop())[Release], "0.2.3", "1.0.0")
	f.Add(`{"schema":1,"project":"a","root":"a","images":{"a":{"version":"0.1.0","revision":"`+digestOf("")+`"}}}`, "0.1.0", "")
	f.Add(`{"schema":2}`, "", "")
	f.Add(`{"schema":1,"images":{"a":null},"root":"a"}`, "1.2.3", "x")
	f.Fuzz(func(t *testing.T, release, version, dependency string) {
		labels := map[string]string{Release: release, Version: version}
		if dependency != "" {
			labels[Dependency+"base"] = dependency
		}
		read, err := Parse(labels)
		if err != nil {
			return
		}
		written, err := FormatRelease(read)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		again, err := ParseRelease(written)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, written)
		}
		if twice, err := FormatRelease(again); err != nil || string(twice) != string(written) {
			t.Fatalf("%v\n%s\n%s", err, written, twice)
		}
	})
}
