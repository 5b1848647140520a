package apply

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/deploy"
)

func TestProgressHasNoSecretsAndNoControlCharacters(t *testing.T) {
	var out strings.Builder
	c := &console{out: &out, values: values{text: map[string]string{"S": "hunter22"}, secrets: map[string]bool{"S": true}}}
	c.say("waiting for %s", "\x1b[2Jhunter22\r\n!")
	if out.String() != `waiting for \x1b[2J***\x0d\x0a!`+"\n" {
		t.Errorf("got %q", out.String())
	}
}

func TestAResultIsALineForEachChange(t *testing.T) {
	r := Result{Site: "eu", Action: deploy.Upgrade, DryRun: true, Hooks: []Hook{{"pre-upgrade", "Job/migrate"}},
		Changes: []Change{{"Deployment/api", configured}, {"Service/api", unchanged}, {"ConfigMap/old", deleted}, {"PersistentVolumeClaim/data", kept}}}
	want := `pre-upgrade hook Job/migrate would be run
Deployment/api would be configured
ConfigMap/old would be deleted
PersistentVolumeClaim/data would be kept
upgrade eu: 2 of 4 objects would be changed
`
	if diff := cmp.Diff(want, r.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
