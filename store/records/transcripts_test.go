package records

import "testing"

// transcripts tell stories, by the names of their files in testdata.
var transcripts = map[string]func(*testing.T) *transcript{
	"publish":         tellPublish,
	"two-writers":     tellTwoWriters,
	"died-before-try": tellDiedBeforeTry,
	"died-after-yes":  tellDiedAfterYes,
	"unknown":         tellUnknown,
	"complete":        tellComplete,
	"refused":         tellRefused,
	"void":            tellVoid,
	"keep":            tellKeep,
	"shift":           tellShift,
	"prune":           tellPrune,
	"hint-behind":     tellHintBehind,
}

func tellPublish(t *testing.T) *transcript {
	s := newTranscript(t, "Ann publishes two images, and nobody else writes. The ring's tag moves last, and the versions' before it; the hint is written when all is over.")
	s.quietly(publishTwo("dev", "0.1.0", ""))
	s.end(s.writer("ann", publishTwo("dev", "0.2.0", sha("0.1.0"))))
	return s
}

func tellTwoWriters(t *testing.T) *transcript {
	s := newTranscript(t, "Ann and Bob publish to two rings at the same moment. Both see two tries, so both vote no and back off. Ann is back first and goes on into round 2; Bob finds her record and comes after it.")
	s.quietly(publish("dev", "0.1.0", ""))
	s.end(s.writer("ann", publish("dev", "0.2.0", sha("0.1.0"))), s.writer("bob", publish("users", "0.3.0", "")))
	return s
}

func tellDiedBeforeTry(t *testing.T) *transcript {
	s := newTranscript(t, "Ann dies before her try. Nothing of her publish is in the log nor ever will be, and Bob does not notice.")
	s.quietly(publish("dev", "0.1.0", ""))
	s.until(s.writer("ann", publish("dev", "0.2.0", sha("0.1.0"))), Put, "-try-")
	s.say("ann dies")
	s.end(s.writer("bob", publish("dev", "0.3.0", sha("0.1.0"))))
	return s
}

func tellDiedAfterYes(t *testing.T) *transcript {
	s := newTranscript(t, "Ann dies when her yes is out. She may have seen that it decides, so Bob carries her record on into the log, completes its tags, and then appends his own.")
	s.quietly(publish("dev", "0.1.0", ""))
	ann := s.writer("ann", publish("dev", "0.2.0", sha("0.1.0")))
	s.until(ann, Put, "-yes-")
	s.batch(ann)
	s.say("ann dies")
	s.end(s.writer("bob", publish("users", "0.3.0", "")))
	return s
}

func tellUnknown(t *testing.T) *transcript {
	s := newTranscript(t, "Ann's vote gets no answer, and she is interrupted. She says that the outcome is not known, and she is right: with the next command her record is in the log.")
	s.quietly(publish("dev", "0.1.0", ""))
	ann := s.writer("ann", publish("dev", "0.2.0", sha("0.1.0")))
	s.until(ann, Put, "-yes-")
	requests, _ := ann.machine.Next()
	s.answer(&s.world, requests[0])
	s.line(ann, ann.machine.step(), requests[0], "no answer, but it is stored")
	ann.machine.Took([]Response{{Lost: true}})
	s.stop(ann)
	s.end(s.writer("bob", set("users", "0.1.0")))
	return s
}

func tellComplete(t *testing.T) *transcript {
	s := newTranscript(t, "Ann dies when her record is decided, and before any tag is written. Bob has nothing to do himself: he waits for Ann for five seconds, then he completes her record.")
	s.quietly(publishTwo("dev", "0.1.0", ""))
	ann := s.writer("ann", publishTwo("dev", "0.2.0", sha("0.1.0")))
	s.until(ann, Put, "deploy:0.2.0")
	s.say("ann dies")
	s.end(s.writer("bob", nil))
	return s
}

func tellRefused(t *testing.T) *transcript {
	s := newTranscript(t, "Bob has built on what the ring had before Ann. When he comes to Check, the ring has moved: nothing of his is in the log, and he has written nothing.")
	s.quietly(publish("dev", "0.1.0", ""))
	bob := s.writer("bob", publish("dev", "0.3.0", sha("0.1.0")))
	s.batch(bob)
	s.end(s.writer("ann", publish("dev", "0.2.0", sha("0.1.0"))))
	s.end(bob)
	return s
}

func tellVoid(t *testing.T) *transcript {
	s := newTranscript(t, "Eve pushes a version when Ann has looked whether it is free, and before she writes it. It is Eve's for ever, so Ann takes her own publish back with a void; no ring has moved.")
	s.quietly(publish("dev", "0.1.0", ""))
	s.images[sha("eve")] = "image of eve"
	ann := s.writer("ann", publish("dev", "0.2.0", sha("0.1.0")))
	s.until(ann, Head, "deploy:0.2.0")
	s.batch(ann)
	s.write("eve", Content{"deploy", "0.2.0", sha("eve")})
	s.end(ann)
	return s
}

func tellKeep(t *testing.T) *transcript {
	s := newTranscript(t, "Eve overwrites a version after Ann has moved every tag. Bob finds that and puts a doubt, Ann puts her done: as both are there, Ann appends a keep, so that nobody can take back what she reports as a success.")
	s.quietly(publish("dev", "0.1.0", ""))
	s.images[sha("eve")] = "image of eve"
	ann := s.writer("ann", publishTwo("dev", "0.2.0", sha("0.1.0")))
	s.until(ann, Put, "-done-")
	s.write("eve", Content{"deploy", "0.2.0", sha("eve")})
	bob := s.writer("bob", publish("users", "0.3.0", ""))
	s.until(bob, Put, "-doubt-")
	s.batch(bob)
	s.end(ann)
	s.end(bob)
	return s
}

func tellShift(t *testing.T) *transcript {
	s := newTranscript(t, "Ann shifts over three rings: one record, then a write for each ring, the outermost first, so that at every moment some ring names each of the releases.")
	s.quietly(publish("dev", "0.1.0", ""), set("testers", "0.2.0"), set("users", "0.3.0"))
	s.end(s.writer("ann", shiftTwice(3)))
	return s
}

func tellPrune(t *testing.T) *transcript {
	s := newTranscript(t, "Ann gives up the first release. From her record on it cannot come back: Bob, who wants to set a ring to it, is refused before he writes anything.")
	first, second := Place{}, Place{}
	numbered := func(v string, place *Place) Operation {
		return func(newest Record) (Record, error) {
			record, err := publish("dev", v, newest.After["dev"].Digest)(newest)
			record.Releases = newest.Releases + 1
			*place = record.After["dev"]
			place.Record, place.Release = newest.Sequence+1, record.Releases
			record.After["dev"] = *place
			return record, err
		}
	}
	s.quietly(numbered("0.1.0", &first), numbered("0.2.0", &second))
	s.end(s.writer("ann", func(newest Record) (Record, error) {
		record := newest.Following(OpPrune)
		record.Pruned = record.Pruned.With(first.Release)
		return record, nil
	}))
	s.end(s.writer("bob", place("users", first)))
	return s
}

func tellHintBehind(t *testing.T) *transcript {
	s := newTranscript(t, "The hint still names the first of three records, as a retention rule or a lost answer may leave it. It is a record of the log, so Ann goes on from there, upwards, and reads the newest one.")
	s.quietly(set("dev", "0.1.0"), set("dev", "0.2.0"), set("dev", "0.1.0"))
	s.numbers.write(&s.world, Content{Repository, string(Hint), s.look(s.world, Repository, Name{Sequence: 1}.String())})
	s.end(s.writer("ann", set("users", "0.2.0")))
	return s
}
