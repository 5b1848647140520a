package apply

import (
	"fmt"
	"io"

	"github.com/quoitbuild/quoit/internal/show"
)

// console prints lines for people, without secret values.
type console struct {
	out    io.Writer
	values values // of the site, once they were read
}

// say prints one line. What it tells may come from the cluster.
func (c *console) say(format string, values ...any) {
	fmt.Fprintln(c.out, show.Line(c.values.mask(fmt.Sprintf(format, values...))))
}
