package records

import "testing"

// costs are the requests of one run, without those for digests and version tags.
type costs struct {
	machine int // as the machine asks for them
	http    int // a record is read by two (manifest, config), first written by three
	images  int // those for digests and version tags
	outcome Outcome
}

func cost(t *testing.T, operation Operation) costs {
	t.Helper()
	e := explorer{numbers: newNumbers()}
	var w world
	begin := []Operation{publish("dev", "0.1.0", ""), set("testers", "0.1.0"), set("users", "0.1.0")}
	for i, operation := range begin {
		if _, _, err := alone(e.numbers, &w, e.machine(i+1, operation), nil, 100); err != nil {
			t.Fatal(err)
		}
	}
	m, sealed, c := e.machine(9, operation), false, costs{}
	for {
		batch, more := m.Next()
		if !more {
			c.outcome = m.Result().Outcome
			return c
		}
		var got []Response
		for _, r := range batch {
			switch {
			case r.Action == HeadDigest || isVersion(r.Tag):
				c.images++
				c.machine, c.http = c.machine-1, c.http-1
			case r.Action == Get:
				c.http++
			case r.Sealed != nil && !sealed:
				c.http += 2
				sealed = true
			}
			c.machine, c.http = c.machine+1, c.http+1
			got = append(got, e.answer(&w, r))
		}
		m.Took(got)
	}
}

// An append that nobody contests is cheap, whatever the number of images. Three
// rings have something here; each costs one request.
func TestCost(t *testing.T) {
	two := cost(t, publishTwo("dev", "0.2.0", sha("0.1.0")))
	place := cost(t, set("dev", "0.2.0"))
	complete := cost(t, nil)
	t.Logf("publish %+v, set %+v, complete %+v", two, place, complete)
	switch {
	case two.outcome != Success || two.machine > 20 || two.http > 22:
		t.Errorf("publish: %+v", two)
	case two.images > 4*2+1:
		t.Errorf("publish: %d requests for two images", two.images)
	case place.outcome != Success || place.machine > 20 || place.http > 22:
		t.Errorf("set: %+v", place)
	case complete.outcome != Settled || complete.http > 10:
		t.Errorf("complete: %+v", complete)
	}
}
