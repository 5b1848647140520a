package render

import (
	"strings"
	"testing"
)

func TestLabelsHoldLongProjects(t *testing.T) {
	long := strings.Repeat("a/", 60) + "b"
	if got := labelValue("acme/shop"); got != "acme.shop" {
		t.Errorf("got %q", got)
	}
	if got, other := labelValue(long), labelValue(long+"c"); len(got) != 63 || got == other {
		t.Errorf("got %q and %q", got, other)
	}
}
