// Command parts runs the tests that need real programs, in named parts: `make part-NAME`
// runs one of them, `make test-full` all, and .ci/run as many as its time allows. The
// table of parts is in table.go; a test fails if a test is in none of them.
//
//	go run ./integration/parts                       # which there are
//	go run ./integration/parts rings copy            # these two
//	go run ./integration/parts -within 40m all       # the cheapest that end by then
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	var o options
	flag.BoolVar(&o.long, "long", false, "give the large doses (QUOIT_TEST_LONG=1) all the time they need")
	flag.DurationVar(&o.within, "within", 0, "begin no part that would not end by then")
	before := flag.String("ran", "", "what ran before, for the last line")
	each := flag.Duration("fuzz", 0, "run every fuzz target for this long, and no part")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if *each > 0 {
		if err := fuzz(ctx, *each); err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			os.Exit(1)
		}
		return
	}
	if flag.NArg() == 0 {
		for _, p := range append([]part{stories}, parts...) {
			fmt.Printf("%-8s %4.1f min  %s\n", p.name, p.minutes, p.about)
		}
		return
	}
	chosen, err := choose(flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(64)
	}
	s := summary{ran: strings.Fields(*before)}
	o.runAll(ctx, chosen, &s)
	fmt.Println(s)
	if len(s.failed) > 0 {
		os.Exit(1)
	}
}

func choose(names []string) ([]part, error) {
	var chosen []part
	for _, name := range names {
		if name == "all" {
			chosen = append(chosen, parts...)
			continue
		}
		p, ok := find(name)
		if !ok {
			return nil, fmt.Errorf("there is no part %s; go run ./integration/parts names them", name)
		}
		chosen = append(chosen, p)
	}
	return chosen, nil
}

// summary is what became of the parts. One that failed also ran.
type summary struct{ ran, failed, late []string }

// String is the last line that is printed.
func (s summary) String() string {
	text := "ran nothing"
	if len(s.ran) > 0 {
		text = "ran " + strings.Join(s.ran, ", ")
	}
	if len(s.failed) > 0 {
		text += "; failed: " + strings.Join(s.failed, ", ")
	}
	if len(s.late) > 0 {
		text += "; not run: " + strings.Join(s.late, ", ") + " (time)"
	}
	return text
}

func minutes(m float64) time.Duration {
	return time.Duration(m * float64(time.Minute)).Round(time.Second)
}
