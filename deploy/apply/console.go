package apply

import (
	"fmt"
	"io"
	"strings"
)

// console prints lines for people, without secret values.
type console struct {
	out    io.Writer
	values values // of the site, once they were read
}

// say prints a line, without secrets and control characters.
func (c *console) say(format string, values ...any) {
	line := strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, c.values.mask(fmt.Sprintf(format, values...)))
	fmt.Fprintln(c.out, line)
}
