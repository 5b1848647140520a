// Bench measures quoit beside docker buildx bake: both do the same work on the
// same BuildKit and registry, in turns. It starts these itself, prints a table
// of ratios against what we want to reach, and writes every sample, a plot and
// a page.
//
//	go run ./integration/bench                  # everything; hours
//	go run ./integration/bench -quick           # N=100, minutes
//	go run ./integration/bench -rows noop,cold -sizes 10,100 -add
//	go run ./integration/bench -report          # table and plot anew from the samples
//
// It needs what the tests need: Linux, root and Debian's apt.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/quoitbuild/quoit/integration/bench/measure"
	"github.com/quoitbuild/quoit/integration/bench/project"
	"github.com/quoitbuild/quoit/integration/bench/report"
)

// plan says what is measured.
type plan struct {
	rows        []string
	sizes       []int
	delays      []int
	short, long int // rounds
	hugeFiles   int
}

func (p plan) wants(row string) bool { return slices.Contains(p.rows, row) }

// allRows are the names for -rows. noop, cycle and cold are for every size in
// -sizes, and for chain and root-context.
var allRows = []string{
	"noop", "cycle", "cold", "chain", "root-context", "files", "latency", "one-image", "hash", "huge-look", "huge-cold", "huge",
}

// options are the command line's.
type options struct {
	plan
	out     string
	add     bool
	report  bool
	timeout time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(64)
	}
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func parse(args []string, usage io.Writer) (o options, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(usage)
	quick := f.Bool("quick", false, "measure the rows of every day: N=100, fewer rounds, into bin/bench")
	rows := f.String("rows", strings.Join(allRows, ","), "what is measured")
	sizes := f.String("sizes", "10,100,300,1000", "numbers of images; empty for none")
	delays := f.String("delays", "0,5,50,150", "milliseconds that the registry waits in the row latency")
	f.IntVar(&o.short, "pairs", 5, "rounds of short rows")
	f.IntVar(&o.long, "long-pairs", 2, "rounds of long rows")
	f.IntVar(&o.hugeFiles, "huge-files", project.HugeFiles, "files of the huge image")
	f.StringVar(&o.out, "out", "docs/bench", "folder for samples, table and plot")
	f.BoolVar(&o.add, "add", false, "keep the rows that the folder has and this run does not measure")
	f.BoolVar(&o.report, "report", false, "measure nothing, write table and plot anew")
	f.DurationVar(&o.timeout, "timeout", 30*time.Minute, "longest time for one build")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if *quick {
		for name, value := range map[string]string{
			"rows": "noop,cycle,one-image", "sizes": "100", "pairs": "2", "long-pairs": "1", "out": "bin/bench",
		} {
			if !isSet(f, name) {
				err = errors.Join(err, f.Set(name, value))
			}
		}
	}
	o.rows = strings.Split(*rows, ",")
	for _, row := range o.rows {
		if !slices.Contains(allRows, row) {
			return o, fmt.Errorf("-rows %s: choose of %s", row, strings.Join(allRows, ","))
		}
	}
	var errSizes, errDelays error
	o.sizes, errSizes = numbers(*sizes)
	o.delays, errDelays = numbers(*delays)
	return o, errors.Join(err, errSizes, errDelays)
}

func isSet(f *flag.FlagSet, name string) (set bool) {
	f.Visit(func(given *flag.Flag) { set = set || given.Name == name })
	return set
}

// numbers reads a list; an empty one has none.
func numbers(list string) (out []int, err error) {
	if list == "" {
		return nil, nil
	}
	for _, text := range strings.Split(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%q is no number", text)
		}
		out = append(out, n)
	}
	return out, nil
}

// run measures and writes; what was measured before a failure is written too.
func run(ctx context.Context, o options, out io.Writer) (err error) {
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	file := filepath.Join(o.out, "bench.json")
	results := &report.Report{}
	if o.add || o.report {
		if results, err = report.Load(file); err != nil {
			return err
		}
	}
	if !o.report {
		if err := measureAll(ctx, o, results, file); err != nil {
			return errors.Join(err, report.Write(o.out, results))
		}
	}
	if err := report.Write(o.out, results); err != nil {
		return err
	}
	_, err = io.WriteString(out, report.Text(results))
	return err
}

func measureAll(ctx context.Context, o options, results *report.Report, file string) (err error) {
	b, err := measure.Open(ctx, o.timeout, os.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	machine, err := measure.MachineOf(ctx, b)
	if err != nil {
		return err
	}
	if len(results.Rows) > 0 && results.Machine != machine {
		return fmt.Errorf("%s has rows of another machine or of other versions: leave out -add, or choose another -out", file)
	}
	results.Machine = machine
	at := measure.Commit(ctx)
	r := &runner{Bench: b, plan: o.plan, keep: func(row *report.Row) error {
		row.Commit = at
		results.Put(row)
		return results.Save(file)
	}}
	return r.all(ctx)
}
