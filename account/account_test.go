package account

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/revision"
	"github.com/quoitbuild/quoit/versioning"
)

func entry(path, digest string) revision.Entry {
	return revision.Entry{Path: path, Mode: "644", Digest: digest}
}

func many(count int) Account {
	var a Account
	for i := range count {
		a.Entries = append(a.Entries, entry(fmt.Sprintf("web/src/part-%02d/file-%d.ts", i%20, i), strings.Repeat("0", 64)))
	}
	return New(a)
}

func read(t *testing.T, data []byte) Account {
	t.Helper()
	a, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestTooManyFilesAreFolders(t *testing.T) {
	data, err := Format(many(20000), MaxAccount)
	if err != nil || len(data) > MaxAccount {
		t.Fatal(len(data), err)
	}
	old, now := read(t, data), many(20000)
	if reasons := Changes(old, now); reasons != nil {
		t.Errorf("nothing has changed, and there are %+v", reasons)
	}
	now.Entries[0].Digest = strings.Repeat("1", 64)
	want := []versioning.Path{{Path: "web/src/part-00/", Change: versioning.PathChanged}}
	if reasons := Changes(old, now); len(reasons) != 1 || cmp.Diff(want, reasons[0].Paths) != "" {
		t.Errorf("%+v", reasons)
	}
}

func TestANameThatIsNoTextIsTheSameAgain(t *testing.T) {
	now := New(Account{Entries: []revision.Entry{entry("a\xff\xfe.txt", "1"), {Path: "l", Link: "\xff"}}})
	data, err := Format(now, MaxAccount)
	if err != nil {
		t.Fatal(err)
	}
	if reasons := Changes(read(t, data), now); reasons != nil {
		t.Errorf("%+v", reasons)
	}
}

func TestASecretHasNoDigest(t *testing.T) {
	for name, want := range map[string]bool{
		".env": true, "a/.env.production": true, "prod.env": true, "tls/server.KEY": true, "x.pem": true, "id_rsa": true, ".npmrc": true,
		"aws/credentials": true, ".aws/config": true, "secrets/db": true, "db-password.txt": true, "my_token": true,
		"main.go": false, "token.go": false, "docs/secrets.md": false, "environment.yaml": false, "monkey": false, "lib/": false,
	} {
		digest := New(Account{Entries: []revision.Entry{entry(name, "d")}}).Entries[0].Digest
		if (digest == "") != want {
			t.Errorf("%s has the digest %q", name, digest)
		}
	}
}

func TestInstructionsAreComparedByStage(t *testing.T) {
	steps := func(texts ...string) Account {
		a := Account{File: "Dockerfile"}
		for i, text := range texts {
			stage, step, _ := strings.Cut(text, ": ")
			keyword, _, _ := strings.Cut(step, " ")
			a.Steps = append(a.Steps, Step{Stage: stage, Line: i + 1, Keyword: keyword, Digest: step})
		}
		return a
	}
	of := func(target string, a Account) Account {
		a.Target = target
		return a
	}
	old := steps("a: FROM x", "a: RUN 1", "a: RUN 2", "b: FROM a", "b: COPY 1")
	for name, c := range map[string]struct {
		now  Account
		want []string // subject, from, to
	}{
		"nothing":            {steps("a: FROM x", "a: RUN 1", "a: RUN 2", "b: FROM a", "b: COPY 1"), nil},
		"one":                {steps("a: FROM x", "a: RUN 3", "a: RUN 2", "b: FROM a", "b: COPY 1"), []string{"Dockerfile:2 RUN>RUN"}},
		"one more":           {steps("a: FROM x", "a: USER 1", "a: RUN 1", "a: RUN 2", "b: FROM a", "b: COPY 1"), []string{"Dockerfile:2 >USER"}},
		"one fewer":          {steps("a: FROM x", "a: RUN 2", "b: FROM a", "b: COPY 1"), []string{"Dockerfile:2 RUN>"}},
		"in another order":   {steps("a: FROM x", "a: RUN 2", "a: RUN 1", "b: FROM a", "b: COPY 1"), []string{"Dockerfile:2 RUN>RUN"}},
		"in two stages":      {steps("a: FROM y", "a: RUN 1", "a: RUN 2", "b: FROM a", "b: COPY 2"), []string{"Dockerfile:1 FROM>FROM", "Dockerfile:5 COPY>COPY"}},
		"other instructions": {steps("a: FROM x", "a: USER 1", "b: FROM a", "b: COPY 1"), []string{"Dockerfile:2 >USER", "Dockerfile:2 RUN>", "Dockerfile:3 RUN>"}},
		"of another target":  {of("a", steps("a: FROM x", "a: RUN 3", "a: RUN 2")), []string{" >a", "Dockerfile:2 RUN>RUN"}},
		"with another stage": {of("c", steps("a: FROM x", "a: RUN 1", "a: RUN 2", "b: FROM a", "b: COPY 1", "c: FROM b")), []string{" >c"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, reason := range Changes(old, c.now) {
				got = append(got, fmt.Sprintf("%s %s>%s", reason.Subject, reason.From, reason.To))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSealedAccountsAreFound(t *testing.T) {
	accounts := map[string]Account{"api": New(Account{File: "api/Dockerfile", Steps: []Step{}}), "tools/cli": New(Account{File: "cli/Dockerfile", Steps: []Step{}})}
	one, err := Seal(accounts)
	if err != nil {
		t.Fatal(err)
	}
	two, err := Seal(accounts)
	if err != nil || one.Digest != two.Digest {
		t.Errorf("%s and %s, error %v", one.Digest, two.Digest, err)
	}
	layer, size, err := LayerOf(one.Manifest)
	if err != nil || size != int64(len(one.Blobs[1])) {
		t.Fatal(layer, size, err)
	}
	found, err := Find(one.Blobs[1], "api", "web", "tools/cli")
	if err != nil || len(found) != len(accounts) {
		t.Fatalf("%q, error %v", found, err)
	}
	for name, account := range accounts {
		if read(t, found[name]).File != account.File {
			t.Errorf("%s: %s", name, found[name])
		}
	}
}

func TestAHostileRegistryCostsNoMoreThanASentence(t *testing.T) {
	var bomb bytes.Buffer
	zip := gzip.NewWriter(&bomb)
	files := tar.NewWriter(zip)
	zeros := make([]byte, 1<<20)
	if err := files.WriteHeader(&tar.Header{Name: FileOf("web"), Mode: 0o444, Size: 1 << 40, Format: tar.FormatPAX}); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err := files.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	for name, layer := range map[string][]byte{"a bomb": bomb.Bytes(), "nothing": nil, "no archive": []byte("x")} {
		if found, err := Find(layer, "api"); err == nil {
			t.Errorf("%s: %q", name, found)
		}
	}
	if found, _ := Find(bomb.Bytes(), "web"); len(found["web"]) > MaxAccount+1 {
		t.Errorf("%d bytes were read", len(found["web"]))
	}
	long := strings.Repeat("x", maxText+1)
	for _, data := range []string{
		"", "[]", `{"depth":-1}`, `{"depth":1000000}`, `{"file":"` + long + `"}`, `{"entries":[{"path":"` + long + `"}]}`, `{"args":{"` + long + `":""}}`,
		`{"steps":[{"keyword":"` + long + `"}]}`, `{"steps":[` + strings.Repeat("{},", maxParts) + `{}]}`, strings.Repeat(" ", MaxAccount+1),
	} {
		if a, err := Parse([]byte(data)); err == nil {
			t.Errorf("%.40s is %+v", data, a)
		}
	}
	for _, manifest := range []string{"", "{}", `{"artifactType":"application/vnd.quoit.accounts.v1+json","layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"../x","size":1}]}`,
		`{"artifactType":"application/vnd.quoit.accounts.v1+json","layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:` + strings.Repeat("0", 64) + `","size":99999999999}]}`} {
		if layer, _, err := LayerOf([]byte(manifest)); err == nil {
			t.Errorf("%s has the layer %s", manifest, layer)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"file":"a","steps":[{"line":1,"keyword":"RUN","digest":"x"}],"args":{"A":"b"},"entries":[{"path":"x/","mode":"755"}],"depth":3}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if a, err := Parse(data); err == nil {
			for _, reason := range append(Changes(a, New(Account{})), Changes(a, many(3))...) {
				if len(reason.Paths) > versioning.MaxPaths {
					t.Errorf("%d paths", len(reason.Paths))
				}
			}
		}
	})
}
