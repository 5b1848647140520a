package versioning

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var update = flag.Bool("update", false, "write the golden files")

// equateEmpty lets a plan, which has no nil in it, equal what was recorded.
var equateEmpty = cmpopts.EquateEmpty()

// changed has one of everything: built, adopted, new, retired and unchanged
// images, and a warning.
func changed(t *testing.T) Plan {
	request := shop()
	request.Images[1].Revision = digest("a2")
	request.Images[1].Platforms = []string{"linux/amd64", "linux/arm64"}
	request.Images[2] = Source{Name: "web", Revision: digest("eb"), Dependencies: []string{"base"}, Platforms: []string{"linux/amd64"}}
	forecast := mustResolve(t, request, nothing)
	return mustResolve(t, request, func(image string, version Version) (string, bool, error) {
		planned, _ := forecast.Image(image)
		return planned.Identity, image != "web" && version == planned.Version, nil
	})
}

func TestGoldenPlans(t *testing.T) {
	first, elsewhere, moved := shop(), shop(), shop()
	first.State = State{Ring: "developers", Rings: fourRings}
	for _, request := range []*Request{&elsewhere, &moved} {
		request.State.Ring, request.State.Next = "ante", request.State.Current
	}
	moved.Images[1].Revision = digest("a2")
	stateless, err := Unpublishable(shop())
	large := Plan{Ring: "developers", Project: "acme/mall", Root: "deploy", Current: &Held{"developers", v("1.0.0"), ""}}
	root := ImagePlan{Name: "deploy", Version: v("1.0.1"), Previous: v("1.0.0"), Changed: true}
	for i := range 30 {
		large.Images = append(large.Images, ImagePlan{Name: fmt.Sprintf("shop%02d", i), Version: v("0.1.0")})
		root.Reasons = append(root.Reasons, Reason{Kind: ReasonRelease, Detail: fmt.Sprintf("reason %d", i+1)})
	}
	large.Images, large.Schema = append(large.Images, root), 1
	if err != nil {
		t.Fatal(err)
	}
	for name, plan := range map[string]Plan{
		"changed":   changed(t),
		"nothing":   mustResolve(t, shop(), nothing),
		"first":     mustResolve(t, first, nothing),
		"elsewhere": mustResolve(t, elsewhere, nothing),
		"moved":     mustResolve(t, moved, nothing),
		"stateless": stateless,
		"large":     large,
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, name+".txt", []byte(plan.String()+"\n"))
			data, err := json.MarshalIndent(plan, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".json", append(data, '\n'))
			again, err := ParsePlan(data)
			if diff := cmp.Diff(plan, again); err != nil || diff != "" {
				t.Errorf("%v, a plan that was written and read (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestExplain(t *testing.T) {
	stateless, err := Unpublishable(shop())
	if err != nil {
		t.Fatal(err)
	}
	many := ImagePlan{Name: "deploy", Version: v("1.0.1"), Previous: v("1.0.0"), Changed: true}
	want := "developers: deploy 1.0.0 → 1.0.1\n"
	for i := range 2 * maxReasons {
		many.Reasons = append(many.Reasons, Reason{Kind: ReasonRelease, Detail: fmt.Sprintf("reason %d", i)})
		want += fmt.Sprintf("  reason %d\n", i)
	}
	for _, test := range []struct {
		plan  Plan
		image string
		want  string
	}{
		{changed(t), "api", "developers: api 0.3.1 → 0.3.2\n  sources changed: sha256:a1000000… → sha256:a2000000…\n  0.3.1 has no linux/arm64\n  built already with just these contents: adopted, not built again\nneeds base 1.4.2"},
		{changed(t), "base", "developers: base 1.4.2 is unchanged\nneeds no other image"},
		{changed(t), "web", "developers: web 0.1.0\n  first version, welcome aboard\nneeds base 1.4.2"},
		{changed(t), "deploy", "developers: deploy 0.4.0 → 0.5.0\n  api 0.3.1 → 0.3.2\n  mailer retires after 0.2.0\n  web 0.1.0 joins\nneeds api 0.3.2, base 1.4.2, web 0.1.0"},
		{changed(t), "wbe", ""},
		{mustResolve(t, shop(), nothing), "api", "developers: api 0.3.1 is unchanged\nneeds base 1.4.2"},
		{stateless, "api", "api: from source as 0.0.0, to try out, not to publish\n  built from source, without looking at any ring\nneeds base 0.0.0"},
		{Plan{Ring: "developers", Images: []ImagePlan{many}}, "deploy", want + "needs no other image"},
	} {
		if diff := cmp.Diff(test.want, test.plan.Explain(test.image)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.image, diff)
		}
	}
}

func TestAPlanIsTheSameEveryTime(t *testing.T) {
	want, _ := json.Marshal(changed(t))
	text := changed(t).String()
	for range 25 {
		if got, _ := json.Marshal(changed(t)); !bytes.Equal(got, want) || changed(t).String() != text {
			t.Fatal("two plans of one request differ")
		}
	}
}

func TestPublishOrder(t *testing.T) {
	request := shop()
	request.Images[0].Revision = digest("bb")
	plan := mustResolve(t, request, nothing)
	if diff := cmp.Diff([]string{"base", "api", "deploy"}, plan.PublishOrder()); diff != "" {
		t.Errorf("publish order (-want +got):\n%s", diff)
	}
	plan.Images[1].Adopted = true
	if diff := cmp.Diff([]string{"api", "deploy"}, plan.PublishOrder()); diff != "" {
		t.Errorf("publish order without what is adopted (-want +got):\n%s", diff)
	}
}

func TestPlansThatCannotBeRead(t *testing.T) {
	for data, want := range map[string]string{
		`[]`:                      "reading a plan: json: cannot unmarshal array into Go value of type versioning.Plan",
		`{}`:                      "reading a plan: it has schema 0, this quoit knows 1",
		`{"schema":2}`:            "reading a plan: it has schema 2, this quoit knows 1",
		`{"schema":1,"root":"x"}`: `reading a plan: it lacks the root image "x"`,
		`{"schema":1,"images":[{"name":"a","dependencies":{"b":"1.0.0"}}]}`: `reading a plan: image "a" needs "b", which is not an image of this project`,
		`{"schema":1,"images":[{"name":"a","dependencies":{"a":"1.0.0"}}]}`: "reading a plan: images need each other in a circle: a → a",
		`{"schema":1,"images":[{"name":"a","version":"1.0"}]}`:              `reading a plan: "1.0" is not a version like 1.2.3`,
	} {
		if _, err := ParsePlan([]byte(data)); err == nil || err.Error() != want {
			t.Errorf("%s: %v\nwant %s", data, err, want)
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got), -update writes it:\n%s", name, diff)
	}
}
