package revision

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// The frozen values of scheme 1. They never change: another value means that
// every image of every project is built anew. A new scheme gets a table of its
// own.
func TestFrozenRevisions(t *testing.T) {
	shop := tree{
		"main.go": "package main\n", "run": script("#!/bin/sh\n"), "current": link("main.go"), "up": link("/sub/a"),
		"sub/a": "a", "sub/b": "", "größe\n": "odd", "pipe": pipe{},
	}
	file := []byte("FROM scratch\nCOPY . /\n")
	for _, c := range []struct {
		name string
		in   ImageInputs
		sum  Inputs
		want string
	}{
		{"nothing at all", ImageInputs{}, Inputs{}, "sha256:d4a944d5257da0b3ad09411c3a209792a0a5c10d2e1e97c7e05d53725e4f4422"},
		{"a container file alone", ImageInputs{}, Inputs{ContainerFile: file}, "sha256:e2126f0f163532e69d23343718860f0729653874fb408a110dfc63d67edfe064"},
		{"a target", ImageInputs{}, Inputs{ContainerFile: file, Target: "run"}, "sha256:ec8fbf15e9c9690543625e115c71dabb84efab231fe71b0041f2dfed21c33b64"},
		{"arguments", ImageInputs{}, Inputs{ContainerFile: file, Args: map[string]string{"B": "", "A": "1=2"}}, "sha256:420cf7b4a6097720430e22dbcf501d8c9bd9c8b9ce12b0f23a35b3948aca1c48"},
		{"a file", ImageInputs{Reads: []Read{copied("/main.go")}}, Inputs{ContainerFile: file}, "sha256:23a757a63e4c630523ba36a96e7e3bded4d85b895b92baa75a7286692d73fbd0"},
		{"a script", ImageInputs{Reads: []Read{copied("/run")}}, Inputs{ContainerFile: file}, "sha256:b34424467b92123b0f485e6f19805926f0b9cf7c5d1ac3b771152611d0f8977c"},
		{"links", ImageInputs{Reads: []Read{copied("/current"), copied("/up")}}, Inputs{ContainerFile: file}, "sha256:2383944f0604b55576294ea98445c7f235c40ae32cfa2f6a7fe37b883e44894a"},
		{"everything", ImageInputs{Reads: []Read{everything}}, Inputs{ContainerFile: file}, "sha256:3799948a66badaf7c04be55d3421934b2d5f5636c16436a2e0312029b941649e"},
		{"a folder as context", ImageInputs{Context: "sub", Reads: []Read{everything}}, Inputs{ContainerFile: file}, "sha256:6c9370a377948f2b6b11d431c2a134b572e1d94ecf0aecfb4d9c090b0037d371"},
		{"an ignore file", ImageInputs{Ignore: []string{"*", "!sub"}, Reads: []Read{everything}}, Inputs{ContainerFile: file, Target: "run", Args: map[string]string{"A": "1"}},
			"sha256:3941ae93a944be146c123e29062b3aba46f104b9f3e1ff328e7054868fe9b8d8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.sum.Tree = digest.Digest(answer(t, shop, c.in))
			if got := Sum(c.sum); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	t.Run("an image that reads nothing", func(t *testing.T) {
		if want := digest.Digest("sha256:1f8c3c37fb7dba9d2f6e785b2ddab2695d3bfc75428be28d40c72829fc355990"); EmptyTree != want {
			t.Errorf("got %s, want %s", EmptyTree, want)
		}
	})
	t.Run("scheme", func(t *testing.T) {
		if Scheme != 1 {
			t.Errorf("scheme is %d: give it a table of its own", Scheme)
		}
	})
}

func TestSum(t *testing.T) {
	sums := map[string]string{}
	for name, in := range map[string]Inputs{
		"empty":                   {},
		"file":                    {ContainerFile: []byte("ab")},
		"target":                  {Target: "ab"},
		"file and target":         {ContainerFile: []byte("a"), Target: "b"},
		"argument":                {Args: map[string]string{"a": "b"}},
		"argument without value":  {Args: map[string]string{"ab": ""}},
		"value without argument":  {Args: map[string]string{"": "ab"}},
		"two arguments":           {Args: map[string]string{"a": "", "b": ""}},
		"tree":                    {Tree: EmptyTree},
		"tree in place of target": {Target: EmptyTree.String()},
	} {
		sum := Sum(in)
		if other, ok := sums[sum]; ok {
			t.Errorf("%s and %s have the same revision", name, other)
		}
		sums[sum] = name
		for range 10 {
			if again := Sum(in); again != sum {
				t.Errorf("%s: got %s and %s", name, sum, again)
			}
		}
	}
}

// Trees that differ in anything else are different.
func TestTreesThatDiffer(t *testing.T) {
	seen := map[string]string{}
	for name, files := range map[string]tree{
		"empty":                  {},
		"a file":                 {"a": "1"},
		"another content":        {"a": "2"},
		"an executable":          {"a": script("1")},
		"a link":                 {"a": link("1")},
		"a link elsewhere":       {"a": link("2")},
		"a special file":         {"a": pipe{}},
		"another name":           {"b": "1"},
		"another folder":         {"d/a": "1"},
		"two files":              {"a": "1", "b": ""},
		"content moved":          {"a": "", "b": "1"},
		"a folder for a file":    {"a/b": "1"},
		"names joined otherwise": {"a/b": "", "b/a": "1"},
	} {
		sum := answer(t, files, ImageInputs{Reads: []Read{everything}})
		if other, ok := seen[sum]; ok {
			t.Errorf("%s and %s are the same", name, other)
		}
		seen[sum] = name
	}
	if sum := answer(t, tree{"d": folder{}}, ImageInputs{Reads: []Read{everything}}); seen[sum] != "empty" {
		t.Error("an empty folder is something")
	}
	if !strings.HasPrefix(EmptyTree.String(), "sha256:") || seen[EmptyTree.String()] != "empty" {
		t.Error("an empty tree is not EmptyTree")
	}
}
