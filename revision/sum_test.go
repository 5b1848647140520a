package revision

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// The frozen values of schemes 1 and 2. They never change: another value means that
// every image of every project is built anew. A new scheme gets a column of its
// own.
func TestFrozenRevisions(t *testing.T) {
	shop := tree{
		"main.go": "package main\n", "run": script("#!/bin/sh\n"), "current": link("main.go"), "up": link("/sub/a"),
		"sub/a": "a", "sub/b": "", "größe\n": "odd", "pipe": pipe{},
	}
	modes := tree{"secret": mode(0o640), "run": mode(fs.ModeSetuid | 0o775), "tmp": mode(fs.ModeDir | fs.ModeSticky | 0o777), "tmp/f": "f", ".git/HEAD": "ref"}
	file := []byte("FROM scratch\nCOPY . /\n")
	for _, c := range []struct {
		name string
		in   ImageInputs
		sum  Inputs
		want [2]string // by scheme
	}{
		{"nothing at all", ImageInputs{}, Inputs{}, [2]string{"sha256:d4a944d5257da0b3ad09411c3a209792a0a5c10d2e1e97c7e05d53725e4f4422", "sha256:78a0ac502ed2f94ae417601241d2a1e02ac41ee8fa26570b3f3d010f6face435"}},
		{"a container file alone", ImageInputs{}, Inputs{ContainerFile: file}, [2]string{"sha256:e2126f0f163532e69d23343718860f0729653874fb408a110dfc63d67edfe064", "sha256:29daaee12cfc2b87d94d75fbfc092fb4a0211933a66309369912d5367e261f08"}},
		{"a target", ImageInputs{}, Inputs{ContainerFile: file, Target: "run"}, [2]string{"sha256:ec8fbf15e9c9690543625e115c71dabb84efab231fe71b0041f2dfed21c33b64", "sha256:6569311cc4707c16e43f786d587da365ec3af2e859e6efce5d927b4441ee2b74"}},
		{"arguments", ImageInputs{}, Inputs{ContainerFile: file, Args: map[string]string{"B": "", "A": "1=2"}}, [2]string{"sha256:420cf7b4a6097720430e22dbcf501d8c9bd9c8b9ce12b0f23a35b3948aca1c48", "sha256:3a81736f31740c455b6b70656bf8a4e00258f898c496cd6e34a06787c39f0b88"}},
		{"a file", ImageInputs{Reads: []Read{copied("/main.go")}}, Inputs{ContainerFile: file}, [2]string{"sha256:23a757a63e4c630523ba36a96e7e3bded4d85b895b92baa75a7286692d73fbd0", "sha256:8b0659735ef7c38829e6398c0e854a5c25e11c063f2dd8090218401120225cc9"}},
		{"a script", ImageInputs{Reads: []Read{copied("/run")}}, Inputs{ContainerFile: file}, [2]string{"sha256:b34424467b92123b0f485e6f19805926f0b9cf7c5d1ac3b771152611d0f8977c", "sha256:e74c1d5930ead4ce730bb3bdf341c8f977b0b17c79a81c3006c941b2eff53214"}},
		{"links", ImageInputs{Reads: []Read{copied("/current"), copied("/up")}}, Inputs{ContainerFile: file}, [2]string{"sha256:2383944f0604b55576294ea98445c7f235c40ae32cfa2f6a7fe37b883e44894a", "sha256:d28e1864382589e265ba133813dbdba0317c8aa9ef493b073266a46e5c19c24d"}},
		{"everything", ImageInputs{Reads: []Read{everything}}, Inputs{ContainerFile: file}, [2]string{"sha256:3799948a66badaf7c04be55d3421934b2d5f5636c16436a2e0312029b941649e", "sha256:d9be412e66553543a087670eab6c9dafb4a2695d808422187c0026c335d2b06e"}},
		{"a folder as context", ImageInputs{Context: "sub", Reads: []Read{everything}}, Inputs{ContainerFile: file}, [2]string{"sha256:6c9370a377948f2b6b11d431c2a134b572e1d94ecf0aecfb4d9c090b0037d371", "sha256:206552c410dcad4d1684c5aafa2c35ff633b7453757ea8d24e6fd9b3e521e68a"}},
		{"an ignore file", ImageInputs{Ignore: []string{"*", "!sub"}, Reads: []Read{everything}}, Inputs{ContainerFile: file, Target: "run", Args: map[string]string{"A": "1"}},
			[2]string{"sha256:3941ae93a944be146c123e29062b3aba46f104b9f3e1ff328e7054868fe9b8d8", "sha256:ecf1a93ae79f255fad831f570f42a7de44890b4b48e40d298384e630563357f2"}},
		{"named contexts", ImageInputs{}, Inputs{ContainerFile: file, Contexts: map[string]string{"base": "image base-java", "assets": EmptyTree(Scheme).String()}}, [2]string{"sha256:1dccf05cadf27526d7a09b557d2b5d9bde35ce145c0b43ffdd39e02e1e16de3c", "sha256:4946f2cbce08c82dc7ec65147d0d08132ba693a6d3752a2ac504dfdcbfd09fa7"}},
		{"permission bits", ImageInputs{Root: true, Reads: []Read{everything}}, Inputs{}, [2]string{"sha256:868d87abc5cd67dfe9028c1bad83fc8237512cdd1b8743e8d7c3454c36aed649", "sha256:1d2f2b18d4a73914ee9d97202b42a136f719d5e537170ecc03f04157f84acc1a"}},
		{"permission bits that a copy sets", ImageInputs{Root: true, Reads: []Read{{Path: "/", Chmod: true}}}, Inputs{}, [2]string{"sha256:868d87abc5cd67dfe9028c1bad83fc8237512cdd1b8743e8d7c3454c36aed649", "sha256:cc6cf21a0863d5d91551d9afbe2cfec424ccabcdc88a3a727373f69870ba3cc3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := shop
			if strings.HasPrefix(c.name, "permission") {
				files = modes
			}
			for i, want := range c.want {
				c.sum.Scheme = 1 + i
				c.sum.Tree = digest.Digest(answerBy(t, c.sum.Scheme, files, c.in))
				if got := Sum(c.sum); got != want {
					t.Errorf("scheme %d: got %s, want %s", c.sum.Scheme, got, want)
				}
			}
		})
	}
	t.Run("an image that reads nothing", func(t *testing.T) {
		if want := digest.Digest("sha256:1f8c3c37fb7dba9d2f6e785b2ddab2695d3bfc75428be28d40c72829fc355990"); EmptyTree(FirstScheme) != want {
			t.Errorf("got %s, want %s", EmptyTree(FirstScheme), want)
		}
		if want := digest.Digest("sha256:6494f53e41cd5d88c68ec42295e18413f3ace879f685b6a1c8e7fe1d3fec60da"); EmptyTree(Scheme) != want {
			t.Errorf("got %s, want %s", EmptyTree(Scheme), want)
		}
	})
	t.Run("scheme", func(t *testing.T) {
		if Scheme != 2 {
			t.Errorf("scheme is %d: give it a column of its own", Scheme)
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
		"scheme":                  {Scheme: 1},
		"argument":                {Args: map[string]string{"a": "b"}},
		"argument without value":  {Args: map[string]string{"ab": ""}},
		"value without argument":  {Args: map[string]string{"": "ab"}},
		"two arguments":           {Args: map[string]string{"a": "", "b": ""}},
		"tree":                    {Tree: EmptyTree(Scheme)},
		"tree in place of target": {Target: EmptyTree(Scheme).String()},
		"image under a name":      {Contexts: map[string]string{"a": "image b"}},
		"another image":           {Contexts: map[string]string{"a": "image c"}},
		"another name":            {Contexts: map[string]string{"b": "image b"}},
		"folder under a name":     {Contexts: map[string]string{"a": EmptyTree(Scheme).String()}},
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
	if !strings.HasPrefix(EmptyTree(Scheme).String(), "sha256:") || seen[EmptyTree(Scheme).String()] != "empty" {
		t.Error("an empty tree is not EmptyTree")
	}
}
