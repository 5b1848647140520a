package builder

import (
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/manifest"
	"github.com/quoitbuild/quoit/versioning"
)

func TestExportersRefuseWhatWasNotAskedFor(t *testing.T) {
	m, err := manifest.Parse("quoit.yaml", []byte("project: acme/shop\nregistry: registry.example.com\nimages: {deploy: .}\n"))
	if err != nil {
		t.Fatal(err)
	}
	good := versioning.Plan{
		Registry: m.Registry, Project: m.Project, Root: m.Root, Ring: m.Rings[0],
		Images: []versioning.ImagePlan{{Name: "deploy"}},
	}
	for _, c := range []struct {
		name, ring, want string
		plan             func(*versioning.Plan)
	}{
		{"the plan for the first ring", "", "", func(*versioning.Plan) {}},
		{"the plan for the ring that was asked for", "users", "", func(p *versioning.Plan) { p.Ring = "users" }},
		{"another ring than the first", "", `ring "users", but developers`, func(p *versioning.Plan) { p.Ring = "users" }},
		{"another ring than the one that was asked for", "users", `ring "developers", but users`, func(*versioning.Plan) {}},
		{"no ring", "", `ring "none"`, func(p *versioning.Plan) { p.Ring = versioning.None }},
		{"another registry", "", "elsewhere.example.com", func(p *versioning.Plan) { p.Registry = "elsewhere.example.com" }},
		{"an image that the manifest does not have", "", `"other"`, func(p *versioning.Plan) { p.Images = []versioning.ImagePlan{{Name: "other"}} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan := good
			c.plan(&plan)
			err := (&exporters{manifest: m, ring: c.ring}).check(plan)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}
