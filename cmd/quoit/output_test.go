package main

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/quoitbuild/quoit/board"
	"github.com/quoitbuild/quoit/builder/gate"
	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/deploy/apply"
	"github.com/quoitbuild/quoit/deploy/rollout"
	"github.com/quoitbuild/quoit/deploy/site"
	"github.com/quoitbuild/quoit/internal/diag"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
	"github.com/quoitbuild/quoit/store/verify"
	"github.com/quoitbuild/quoit/versioning"
)

// evil is what anybody may write into a message: it turns the line around, hides
// a character, and steers the terminal with a C1 control.
const evil = "fix \u202e)elbitapmoc( \u2066drawkcab\u2069\u200b\u009b2J"

func evilRecord() records.Record {
	r := records.Record{Operation: evil, Sequence: 1}
	r.Actor, r.Message, r.Source, r.Commit, r.Time = evil, evil, evil, evil, time.Unix(0, 0).UTC()
	return r
}

func TestNothingThatIsPrintedTurnsTextAround(t *testing.T) {
	held := &versioning.Held{Version: versioning.Version{Minor: 1}}
	moved := &store.MovedError{Ring: evil, Was: held, Record: new(evilRecord())}
	plan := versioning.Plan{Project: evil, Ring: evil, Root: "deploy", Warnings: []string{evil}, Images: []versioning.ImagePlan{
		{Name: "deploy", Changed: true, Version: versioning.Version{Minor: 1}, Reasons: []versioning.Reason{{Kind: versioning.ReasonNew, Detail: evil}}}}}
	broken := board.Site{Site: evil, Ring: evil, State: board.Broken, Step: &deploy.Step{}, Last: &deploy.Result{Error: evil}}
	reported := func(err error) func(io.Writer) error {
		return func(out io.Writer) error { report(out, err); return nil }
	}
	for name, print := range map[string]func(io.Writer) error{
		"history": func(out io.Writer) error {
			return newHistoryResult("p", []records.Sealed{{Record: evilRecord()}}, 1).print(out)
		},
		"history in JSON": func(out io.Writer) error {
			return printJSON(out, newHistoryResult("p", []records.Sealed{{Record: evilRecord()}}, 1))
		},
		"history of nothing": func(out io.Writer) error { return newHistoryResult(evil, nil, 1).print(out) },
		"status": func(out io.Writer) error {
			return printText(out, board.Board{Rings: []board.Ring{{Ring: evil, Held: &board.Hold{Reason: evil}}}}.String())
		},
		"status of sites": func(out io.Writer) error { return printText(out, board.Board{Sites: []board.Site{broken}}.String()) },
		"a site that is unreachable": func(out io.Writer) error {
			return printText(out, board.Board{Sites: []board.Site{{Site: "eu", State: board.Unreachable, Error: evil}}}.String())
		},
		"verify": func(out io.Writer) error {
			err := printReport(out, "p", verify.Report{Findings: []verify.Finding{{Reference: evil, Problem: evil, Next: evil}}}, "text")
			if code := exitCode(0); errors.As(err, &code) {
				return nil
			}
			return err
		},
		"plan":            func(out io.Writer) error { return printPlan(out, plan, "text") },
		"plan in JSON":    func(out io.Writer) error { return printPlan(out, plan, "json") },
		"explain":         func(out io.Writer) error { return printImage(out, plan, "deploy", "text") },
		"explain in JSON": func(out io.Writer) error { return printImage(out, plan, "deploy", "json") },
		"build":           func(out io.Writer) error { return buildResult{Plan: plan}.print(out, "json") },
		"deploy's summary": func(out io.Writer) error {
			return printText(out, summary([]rollout.Result{{Site: evil, Error: evil}}, false))
		},
		"deploy's decision": func(out io.Writer) error {
			return printText(out, rollout.Result{Site: evil, Reason: evil, Cluster: evil}.String())
		},
		"apply, diff": func(out io.Writer) error {
			return printText(out, apply.Result{Site: evil, Changes: []apply.Change{{Object: evil}}}.String())
		},
		"an error":           reported(errors.New(evil)),
		"several errors":     reported(errors.Join(errors.New(evil), errors.New(evil))),
		"who moved the ring": reported(moved),
		"a mistake": reported(diag.Diagnostic{Source: &diag.Source{Name: evil, Data: []byte(evil)}, Message: evil, Hint: evil,
			Range: diag.Range{Start: diag.Position{Line: 1, Column: 2}}}),
		"a gate's output": reported(&gate.Error{Output: []string{evil}}),
		"a pod's log":     reported(&site.StepError{Lines: []string{evil}}),
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			if err := print(&out); err != nil {
				t.Fatal(err)
			}
			for _, r := range out.String() {
				if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
					t.Fatalf("%U is printed: %+q", r, out.String())
				}
			}
			if !strings.Contains(out.String(), `\u202e)elb`) {
				t.Errorf("the text is lost: %q", out.String())
			}
		})
	}
}
