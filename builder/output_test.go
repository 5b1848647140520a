package builder

import (
	"errors"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client"
)

func TestParseOutput(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.tar")
	for text, want := range map[string]struct {
		kind, dir string
		attrs     map[string]string
		file      bool
	}{
		"out/here":                      {kind: "local", dir: "out/here"},
		"type=local,dest=out":           {kind: "local", dir: "out"},
		"-":                             {kind: "tar", file: true},
		"type=tar,dest=" + file:         {kind: "tar", file: true},
		"type=oci,dest=" + file:         {kind: "oci", file: true},
		"type=oci,tar=false,dest=out":   {kind: "oci", dir: "out", attrs: map[string]string{"tar": "false"}},
		"type=docker,dest=" + file:      {kind: "docker", file: true},
		"type=docker":                   {kind: "load"},
		"type=docker,name=a:1":          {kind: "load", attrs: map[string]string{"name": "a:1"}},
		"type=image,name=a:1,push=true": {kind: "image", attrs: map[string]string{"name": "a:1", "push": "true"}},
		`type=registry,"name=a:1,a:2"`:  {kind: "image", attrs: map[string]string{"name": "a:1,a:2", "push": "true"}},
		"type=image,compression=zstd":   {kind: "image", attrs: map[string]string{"compression": "zstd"}},
	} {
		e, err := ParseOutput(text)
		if err != nil || e.Type != want.kind || e.OutputDir != want.dir || !maps.Equal(e.Attrs, want.attrs) || (e.Output != nil) != want.file {
			t.Errorf("%s: %+v, %v", text, e, err)
		}
	}
	for text, want := range map[string]string{
		"dest=x":                       "type",
		"type=moby":                    `there is no type "moby"`,
		"type=load":                    `there is no type "load"`,
		"type=oci":                     "write dest=FILE",
		"type=image,dest=x":            "not supported by",
		"type=tar,dest=/nonexistent/x": "no such file",
		"type=local":                   "required",
	} {
		var wrong *OptionError
		if _, err := ParseOutput(text); !errors.As(err, &wrong) || wrong.Option != "output" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", text, err, want)
		}
	}
}

func TestNamesOfOutputs(t *testing.T) {
	plan := somePlan()
	named := client.ExportEntry{Type: "oci", Attrs: map[string]string{"name": "x:1,x:2"}}
	for _, c := range []struct {
		output Output
		want   []string
	}{
		{Output{Target: "api", Entry: Load()}, []string{"registry.example.com/acme/shop/api:0.1.0"}},
		{Output{Target: "api", Entry: named}, []string{"x:1", "x:2"}},
		{Output{Target: "api", Names: []string{"y:1"}, Entry: named}, []string{"y:1"}},
	} {
		if diff := cmp.Diff(c.want, c.output.names(plan)); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.output, diff)
		}
	}
}

func TestOutputsWithoutANameAreRefused(t *testing.T) {
	push := client.ExportEntry{Type: "image", Attrs: map[string]string{"push": "true"}}
	for _, c := range []struct {
		output Output
		option string
	}{
		{Output{Target: "api", Entry: Load()}, ""},
		{Output{Target: "api/test", Entry: client.ExportEntry{Type: "local"}}, ""},
		{Output{Target: "api/test"}, ""},
		{Output{Target: "api/test", Entry: Load(), Names: []string{"x:1"}}, ""},
		{Output{Target: "api/test", Entry: Load()}, "target"},
		{Output{Target: "api", Entry: push}, "output"},
		{Output{Target: "api", Entry: push, Names: []string{"x:1"}}, ""},
	} {
		var wrong *OptionError
		_, err := Build(t.Context(), Options{Manifest: someManifest(t), Outputs: []Output{c.output}, BuildKit: nobody, Dir: t.TempDir()})
		if errors.As(err, &wrong) != (c.option != "") || wrong != nil && wrong.Option != c.option {
			t.Errorf("%+v: error %v", c.output, err)
		}
	}
}

func TestWhatABuilderCannotExport(t *testing.T) {
	for text, refused := range map[string]bool{"type=docker": false, "x": false, "type=image": false, "type=registry": true, "type=oci,tar=false,dest=x": true} {
		e, err := ParseOutput(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := (kind{engine: true, classic: true}).exports(e); errors.Is(err, errClassicStore) != refused {
			t.Errorf("%s by a classic store: error %v", text, err)
		}
		if err := (kind{engine: true}).exports(e); err != nil {
			t.Errorf("%s: error %v", text, err)
		}
	}
}
