package apply

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// Objects are what a root image's overlay builds, hooks included, as they are
// before values and images are filled in. Root is as in a [Request].
func Objects(root, environment string) ([]*unstructured.Unstructured, error) {
	return build(root, environment)
}
