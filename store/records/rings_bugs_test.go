package records

import (
	"maps"
	"strings"
	"testing"
)

// Mistakes that an operation on rings may make, which the log cannot prevent.
func TestPlantedRingBugsAreFound(t *testing.T) {
	for name, test := range map[string]struct {
		mistake func(h *history, newest Record) (string, Operation)
		want    string
	}{
		"a shift that is retried on a changed table": {retriedShift, "that was planned on record"},
		"holds as they were before":                  {staleHolds, "are held, and"},
		"an unshift that does not end a shift":       {endlessUnshift, "can be undone, and"},
	} {
		t.Run(name, func(t *testing.T) {
			_, seed, _, err := histories(1, 1000, func(h *history) { h.mistake = test.mistake })
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			t.Logf("seed %d: %v", seed, err)
		})
	}
}

func retriedShift(h *history, newest Record) (string, Operation) {
	h.next(newest.Sequence)
	return "shift of anything", shifted
}

func staleHolds(h *history, newest Record) (string, Operation) {
	ring, then := h.ring(), newest
	return "hold " + ring, func(newest Record) (Record, error) {
		record := newest.Following(OpHold)
		record.Holds = maps.Clone(then.Holds)
		record.hold(ring, newest.Sequence+1)
		return record, nil
	}
}

func endlessUnshift(h *history, newest Record) (string, Operation) {
	if len(newest.Tops) == 0 {
		return "", nil
	}
	kind, unshift := h.drawUnshift(newest)
	return kind, func(newest Record) (Record, error) {
		record, err := unshift(newest)
		record.Tops = newest.Tops
		return record, err
	}
}
