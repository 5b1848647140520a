package versioning

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each line of the table of versions, and what it means together with floors
// and majors.
func TestWanted(t *testing.T) {
	for name, test := range map[string]struct {
		c, n, floor string
		major       bool
		want        string
	}{
		"no current version":                           {want: "0.1.0"},
		"no current version, but a floor":              {floor: "5.2.0", want: "5.2.0"},
		"no current version, a floor below 0.1.0":      {floor: "0.0.7", want: "0.0.7"},
		"no current version, a major":                  {major: true, want: "1.0.0"},
		"no current version, a major and a low floor":  {major: true, floor: "0.9.0", want: "1.0.0"},
		"no current version, a major and a high floor": {major: true, floor: "5.2.0", want: "5.2.0"},
		"a major":                                          {c: "1.4.2", n: "1.3.0", major: true, want: "2.0.0"},
		"a major after a shift":                            {c: "1.4.2", n: "1.4.2", major: true, want: "2.0.0"},
		"a major that came before the shift":               {c: "2.0.0", n: "2.0.0", major: true, want: "3.0.0"},
		"a major that is there already":                    {c: "2.0.0", n: "1.4.0", major: true, want: "2.0.1"},
		"a major below the next ring's":                    {c: "1.4.0", n: "3.1.0", major: true, want: "4.0.0"},
		"a major without a next ring":                      {c: "1.4.2", major: true, want: "2.0.0"},
		"a major and a floor above it":                     {c: "1.4.2", n: "1.4.2", floor: "5.2.0", major: true, want: "5.2.0"},
		"a major and a floor below it":                     {c: "1.4.2", n: "1.4.2", floor: "1.9.0", major: true, want: "2.0.0"},
		"a major that is there, and a floor that rose":     {c: "2.0.0", n: "1.4.0", floor: "3.0.0", major: true, want: "3.0.0"},
		"the floor rose":                                   {c: "4.9.1", n: "4.9.1", floor: "5.2.0", want: "5.2.0"},
		"the floor rose, without a next ring":              {c: "4.9.1", floor: "5.2.0", want: "5.2.0"},
		"the floor was reached":                            {c: "5.2.0", n: "4.9.1", floor: "5.2.0", want: "5.2.1"},
		"the floor rose, but the next ring is above it":    {c: "0.4.0", n: "0.6.0", floor: "0.5.0", want: "0.7.0"},
		"the floor rose within the next ring's minor":      {c: "0.4.0", n: "0.4.2", floor: "0.4.1", want: "0.5.0"},
		"the next ring has the same version":               {c: "0.9.0", n: "0.9.0", want: "0.10.0"},
		"the next ring has the same minor, a later patch":  {c: "0.9.0", n: "0.9.1", want: "0.10.0"},
		"the next ring has the same minor, an older patch": {c: "0.9.3", n: "0.9.1", want: "0.10.0"},
		"the next ring has a later minor":                  {c: "0.9.0", n: "0.12.0", want: "0.13.0"},
		"the next ring has a later major":                  {c: "0.9.0", n: "2.1.5", want: "2.2.0"},
		"the next ring has an older minor":                 {c: "0.10.0", n: "0.9.7", want: "0.10.1"},
		"the next ring has an older major":                 {c: "2.0.0", n: "1.9.7", want: "2.0.1"},
		"nothing in the next ring":                         {c: "0.10.0", want: "0.10.1"},
	} {
		t.Run(name, func(t *testing.T) {
			source := Source{Floor: v(test.floor), Major: test.major}
			if got := wanted(source, v(test.c), v(test.n)); got != v(test.want) {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// What happens when the wanted version is taken, looked up in the order asked.
func TestCollisions(t *testing.T) {
	for name, test := range map[string]struct {
		c, n, floor string
		major       bool
		ring        string
		taken, same string // versions that exist, with other and with equal identity
		want, asked string
	}{
		"nothing is taken":                      {c: "0.9.0", n: "0.9.0", want: "0.10.0", asked: "0.10.0"},
		"the same exists":                       {c: "0.9.0", n: "0.9.0", same: "0.10.0", want: "0.10.0", asked: "0.10.0"},
		"a hotfix in an outer ring":             {c: "0.9.0", n: "0.9.0", ring: "testers", taken: "0.10.0 0.11.0 0.12.0", want: "0.9.1", asked: "0.10.0 0.9.1"},
		"the same hotfix again":                 {c: "0.9.0", n: "0.9.0", ring: "testers", taken: "0.10.0", same: "0.9.1", want: "0.9.1", asked: "0.10.0 0.9.1"},
		"another hotfix has that patch":         {c: "0.9.0", n: "0.9.0", ring: "testers", taken: "0.10.0 0.9.1 0.11.0", want: "0.12.0", asked: "0.10.0 0.9.1 0.11.0 0.12.0"},
		"a second hotfix in an outer ring":      {c: "0.9.1", n: "0.9.0", ring: "testers", taken: "0.10.0 0.11.0", want: "0.9.2", asked: "0.10.0 0.9.2"},
		"the next ring was hotfixed":            {c: "0.9.0", n: "0.9.1", ring: "testers", taken: "0.10.0", want: "0.11.0", asked: "0.10.0 0.11.0"},
		"the first ring goes back to a minor":   {c: "0.9.1", n: "0.9.0", taken: "0.10.0", want: "0.11.0", asked: "0.10.0 0.11.0"},
		"an equal version in the first ring":    {c: "0.9.0", n: "0.9.0", taken: "0.10.0", want: "0.9.1", asked: "0.10.0 0.9.1"},
		"a patch is taken":                      {c: "0.10.0", n: "0.9.0", taken: "0.10.1", want: "0.11.0", asked: "0.10.1 0.11.0"},
		"a patch is taken, no next ring":        {c: "0.10.0", taken: "0.10.1", want: "0.11.0", asked: "0.10.1 0.11.0"},
		"a major is taken":                      {c: "1.9.0", n: "1.9.0", ring: "testers", major: true, taken: "2.0.0", want: "2.1.0", asked: "2.0.0 2.1.0"},
		"a floor is taken":                      {c: "1.9.0", n: "1.9.0", floor: "5.2.0", taken: "5.2.0", want: "5.3.0", asked: "5.2.0 5.3.0"},
		"a hotfix would stay below the floor":   {c: "1.9.0", n: "1.9.0", floor: "1.9.5", taken: "1.10.0", want: "1.11.0", asked: "1.10.0 1.11.0"},
		"a first version is taken":              {taken: "0.1.0", want: "0.2.0", asked: "0.1.0 0.2.0"},
		"three minors are taken":                {c: "0.9.0", taken: "0.9.1 0.10.0 0.11.0 0.12.0", want: "0.13.0", asked: "0.9.1 0.10.0 0.11.0 0.13.0 0.12.0"},
		"eleven minors are taken":               {c: "0.9.0", taken: "0.9.1 " + minors(10, 20), want: "0.21.0", asked: "0.9.1 0.10.0 0.11.0 0.13.0 0.17.0 0.25.0 0.21.0 0.19.0 0.20.0"},
		"after them an interrupted publish":     {c: "0.9.0", taken: "0.9.1 " + minors(10, 20), same: "0.21.0", want: "0.21.0", asked: "0.9.1 0.10.0 0.11.0 0.13.0 0.17.0 0.25.0 0.21.0"},
		"a hole among the taken minors is free": {c: "0.9.0", taken: "0.9.1 0.10.0 0.12.0", want: "0.11.0", asked: "0.9.1 0.10.0 0.11.0"},
	} {
		t.Run(name, func(t *testing.T) {
			source := Source{Name: "api", Revision: "r2", Floor: v(test.floor), Major: test.major}
			request := Request{Root: "api", Images: []Source{source}, State: state(test.ring, "api", test.c, test.n)}
			identity := mustResolve(t, request, nothing).Images[0].Identity
			var asked []string
			plan := mustResolve(t, request, func(_ string, version Version) (string, bool, error) {
				asked = append(asked, version.String())
				switch {
				case slices.Contains(strings.Fields(test.same), version.String()):
					return identity, true, nil
				case slices.Contains(strings.Fields(test.taken), version.String()):
					return "", true, nil
				}
				return "", false, nil
			})
			if got := plan.Version(); got != v(test.want) {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if got := strings.Join(asked, " "); got != test.asked {
				t.Errorf("asked for %s, want %s", got, test.asked)
			}
			if adopted := plan.Images[0].Adopted; adopted != (test.want == test.same) {
				t.Errorf("adopted is %v", adopted)
			}
		})
	}
}

func TestWarningOfACollision(t *testing.T) {
	request := Request{Root: "api", Images: []Source{{Name: "api", Revision: "r2"}}, State: state("testers", "api", "0.9.0", "0.9.0")}
	plan := mustResolve(t, request, func(_ string, version Version) (string, bool, error) {
		return "sha256:other", version == v("0.10.0"), nil
	})
	want := []string{"api: 0.10.0 exists already with other contents, so this one is 0.9.1"}
	if diff := cmp.Diff(want, plan.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestLookupsThatLeadNowhere(t *testing.T) {
	request := Request{Root: "api", Images: []Source{{Name: "api", Revision: "r2"}}}
	broken := errors.New("503 from the registry")
	_, err := Resolve(request, func(string, Version) (string, bool, error) { return "", false, broken })
	if !errors.Is(err, broken) || err.Error() != "looking up api 0.1.0: 503 from the registry" {
		t.Errorf("a look-up that cannot be done: %v", err)
	}
	asked := 0
	_, err = Resolve(request, func(string, Version) (string, bool, error) { asked++; return "", true, nil })
	want := `image "api": every minor tried after 0.1.0 is taken: set its version: to something free`
	if err == nil || err.Error() != want || asked > 60 {
		t.Errorf("a registry that has everything, asked %d times: %v", asked, err)
	}
	request.State = state("developers", "api", "1.2.999999999999999", "")
	_, err = Resolve(request, nothing)
	want = `image "api": there is no version after its last one, its numbers have 15 digits already`
	if err == nil || err.Error() != want {
		t.Errorf("a version at its end: %v", err)
	}
}

// nothing is a registry in which no wanted version exists.
func nothing(string, Version) (string, bool, error) { return "", false, nil }

func mustResolve(t testing.TB, request Request, lookup Lookup) Plan {
	t.Helper()
	plan, err := Resolve(request, lookup)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// state has one image, which is the root, in a ring and in the next one.
func state(ring, image, c, n string) State {
	if ring == "" {
		ring = "developers"
	}
	release := func(version string) Release {
		return Release{Root: image, Images: map[string]Image{image: {Version: v(version), Revision: "r1"}}}
	}
	s := State{Ring: ring, Rings: fourRings}
	if c != "" {
		s.Current = &Placed{Ring: ring, Digest: "sha256:" + c, Release: release(c)}
	}
	if n != "" {
		s.Next = &Placed{Ring: "post", Digest: "sha256:" + n, Release: release(n)}
	}
	return s
}

func minors(from, to int) string {
	var all []string
	for minor := from; minor <= to; minor++ {
		all = append(all, fmt.Sprintf("0.%d.0", minor))
	}
	return strings.Join(all, " ")
}
