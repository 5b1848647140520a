package show_test

import (
	"fmt"

	"github.com/quoitbuild/quoit/internal/show"
)

func Example() {
	message := "fix \u202e)elbitapmoc(\nsecond line"
	fmt.Println(show.Line(message))
	fmt.Println(show.Block(message))
	fmt.Println(show.Short(message, 12))
	fmt.Println(show.Mask("cannot read https://bob:s3cret@r.example.com/x"))
	// Output:
	// fix \u202e)elbitapmoc(\x0asecond line
	// fix \u202e)elbitapmoc(
	// second line
	// fix \u202e)…
	// cannot read https://bob:******@r.example.com/x
}
