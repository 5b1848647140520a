package records

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/internal/dose"
)

// judge says whether a history is one that a log may have: the log itself is the
// order in which the operations took effect. Every success is in it exactly once,
// at a moment between its command's start and end, so real time is kept; every
// refusal was right for a record that was the newest one meanwhile.
func (h *history) judge() error {
	at := map[string]int{}
	for i, d := range h.decisions {
		record := d.sealed.Record
		var before Table
		if i > 0 {
			before = h.decisions[i-1].sealed.Record.After
		}
		if !maps.Equal(before, record.Before) {
			return fmt.Errorf("record %d does not follow the table before", i+1)
		}
		if side(record) {
			continue
		}
		if other, found := at[record.ID]; found {
			return fmt.Errorf("records %d and %d are of one operation", other+1, i+1)
		}
		at[record.ID] = i
	}
	if err := errors.Join(h.judgeRings(), h.judgeNames()); err != nil {
		return err
	}
	if h.counted != nil {
		h.count()
	}
	for _, c := range h.commands {
		i, found := at[c.machine.options.Signature.ID]
		if !found {
			i = -1
		}
		if err := h.judgeOne(c, i); err != nil {
			return fmt.Errorf("command %d (%s, %d–%d, %s: %v): %w", c.id, c.kind, c.start, c.end, c.machine.result.Outcome, c.machine.result.Err, err)
		}
	}
	return h.last()
}

func (h *history) judgeOne(c *command, at int) error {
	if at >= 0 && (h.decisions[at].at < c.start || c.end > 0 && h.decisions[at].at > c.end) {
		return fmt.Errorf("it took effect at %d", h.decisions[at].at)
	}
	if c.crashed {
		return nil
	}
	voided := at >= 0 && at+1 < len(h.decisions) && h.decisions[at+1].sealed.Record.Operation == OpVoid
	switch c.machine.result.Outcome {
	case Success:
		if at < 0 || voided || c.machine.result.Record.Digest != h.decisions[at].sealed.Digest {
			return fmt.Errorf("it is in the log as %d, taken back: %v", at+1, voided)
		}
	case Settled:
		if c.operation != nil {
			return errors.New("it had something to do")
		}
	case Refused:
		if at >= 0 {
			return fmt.Errorf("it is in the log as %d", at+1)
		}
		return h.justified(c)
	case Foreign:
		if len(h.foreign) == 0 || at >= 0 && !voided {
			return fmt.Errorf("%d foreign pushes, in the log as %d", len(h.foreign), at+1)
		}
	default:
		if c.old {
			return h.judgeOld(c, at)
		}
		return errors.New("it should not end so")
	}
	return nil
}

// justified: the operation did not fit a record that was the newest meanwhile,
// or a version that it assigns had other contents.
func (h *history) justified(c *command) error {
	if taken := new(TakenError); errors.As(c.machine.result.Err, &taken) {
		return nil // versions keep their contents, so it is true now if it was
	}
	for i := -1; i < len(h.decisions); i++ {
		from, to := 0, 1<<60
		newest := Record{}
		if i >= 0 {
			from, newest = h.decisions[i].at, h.decisions[i].sealed.Record
		}
		if i+1 < len(h.decisions) {
			to = h.decisions[i+1].at
		}
		if from <= c.end && to >= c.start {
			if c.machine.result.Err == ErrOlder && newest.Schema == 1 {
				return nil
			}
			if _, err := c.operation(newest); err != nil && c.machine.result.Err != ErrOlder {
				return nil
			}
		}
	}
	return errors.New("nothing justifies that it was refused")
}

// last: the next command completes everything, and nothing is wrong with the log.
func (h *history) last() error {
	crashed := false
	for _, c := range h.commands {
		crashed = crashed || c.crashed || c.machine.result.Outcome == Unknown
	}
	for _, finding := range Verify(h.wholeLog(h.world)) {
		known := len(h.foreign) > 0 && finding.Fault == Disagrees || finding.Fault == Unfinished && (crashed || h.landings > 0 || h.unhinted && finding.Tag.Tag == string(Hint))
		if !known {
			return fmt.Errorf("at the end: %s", finding)
		}
	}
	m, _ := New(Options{Signature: signature(0), Rings: simulated})
	m.seal = h.seal
	if _, _, err := alone(h.numbers, &h.world, m, nil, 200); err != nil {
		return err
	}
	if m.result.Outcome == Foreign && len(h.foreign) > 0 {
		return nil
	}
	if m.result.Outcome != Settled {
		return fmt.Errorf("the next command ends as %s: %v", m.result.Outcome, m.result.Err)
	}
	for _, finding := range Verify(h.wholeLog(h.world)) {
		if len(h.foreign) == 0 || finding.Fault != Disagrees {
			return fmt.Errorf("after the next command: %s", finding)
		}
	}
	return nil
}

// histories runs many, and returns the first seed that goes wrong.
func histories(first, count uint64, change func(*history)) (h *history, seed uint64, ends map[Outcome]int, err error) {
	ends = map[Outcome]int{}
	for seed = first; seed < first+count; seed++ {
		h = newHistory(seed)
		if change != nil {
			change(h)
		}
		if err = h.run(); err != nil {
			return h, seed, ends, err
		}
		for _, c := range h.commands {
			ends[c.machine.result.Outcome]++
		}
	}
	return h, seed, ends, nil
}

func TestRandomHistories(t *testing.T) {
	runHistories(t, dose.Of[uint64](200, 1000, 100_000), nil)
}

// A registry whose pages hold next to nothing, and are older the earlier they are.
func TestRandomHistoriesInTinyPages(t *testing.T) {
	runHistories(t, dose.Of[uint64](60, 300, 300), func(h *history) { h.lagging, h.order, h.page = true, "lexical", 1 })
}

// runHistories runs many, or the one that QUOIT_SEED names.
func runHistories(t *testing.T, count uint64, change func(*history)) {
	t.Helper()
	first := uint64(1)
	if text := os.Getenv("QUOIT_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("QUOIT_SEED: %v", err)
		}
		first, count = seed, 1
	}
	h, seed, ends, err := histories(first, count, change)
	if err != nil {
		t.Fatalf("QUOIT_SEED=%d go test -run '^%s$': %v\n%s", seed, t.Name(), err, strings.Join(h.trace, "\n"))
	}
	t.Logf("%d histories, commands ended: %v", count, ends)
}
