package deploy

import (
	"errors"
	"testing"
)

// The releases of these tests: 0 ← 1 ← 2 ← 3, 4 from 0, and 5 alone. Their
// versions are 6.0.0, 5.0.0, 4.0.0, 3.0.0, 2.0.0, 1.0.0: the order of versions
// decides nothing.
func history() *world {
	return newWorld(nil, []int{0}, []int{1}, []int{2}, []int{0}, nil)
}

func TestDecide(t *testing.T) {
	all := Options{Downgrade: true}
	for _, test := range []struct {
		name string
		// Each deploy goes to a release and fails at a step; -1: at none.
		deploys [][2]int
		target  int
		options Options
		want    string
	}{
		{"an empty site is installed", nil, 1, Options{}, "install 5.0.0"},
		{"a descendant is an upgrade, whatever its version", [][2]int{{0, -1}}, 2, Options{}, "upgrade 6.0.0 to 4.0.0"},
		{"an ancestor is a downgrade by the newer, then a restore", [][2]int{{2, -1}}, 0, all, "downgrade 4.0.0 to 6.0.0, restore 6.0.0"},
		{"the same release is nothing to do", [][2]int{{1, -1}}, 1, all, "nothing to do"},
		{"the same release is deployed when asked for", [][2]int{{1, -1}}, 1, Options{Again: true}, "upgrade 5.0.0"},
		{"a failed install is installed again", [][2]int{{1, 0}}, 1, Options{}, "resume: install 5.0.0"},
		{"after a failed install, another release is installed", [][2]int{{0, 0}}, 1, Options{}, "install 5.0.0"},
		{"a failed install is taken back before an older install", [][2]int{{1, 0}}, 0, all, "downgrade 5.0.0 to 6.0.0, install 6.0.0"},
		{"a failed upgrade is upgraded again", [][2]int{{0, -1}, {1, 0}}, 1, Options{}, "resume: upgrade 6.0.0 to 5.0.0"},
		{"a failed upgrade counts as attempted", [][2]int{{0, -1}, {1, 0}}, 0, all, "downgrade 5.0.0 to 6.0.0, restore 6.0.0"},
		{"a failed upgrade goes on to a newer release", [][2]int{{0, -1}, {1, 0}}, 2, Options{}, "upgrade 6.0.0 to 4.0.0"},
		{"a failed downgrade is resumed", [][2]int{{2, -1}, {0, 0}}, 0, all, "resume: downgrade 4.0.0 to 6.0.0, restore 6.0.0"},
		{"a failed restore is resumed", [][2]int{{2, -1}, {0, 1}}, 0, all, "resume: restore 6.0.0"},
		{"a failed downgrade is given up by an upgrade", [][2]int{{2, -1}, {0, 0}}, 2, Options{}, "upgrade 6.0.0 to 4.0.0"},
		{"a failed downgrade that went too far", [][2]int{{3, -1}, {0, 0}}, 1, all, "downgrade 3.0.0 to 5.0.0, upgrade 6.0.0 to 5.0.0"},
		{"after a failed restore, the older release is what is there", [][2]int{{2, -1}, {1, 1}}, 0, all, "downgrade 5.0.0 to 6.0.0, restore 6.0.0"},
		{"a broken downgrade can be left out", [][2]int{{2, -1}, {0, 0}}, 0, Options{Downgrade: true, SkipDowngrade: true}, "resume: restore 6.0.0"},
		{"a sibling is deployed over when asked for", [][2]int{{2, -1}}, 4, Options{Discard: true}, "upgrade 4.0.0 to 2.0.0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := history()
			record := w.after(t, test.deploys)
			plan, err := Decide(record, w.releases[test.target], w.descends, test.options)
			if err != nil {
				t.Fatal(err)
			}
			if got := plan.String(); got != test.want {
				t.Errorf("%s\nwant %s", got, test.want)
			}
		})
	}
}

// after is the record after some deploys that were allowed everything.
func (w *world) after(t *testing.T, deploys [][2]int) Record {
	t.Helper()
	record := Record{Project: "acme/shop", Site: "eu"}
	for _, d := range deploys {
		plan, err := Decide(record, w.releases[d[0]], w.descends, Options{Downgrade: true, Discard: true})
		if err != nil {
			t.Fatal(err)
		}
		for i := range plan.Steps {
			outcome := Done
			if i == d[1] {
				outcome = Failed
			}
			record = record.Finish(plan, i, outcome, Result{}, w.descends)
			if outcome == Failed {
				break
			}
		}
	}
	return record
}

func TestDecideAsks(t *testing.T) {
	w := history()
	t.Run("a downgrade that is not allowed", func(t *testing.T) {
		_, err := Decide(w.after(t, [][2]int{{2, -1}}), w.releases[1], w.descends, Options{Discard: true, Again: true})
		var e *DowngradeError
		if !errors.As(err, &e) || e.Site != "eu" || !e.Runs.Same(w.releases[2]) || !e.Target.Same(w.releases[1]) {
			t.Errorf("%+v", err)
		}
	})
	t.Run("the way back from a failed upgrade is a downgrade", func(t *testing.T) {
		_, err := Decide(w.after(t, [][2]int{{1, -1}, {2, 0}}), w.releases[1], w.descends, Options{})
		if !errors.As(err, new(*DowngradeError)) {
			t.Error(err)
		}
	})
	for name, target := range map[string]int{"a sibling": 4, "a stranger": 5} {
		t.Run(name+" needs a word", func(t *testing.T) {
			_, err := Decide(w.after(t, [][2]int{{2, -1}}), w.releases[target], w.descends, Options{Downgrade: true, Again: true})
			if !errors.As(err, new(*UnrelatedError)) {
				t.Error(err)
			}
		})
	}
}

func TestDecideUninstall(t *testing.T) {
	w := history()
	for _, test := range []struct {
		name    string
		deploys [][2]int
		want    string
	}{
		{"nothing was ever there", nil, "nothing to do"},
		{"what is installed uninstalls itself", [][2]int{{1, -1}}, "uninstall 5.0.0"},
		{"the newest that was tried uninstalls", [][2]int{{1, -1}, {2, 0}}, "uninstall 4.0.0"},
		{"of unrelated ones each does", [][2]int{{1, -1}, {5, 0}}, "uninstall 5.0.0, uninstall 1.0.0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			record := w.after(t, test.deploys)
			if got := DecideUninstall(record, w.descends).String(); got != test.want {
				t.Errorf("%s\nwant %s", got, test.want)
			}
		})
	}
}
