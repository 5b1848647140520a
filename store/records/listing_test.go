package records

import "strconv"

// wrong takes down what went wrong on a registry whose listings are.
func (e *explorer) wrong(s *state, err error) bool {
	if e.scenario.unordered && s.wrong == nil {
		s.wrong = err
	}
	return e.scenario.unordered
}

// lists are the answers that a listing may give.
func (e *explorer) lists(s state, i int, r Request) []Response {
	slot := s.writers[i].machine.slot()
	var all []uint16 // of the slot, the others do not matter
	for _, tag := range s.world.log {
		if name, _ := ParseName(e.what[tag].Tag); name.Sequence == slot {
			all = append(all, tag)
		}
	}
	var answers []Response
	add := func(tags []uint16) {
		response := e.list(tags, r, e.scenario.page)
		response.Tags = append(response.Tags[:len(response.Tags):len(response.Tags)], "latest") // not nil
		response.Digest = strconv.Itoa(len(tags))
		answers = append(answers, response)
	}
	for at := min(s.view, len(all)); at < len(all); at++ {
		if e.scenario.stale {
			add(all[:at])
		} else {
			add(append(append([]uint16{}, all[:at]...), all[at+1:]...))
		}
	}
	add(all)
	return answers
}
