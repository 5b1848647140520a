// Command quoit-runner hashes what images read of a project. It is part of the quoit
// command, which has a BuildKit run it where that has the project's files: it is all that
// the step has but them, and is the same whatever machine quoit runs on.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/quoitbuild/quoit/revision/disk"
)

func main() {
	step, err := disk.AnswerStep(context.Background(), os.Args[1:])
	if !step {
		err = fmt.Errorf("unknown arguments %q: quoit has BuildKit run this program", os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "quoit-runner:", err)
		os.Exit(1)
	}
}
