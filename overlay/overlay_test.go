package overlay

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFind(t *testing.T) {
	for _, test := range []struct {
		name, file, text string
		want             []string // LINE:COLUMN IMAGE
	}{
		{"containers of all kinds", "d.yaml", "spec:\n  initContainers:\n  - image: one\n    name: x\n  containers:\n  - name: a\n    image: \"two:1\" # why\n  - {name: c, image: 'three@sha256:12'}\n  ephemeralContainers: [{image: four}]\n",
			[]string{"3:12 one", "7:13 two:1", "8:23 three@sha256:12", "9:33 four"}},
		{"several documents, and carriage returns", "d.yml", "image: one\r\n---\r\nimage: two\r\n", []string{"1:8 one", "3:8 two"}},
		{"a volume", "d.yaml", "volumes:\n- name: v\n  image:\n    reference: reg.example.com/acme/shop/data:1\n- image: {reference: two}\n", []string{"4:16 reg.example.com/acme/shop/data:1", "5:22 two"}},
		{"a resource of somebody else's kind", "cr.yaml", "kind: Prometheus\nspec: {image: prom}\n", []string{"2:15 prom"}},
		{"JSON", "d.json", `{"spec": {"containers": [{"name": "a", "image": "one"}]}}`, []string{"1:50 one"}},
		{"patches", "patch.yaml", "- op: replace\n  path: /spec/template/spec/containers/0/image\n  value: one\n- {op: add, path: /spec/containers/0/image, value: two}\n- op: replace\n  path: /spec/replicas\n  value: three\n",
			[]string{"3:10 one", "4:52 two"}},
		{"patches in a kustomization", "kustomization.yaml", "patches:\n- patch: |-\n    - op: replace\n      path: /spec/containers/0/image\n      value: one\n", []string{"5:14 one"}},
		{"a kustomization's images", "kustomization.yaml", "images:\n- name: one\n  newTag: \"2\"\n- name: two\n  newName: three\n- newName: four\n  name: five\nnamespace: x\n",
			[]string{"2:9 one", "4:9 two replaced", "5:12 three", "6:12 four", "7:9 five replaced"}},
		{"the same in one line", "x/Kustomization", "images: [{name: one, newName: two}, {name: three, digest: d}]\n", []string{"1:17 one replaced", "1:31 two", "1:44 three"}},
		{"images elsewhere", "d.yaml", "images:\n- name: one\n  newName: two\n", nil},
		{"what is none", "d.yaml", "# image: one\nimage:\nimages: x\nimagePullPolicy: Always\nmyimage: x\n  image: # nothing\n", nil},
		{"a long line", "d.yaml", "image: one" + strings.Repeat(" ", maxLine) + "\nimage: two", []string{"2:8 two"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, use := range Find(test.file, []byte(test.text)) {
				text := fmt.Sprintf("%d:%d %s", use.Line, use.Column, use.Image)
				if use.Replaced {
					text += " replaced"
				}
				got = append(got, text)
				if use.File != test.file || !strings.HasPrefix(use.Text[use.Column-1:], use.Image) {
					t.Errorf("%+v is not in its line", use)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFindIsBounded(t *testing.T) {
	if found := Find("d.yaml", []byte(strings.Repeat("image: x\n", MaxFile/9))); len(found) > maxUses {
		t.Errorf("it finds %d", len(found))
	}
}

func FuzzFind(f *testing.F) {
	f.Add("kustomization.yaml", []byte("images: [{name: a, newName: b}]\n- {image: x"))
	f.Add("d.yaml", []byte("path: /a/image\nvalue: x\n\n{{image: y}}"))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		for _, use := range Find(name, data) {
			if use.Line < 1 || use.Column < 1 || use.Image == "" || !strings.HasPrefix(use.Text[use.Column-1:], use.Image) {
				t.Errorf("%+v", use)
			}
		}
	})
}
