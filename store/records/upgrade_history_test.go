package records

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/internal/dose"
)

// Histories that begin with a log of schema 1, on which commands of both schemas go on.
func TestRandomHistoriesFromSchemaOne(t *testing.T) {
	logs := frozenLogs(t)
	ends := map[string]int{}
	runHistories(t, dose.Of[uint64](120, 500, 20_000), func(h *history) {
		h.older = logs
		h.counted = ends
	})
	t.Log(ends)
	if ends["upgraded"] == 0 || ends["old commands after it"] == 0 || ends["old commands in the log"] == 0 {
		t.Errorf("not everything happened: %v", ends)
	}
}

// The checker has to find what goes wrong without an upgrade.
func TestPlantedHasteIsFound(t *testing.T) {
	logs := frozenLogs(t)
	_, seed, _, err := histories(1, 1000, func(h *history) { h.older, h.hasty = logs, true })
	if err == nil || !strings.Contains(err.Error(), "can be undone, and") && !strings.Contains(err.Error(), "says that record") {
		t.Fatalf("got %v", err)
	}
	t.Logf("seed %d: %v", seed, err)
}

// judgeNames says whether records name others by the digests that these have, and whether
// every version that one assigned still counts as assigned.
func (h *history) judgeNames() error {
	schema := 0
	for i, d := range h.decisions {
		record := d.sealed.Record
		if record.Schema < schema {
			return fmt.Errorf("record %d has schema %d again", i+1, record.Schema)
		}
		schema = record.Schema
		for _, number := range record.names() {
			if want := h.decisions[number-1].sealed.Digest; schema > 1 && record.Digests[number] != want {
				return fmt.Errorf("record %d says that record %d is %q", i+1, number, record.Digests[number])
			}
		}
		for _, earlier := range h.decisions[:i+1] {
			for image, content := range earlier.sealed.Record.Images {
				if schema > 1 && !record.Assigned.Taken(image, content.Version) {
					return fmt.Errorf("after record %d, %s %s is free", i+1, image, content.Version)
				}
			}
		}
	}
	return nil
}

// thaw lets the history go on from a log of schema 1, or from the beginning of one.
func (h *history) thaw() {
	names := slices.Sorted(maps.Keys(h.older))
	log := h.older[names[h.rng.IntN(len(names))]]
	log = log[:1+h.rng.IntN(len(log))]
	h.world, h.offset = h.frozen(log), 1000
	for _, sealed := range log {
		h.decisions = append(h.decisions, decision{sealed: sealed})
		h.planned[sealed.Record.ID] = sealed.Record.Sequence - 1
		h.foreign = append(h.foreign, sealed.Record.Taken...)
	}
}

// log1 is the log as it is.
func (h *history) log1() []Sealed {
	var log []Sealed
	for _, d := range h.decisions {
		log = append(log, d.sealed)
	}
	return log
}

// age lets some commands be of schema 1: they write that, and read nothing newer. No
// record of theirs is a shift, whose rule was another one.
func (h *history) age(c *command) {
	c.machine.options.Upgrade = c.kind == "upgrade" || h.hasty
	newest, _ := h.numbers.newest(h.world)
	if c.kind == "upgrade" || newest.Record.Schema > 1 && h.rng.IntN(4) > 0 || h.rng.IntN(3) > 0 || h.planned[c.machine.options.Signature.ID] > 0 {
		return
	}
	c.old, c.machine.options.Upgrade = true, true
	c.machine.seal = func(record Record) (Sealed, error) {
		record.Schema, record.Tops, record.Under, record.Assigned, record.Digests = 1, nil, nil, nil, nil
		return h.seal(record)
	}
}

// judgeOld says whether a command of schema 1 ended as one should that may have found a
// record that it cannot read.
func (h *history) judgeOld(c *command, at int) error {
	newer := new(SchemaError)
	switch outcome := c.machine.result.Outcome; {
	case !errors.As(c.machine.result.Err, &newer) || outcome != Stopped && outcome != Unknown:
		return errors.New("it should not end so")
	case outcome == Stopped && at >= 0:
		return errors.New("it is in the log")
	}
	return nil
}

// count says what happened, so that a history in which nothing does is noticed.
func (h *history) count() {
	for _, d := range h.decisions[1:] {
		if d.at > 0 && d.sealed.Record.Operation == OpUpgrade {
			h.counted["upgraded"]++
		}
	}
	for _, c := range h.commands {
		if c.old && errors.As(c.machine.result.Err, new(*SchemaError)) {
			h.counted["old commands after it"]++
		}
		if c.old && c.machine.result.Outcome == Success {
			h.counted["old commands in the log"]++
		}
	}
}

// unshift1 undoes a shift as schema 1 did: in the rings that it holds.
func (r *ringsReplayed) unshift1(record Record) {
	for ring, hold := range record.Holds {
		if last := len(r.stacks[ring]) - 1; hold.Record == record.Sequence && last >= 0 && r.stacks[ring][last].Record == record.Of {
			r.stacks[ring] = r.stacks[ring][:last]
		}
	}
	r.holds = maps.Clone(record.Holds)
}
