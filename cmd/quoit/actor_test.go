package main

import (
	"os"
	"strings"
	"testing"
)

func TestTheActorIsWhoeverTheEnvironmentNames(t *testing.T) {
	for _, name := range actorVariables {
		t.Setenv(name, "")
	}
	if host, err := os.Hostname(); err == nil && !strings.HasSuffix(actor(), "@"+host) {
		t.Errorf("without a variable it is %q", actor())
	}
	t.Setenv("GITLAB_USER_LOGIN", "ann\nand more")
	if actor() != "ann" {
		t.Errorf("with two lines it is %q", actor())
	}
	t.Setenv("QUOIT_ACTOR", "b\x1bob"+strings.Repeat("x", 2*maxText))
	if got := actor(); !strings.HasPrefix(got, "bobx") || len(got) != maxText {
		t.Errorf("what the user says is %q", got)
	}
}
