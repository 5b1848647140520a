package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/quoitbuild/quoit/internal/show"
	"github.com/quoitbuild/quoit/store"
	"github.com/quoitbuild/quoit/store/records"
)

func newHistoryCmd() *cobra.Command {
	var project projectFlags
	var output string
	var most int
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Show what was done to the project's rings, newest first",
		Long: `History shows what was done to the project's rings, newest first.

In JSON the moves of a record say what each ring had before and has after, by version (from,
to) and by the digest of the root image (fromDigest, toDigest); for nothing these are not there.`,
		Example: `  quoit history
  quoit history -n 100 -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			if most < 1 {
				return usagef("-n %d: choose 1 or more", most)
			}
			m, p, err := project.open(cmd)
			if err != nil {
				return err
			}
			history, err := p.History(cmd.Context(), most)
			if err != nil {
				return err
			}
			result := newHistoryResult(m.Project, history, most)
			if output == "json" {
				return printJSON(cmd.OutOrStdout(), result)
			}
			return result.print(cmd.OutOrStdout())
		},
	}
	project.register(cmd.Flags())
	outputFlag(cmd, &output)
	cmd.Flags().IntVarP(&most, "number", "n", 20, "how many records are shown at most")
	return cmd
}

// historyResult is the JSON of quoit history.
type historyResult struct {
	Schema  int            `json:"schema"`
	Project string         `json:"project"`
	Records []historyEntry `json:"records"` // newest first; never null
	// Gaps are records among these, or before them, that the registry has lost.
	Gaps []historyGap `json:"gaps,omitempty"`
}

// historyGap is records that are gone, and what may bring them back.
type historyGap struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
	Next  string `json:"next"`
}

// nextGap is the command that takes lost records from a copy.
const nextGap = "quoit repair --from COPY"

// historyEntry is one record of the log.
type historyEntry struct {
	Number    uint64        `json:"number"`
	Digest    string        `json:"digest"` // of the record
	Time      time.Time     `json:"time"`
	Operation string        `json:"operation"`
	Of        uint64        `json:"of,omitempty"` // the record that it takes back or keeps
	Actor     string        `json:"actor"`
	Message   string        `json:"message,omitempty"`
	Source    string        `json:"source,omitempty"`
	Commit    string        `json:"commit,omitempty"`
	Dirty     bool          `json:"dirty,omitempty"` // the sources differed from the commit
	Older     bool          `json:"older,omitempty"` // it took commits back, with --older
	Moves     []historyMove `json:"moves"`           // never null
	// Held are the rings that the record holds, Unheld those whose hold it ends.
	Held   []store.HeldRing `json:"held,omitempty"`
	Unheld []store.HeldRing `json:"unheld,omitempty"`
	// Images are all images of the release that it published or took over, by name.
	Images map[string]historyImage `json:"images,omitempty"`
	// Taken are versions that others had pushed: no release gets them any more.
	Taken []historyTaken `json:"taken,omitempty"`
	// Gates are what was run before, in order; Required what has to be, of a publish.
	Gates    []records.Gate     `json:"gates,omitempty"`
	Required []records.Required `json:"required,omitempty"`
}

// historyMove says what a ring had before and has after: the version of the release, and
// the digest of its root image; "" is nothing.
type historyMove struct {
	Ring       string `json:"ring"`
	From       string `json:"from,omitempty"`
	To         string `json:"to,omitempty"`
	FromDigest string `json:"fromDigest,omitempty"`
	ToDigest   string `json:"toDigest,omitempty"`
}

// historyImage is one image of a release.
type historyImage struct {
	Version string `json:"version"`
	Digest  string `json:"digest"`
	New     bool   `json:"new,omitempty"` // the record gave it its version
}

// historyTaken is a version that others had pushed.
type historyTaken struct {
	Image   string `json:"image"`
	Version string `json:"version"`
	Digest  string `json:"digest"` // of what they had pushed
}

func newHistoryResult(project string, history []records.Sealed, most int) historyResult {
	result := historyResult{Schema: 1, Project: project, Records: []historyEntry{}}
	for _, sealed := range history {
		r := sealed.Record
		entry := historyEntry{
			Number: r.Sequence, Digest: sealed.Digest, Time: r.Time, Operation: r.Operation, Of: r.Of,
			Actor: r.Actor, Message: r.Message, Source: r.Source, Commit: r.Commit, Dirty: r.Dirty, Older: r.Older,
			Moves: []historyMove{}, Gates: r.Gates, Required: r.Required, Unheld: heldBy(r.Unheld, 0),
		}
		if r.Operation == records.OpHold || r.Operation == records.OpUnshift {
			entry.Held = heldBy(r.Holds, r.Sequence)
		}
		for _, ring := range r.Moved() {
			before, after := r.Before[ring], r.After[ring]
			entry.Moves = append(entry.Moves, historyMove{ring, versionIn(before), versionIn(after), before.Digest, after.Digest})
		}
		for name, image := range r.Images {
			if entry.Images == nil {
				entry.Images = map[string]historyImage{}
			}
			entry.Images[name] = historyImage{image.Version.String(), image.Digest, image.New}
		}
		for _, tag := range r.Taken {
			entry.Taken = append(entry.Taken, historyTaken{tag.Repository, tag.Tag, tag.Digest})
		}
		result.Records = append(result.Records, entry)
	}
	for i, entry := range result.Records {
		first := uint64(1)
		if i+1 < len(result.Records) {
			first = result.Records[i+1].Number + 1
		}
		if last := entry.Number - 1; first <= last && (i+1 < len(result.Records) || len(result.Records) < most) {
			result.Gaps = append(result.Gaps, historyGap{first, last, nextGap})
		}
	}
	return result
}

// heldBy are the rings that a record holds (0: any), sorted.
func heldBy(holds map[string]records.Hold, record uint64) (held []store.HeldRing) {
	for _, ring := range slices.Sorted(maps.Keys(holds)) {
		if record == 0 || holds[ring].Record == record {
			held = append(held, store.HeldRing{Ring: ring, Reason: holds[ring].Reason})
		}
	}
	return held
}

func versionIn(place records.Place) string {
	if place.Digest == "" {
		return ""
	}
	return place.Version.String()
}

// print writes a table; messages and commits are cut to one short line.
func (r historyResult) print(out io.Writer) error {
	if len(r.Records) == 0 {
		return printText(out, fmt.Sprintf("nothing was published to %s yet\n", r.Project))
	}
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "NUMBER\tTIME\tOPERATION\tRINGS\tACTOR\tCOMMIT\tMESSAGE\n")
	for _, e := range r.Records {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Number, e.Time.Format("2006-01-02 15:04:05Z"),
			e.what(), e.moves(), show.Short(e.Actor, 40), e.sources(), e.says())
		for _, gap := range r.Gaps {
			if gap.Last+1 == e.Number {
				fmt.Fprintf(w, "%s\n", gap)
			}
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	var trimmed strings.Builder
	for line := range strings.Lines(text.String()) {
		fmt.Fprintln(&trimmed, strings.TrimRight(line, " \n"))
	}
	return printText(out, trimmed.String())
}

// String is a gap as a row of the table.
func (g historyGap) String() string {
	numbers := fmt.Sprint(g.First)
	if g.First < g.Last {
		numbers = fmt.Sprintf("%d–%d", g.First, g.Last)
	}
	return numbers + "\t-\tgone\t-\t-\t-\tthe registry has lost this: `" + g.Next + "` takes it from a copy"
}

// what is the operation in words.
func (e historyEntry) what() string {
	switch word := e.Operation; {
	case word == records.OpTakeOver:
		return "take-over"
	case e.Of > 0:
		return fmt.Sprintf("%s of %d", word, e.Of)
	default:
		return word
	}
}

// says is the message, and what is not said by the other columns.
func (e historyEntry) says() string {
	text := show.Short(e.Message, 72)
	var taken []string
	for _, tag := range e.Taken {
		taken = append(taken, tag.Image+" "+tag.Version)
	}
	note := ""
	switch e.Operation {
	case records.OpVoid:
		note = fmt.Sprintf("record %d is taken back: others had pushed %s", e.Of, strings.Join(taken, ", "))
	case records.OpBurn:
		note = "passed over, as others had pushed it: " + strings.Join(taken, ", ")
	case records.OpKeep:
		note = fmt.Sprintf("record %d stays, whatever others pushed", e.Of)
	case records.OpUpgrade:
		note = "the log knows more from here on, nothing else changes"
	}
	switch {
	case note == "":
		return text
	case text == "":
		return note
	}
	return note + " · " + text
}

// sources is the commit, marked if it does not tell all.
func (e historyEntry) sources() string {
	text := show.Short(e.Commit, 12)
	if e.Dirty {
		text += "-dirty"
	}
	if e.Older {
		text += " (older)"
	}
	return text
}

func (e historyEntry) moves() string {
	moves := e.rings()
	for _, gate := range e.Gates {
		if gate.Skipped != "" {
			moves = append(moves, fmt.Sprintf("gate %s/%s skipped: %s", gate.Ring, gate.Image, show.Short(gate.Skipped, 72)))
		}
	}
	if len(moves) == 0 {
		return "-"
	}
	return strings.Join(moves, ", ")
}

func (e historyEntry) rings() []string {
	var moves []string
	for _, move := range e.Moves {
		switch {
		case move.From == "":
			moves = append(moves, fmt.Sprintf("%s: %s", move.Ring, move.To))
		case move.To == "":
			moves = append(moves, fmt.Sprintf("%s: %s → empty", move.Ring, move.From))
		default:
			moves = append(moves, fmt.Sprintf("%s: %s → %s", move.Ring, move.From, move.To))
		}
	}
	for _, held := range e.Held {
		if e.Operation == records.OpHold {
			moves = append(moves, fmt.Sprintf("%s held: %s", held.Ring, show.Short(held.Reason, 72)))
		}
	}
	for _, held := range e.Unheld {
		moves = append(moves, fmt.Sprintf("%s no longer held: %s", held.Ring, show.Short(held.Reason, 72)))
	}
	return moves
}
