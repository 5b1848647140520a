package main

import (
	"strings"
	"testing"
)

func TestMistakesWithApply(t *testing.T) {
	s := newShop(t, "")
	place := "apply --site eu --environment prod --namespace shop --kubeconfig " + s.dir + "/kubeconfig "
	for _, test := range []struct {
		code int
		args string
		want string
	}{
		{64, "apply now", `takes no argument, found "now"`},
		{64, "apply -o yaml", "choose text or json"},
		{64, "apply", "set --site, or QUOIT_SITE in the environment"},
		{64, "apply --site eu", "set --environment"},
		{64, "apply --site eu --environment prod", "set --namespace"},
		{64, place + "--scope galaxy", "--scope galaxy: choose namespace or cluster"},
		{64, place + "--project Acme", "not a valid name for a project"},
		{64, place + "--project a.example.com/acme/shop --registry b.example.com", "the registry is said twice"},
		{1, place + "--root " + t.TempDir() + " --project a.example.com/acme/shop", "which images the release has"},
		{64, place + "--from-version one", "--from-version: "},
		{64, place + "--to-version one", "--to-version: "},
		{1, place + "--release " + s.dir + "/none.json", "reading the release's images"},
		{1, place + "--release " + s.write("broken.json", "{"), "broken.json"},
		{1, "apply --site eu --environment prod --namespace shop --kubeconfig /nonexistent", "reading the kubeconfig"},
		{1, place + "--root " + t.TempDir() + " --take-over --scope cluster", "which images the release has"},
	} {
		s.fails(test.code, strings.Fields(test.args), test.want)
	}
	t.Setenv("QUOIT_TIMEOUT", "soon")
	s.fails(64, strings.Fields(place), "QUOIT_TIMEOUT: ")
}
