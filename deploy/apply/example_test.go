package apply_test

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/apply"
)

// The result of a dry run is shown to people. [apply.Run] returns one; it needs
// a cluster.
func Example() {
	result := apply.Result{Site: "eu", Action: deploy.Upgrade, DryRun: true,
		Hooks: []apply.Hook{{Point: "pre-upgrade", Name: "Job/migrate"}},
		Changes: []apply.Change{
			{Object: "Deployment/api", Action: "configured"},
			{Object: "Service/api", Action: "unchanged"},
			{Object: "ConfigMap/old", Action: "deleted"},
		},
	}
	fmt.Print(result)
	// Output:
	// pre-upgrade hook Job/migrate would be run
	// Deployment/api would be configured
	// ConfigMap/old would be deleted
	// upgrade eu: 2 of 3 objects would be changed
}

func ExampleVerbs() {
	claim := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "PersistentVolumeClaim"}}
	fmt.Println(apply.Verbs(claim), "but no delete: a claim is kept")
	hook := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "batch/v1", "kind": "Job",
		"metadata": map[string]any{"annotations": map[string]any{"quoit.build/hook": "pre-upgrade"}}}}
	fmt.Println(apply.Verbs(hook), "but no patch: a hook is created each time")
	// Output:
	// [get create patch] but no delete: a claim is kept
	// [get create delete] but no patch: a hook is created each time
}
