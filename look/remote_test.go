package look

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/moby/buildkit/solver/pb"

	"github.com/quoitbuild/quoit/llb"
	"github.com/quoitbuild/quoit/registry"
)

// served is a file on a web server.
type served struct {
	*httptest.Server
	content  string
	modified time.Time // zero: not said
	etag     string
	sent     int // how often the file itself was sent
}

func serve(t *testing.T) *served {
	s := &served{content: "one"}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.etag != "" {
			w.Header().Set("ETag", s.etag)
		}
		counted := &countedBytes{ResponseWriter: w}
		http.ServeContent(counted, r, "", s.modified, strings.NewReader(s.content))
		if counted.bytes > 0 {
			s.sent++
		}
	}))
	t.Cleanup(s.Close)
	return s
}

type countedBytes struct {
	http.ResponseWriter
	bytes int
}

func (c *countedBytes) Write(p []byte) (int, error) {
	c.bytes += len(p)
	return c.ResponseWriter.Write(p)
}

func resolve(t *testing.T, r remotes, address string) string {
	t.Helper()
	sum, err := r.ResolveRemote(t.Context(), &pb.SourceOp{Identifier: address})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestAFileIsReadOnceWhereItsServerSaysThatItIsTheSame(t *testing.T) {
	for name, c := range map[string]struct {
		address string // behind the server's
		etag    string
		age     time.Duration
		sent    int // for two looks at one content, and one at another
	}{
		"by its tag":                    {"/f", `"1"`, 0, 2},
		"by its time":                   {"/f", "", time.Hour, 2},
		"not by a time that is too new": {"/f", "", time.Nanosecond, 3},
		"not if it says nothing":        {"/f", "", 0, 3},
		"not with a query":              {"/f?token=secret", `"1"`, 0, 3},
	} {
		t.Run(name, func(t *testing.T) {
			s, r := serve(t), remotes{Contents(t.TempDir())}
			s.etag = c.etag
			if c.age > 0 {
				s.modified = time.Now().Add(-c.age)
			}
			one := registry.DigestOf([]byte("one"))
			if a, b := resolve(t, r, s.URL+c.address), resolve(t, r, s.URL+c.address); a != one || b != one {
				t.Errorf("%s, then %s", a, b)
			}
			s.content = "two"
			if s.etag != "" {
				s.etag = `"2"`
			}
			if c.age > time.Second {
				s.modified = time.Now().Add(-time.Minute)
			}
			if got := resolve(t, r, s.URL+c.address); got != registry.DigestOf([]byte("two")) {
				t.Errorf("after a change it is %s", got)
			}
			if s.sent != c.sent {
				t.Errorf("sent %d times, want %d", s.sent, c.sent)
			}
		})
	}
}

func TestNothingIsRememberedOfAnAddressWithASecret(t *testing.T) {
	s, folder := serve(t), t.TempDir()
	s.etag = `"1"`
	r := remotes{Contents(folder)}
	host := strings.TrimPrefix(s.URL, "http://")
	resolve(t, r, "http://ann:secret@"+host+"/f")
	resolve(t, r, s.URL+"/f?token=secret")
	if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
		t.Errorf("%v %v", left, err)
	}
}

func TestADamagedMemoryOfAFileIsNone(t *testing.T) {
	s, folder := serve(t), t.TempDir()
	s.etag = `"1"`
	r := remotes{Contents(folder)}
	resolve(t, r, s.URL+"/f")
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	for _, damage := range []string{"", "{}", `{"digest":"sha256:0"}`, fmt.Sprintf(`{"address":"http://other/f","etag":"\"1\"","digest":%q}`, registry.DigestOf(nil))} {
		if err := os.WriteFile(files[0], []byte(damage), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := resolve(t, r, s.URL+"/f"); got != registry.DigestOf([]byte("one")) {
			t.Errorf("with %q: %s", damage, got)
		}
	}
}

func TestWhatCannotBeAskedFromHereIsForABuilder(t *testing.T) {
	s := serve(t)
	s.Config.Handler = http.NotFoundHandler()
	for _, op := range []*pb.SourceOp{
		{Identifier: s.URL + "/f"},
		{Identifier: "git://example.com/team/tool.git", Attrs: map[string]string{pb.AttrFullRemoteURL: "git@example.com:team/tool.git"}},
		{Identifier: "git://example.com/team/tool.git", Attrs: map[string]string{pb.AttrFullRemoteURL: "ssh://git@example.com/team/tool.git"}},
		{Identifier: "git://example.com/team/tool.git", Attrs: map[string]string{pb.AttrFullRemoteURL: "file:///etc"}},
		{Identifier: "git://example.com/team/tool.git", Attrs: map[string]string{pb.AttrFullRemoteURL: "ext::sh -c true"}},
		{Identifier: "git://example.com/team/tool.git"},
		{Identifier: "git://x/f", Attrs: map[string]string{pb.AttrFullRemoteURL: s.URL + "/tool.git"}},
	} {
		_, err := remotes{}.ResolveRemote(t.Context(), op)
		if !errors.As(err, new(*llb.BuilderError)) {
			t.Errorf("%v: error %v", op, err)
		}
	}
}

func TestAReferenceLeadsWhereBuildKitFindsIt(t *testing.T) {
	hash := func(digit string) string { return strings.Repeat(digit, 40) }
	listed := packp.NewAdvRefs()
	if err := listed.Capabilities.Add(capability.SymRef, "HEAD:refs/heads/main"); err != nil {
		t.Fatal(err)
	}
	for name, digit := range map[string]string{
		"refs/heads/main": "1", "refs/heads/both": "2", "refs/tags/both": "3", "refs/tags/light": "4", "refs/tags/v1": "5", "refs/pull/7/head": "7",
	} {
		listed.References[name] = plumbing.NewHash(hash(digit))
	}
	listed.Peeled["refs/tags/v1"] = plumbing.NewHash(hash("6"))
	for _, c := range []struct {
		ref, want string
		keep      bool
	}{
		{"", "1", false}, {"main", "1", false}, {"refs/heads/main", "1", false}, {"both", "2", false}, {"refs/tags/both", "3", false},
		{"light", "4", false}, {"v1", "6", false}, {"refs/tags/v1", "6", false}, {"v1", "5", true}, {"refs/pull/7/head", "7", false},
		{"pull/7/head", "7", false}, {"none", "", false}, {"HEAD", "", false},
	} {
		got, err := chooseCommit(listed, llb.GitReference{Ref: c.ref, KeepGitDir: c.keep})
		if c.want == "" {
			if err == nil || !strings.Contains(err.Error(), c.ref) {
				t.Errorf("%q: %s, error %v", c.ref, got, err)
			}
			continue
		}
		if err != nil || got != "sha1:"+hash(c.want) {
			t.Errorf("%q: %s, want %s…, error %v", c.ref, got, c.want, err)
		}
	}
}
