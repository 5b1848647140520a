package main

import (
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCommandLine(t *testing.T) {
	o, err := parse([]string{"-quick", "-pairs", "9"}, io.Discard)
	if err != nil || o.short != 9 || o.long != 1 || o.out != "bin/bench" || !cmp.Equal(o.sizes, []int{100}) || o.wants("huge") {
		t.Errorf("%+v, %v", o, err)
	}
	for _, args := range [][]string{{"-rows", "nonsense"}, {"-sizes", "ten"}, {"-delays", "-1"}} {
		if _, err := parse(args, io.Discard); err == nil {
			t.Errorf("%v is no mistake", args)
		}
	}
}
