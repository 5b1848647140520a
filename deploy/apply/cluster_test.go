package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/render"
)

// fake is a cluster that has objects and no pods. What is deleted is there for
// some looks more.
type fake struct {
	client.Client
	objects map[render.Ref]*unstructured.Unstructured
	leaving map[render.Ref]int // how many looks more an object is there
	writes  []string
	looked  func() // after each look at what is there; may be nil
}

func newFake(objects ...*unstructured.Unstructured) *fake {
	f := &fake{objects: map[render.Ref]*unstructured.Unstructured{}, leaving: map[render.Ref]int{}}
	for _, object := range objects {
		f.add(object)
	}
	return f
}

func (f *fake) add(object *unstructured.Unstructured) {
	object.SetUID(types.UID(fmt.Sprintf("uid-%d", len(f.objects))))
	f.objects[render.RefOf(object).Key()] = object.DeepCopy()
}

func (f *fake) Get(_ context.Context, _ client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	key := keyOf(object)
	if looks, is := f.leaving[key]; is {
		f.leaving[key] = looks - 1
		if looks == 0 {
			delete(f.objects, key)
			f.writes = append(f.writes, key.String()+" is gone")
		}
	}
	there, ok := f.objects[key]
	if !ok {
		return apierrors.NewNotFound(schema.GroupResource{Resource: key.Kind}, key.Name)
	}
	there.DeepCopyInto(object.(*unstructured.Unstructured))
	if f.looked != nil {
		f.looked()
	}
	return nil
}

func (f *fake) Create(_ context.Context, object client.Object, _ ...client.CreateOption) error {
	f.add(object.(*unstructured.Unstructured))
	f.writes = append(f.writes, "create "+keyOf(object).String())
	return nil
}

// Patch is what ssa compares with, as a dry run.
func (f *fake) Patch(_ context.Context, object client.Object, _ client.Patch, options ...client.PatchOption) error {
	var asked client.PatchOptions
	if asked.ApplyOptions(options); len(asked.DryRun) == 0 {
		f.writes = append(f.writes, "patch "+keyOf(object).String())
	}
	return nil
}

func (f *fake) Apply(_ context.Context, configuration runtime.ApplyConfiguration, _ ...client.ApplyOption) error {
	object := &unstructured.Unstructured{}
	data, err := json.Marshal(configuration)
	if err == nil {
		err = object.UnmarshalJSON(data)
	}
	if err != nil {
		return err
	}
	f.add(object)
	f.writes = append(f.writes, "apply "+keyOf(object).String())
	return nil
}

func (f *fake) Delete(_ context.Context, object client.Object, options ...client.DeleteOption) error {
	var asked client.DeleteOptions
	asked.ApplyOptions(options)
	const looks = 2
	f.leaving[keyOf(object)] = looks
	f.writes = append(f.writes, fmt.Sprintf("delete %s (%s)", keyOf(object), *asked.PropagationPolicy))
	return nil
}

func keyOf(object client.Object) render.Ref {
	return render.RefOf(object.(*unstructured.Unstructured)).Key()
}

// noPods stands for the pods of a namespace that has none.
type noPods struct{ corev1client.PodInterface }

func (p noPods) Pods(string) corev1client.PodInterface { return p }

func (noPods) List(context.Context, metav1.ListOptions) (*corev1.PodList, error) {
	return &corev1.PodList{}, nil
}

// session is one of site eu, whose inventory has all that the cluster has.
func (f *fake) session(t *testing.T, action deploy.Action) *session {
	t.Helper()
	return f.sessionFor(t, Request{Target: render.Target{Project: "acme/shop", Site: "eu", Namespace: "shop", Action: action}, Timeout: DefaultTimeout})
}

func (f *fake) sessionFor(t *testing.T, request Request) *session {
	t.Helper()
	request.Root = t.TempDir()
	s := assemble(connection{f, noPods{}}, owner{request.Project, request.Site, request.Namespace}, request, newReport(request, &console{out: io.Discard}))
	for _, object := range f.objects {
		s.held.objects = append(s.held.objects, render.RefOf(object))
	}
	s.held.objects = sorted(s.held.objects)
	return s
}
