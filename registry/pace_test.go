package registry

import (
	"errors"
	"sync"
	"testing"
)

func TestEachKeepsToItsLimit(t *testing.T) {
	p := Pace{Jobs: 3}
	var mu sync.Mutex
	running, most, calls := 0, 0, 0
	full := make(chan struct{})
	err := p.Each(30, func(int) error {
		mu.Lock()
		running, calls = running+1, calls+1
		most = max(most, running)
		if calls == 3 {
			close(full)
		}
		mu.Unlock()
		<-full
		mu.Lock()
		running--
		mu.Unlock()
		return nil
	})
	if err != nil || most != 3 || calls != 30 {
		t.Errorf("%d at a time, %d calls, %v", most, calls, err)
	}
}

func TestEachStartsNoMoreAfterAFailure(t *testing.T) {
	p := Pace{Jobs: 1}
	broke, calls := errors.New("broke"), 0
	err := p.Each(10, func(i int) error {
		calls++
		if i == 3 {
			return broke
		}
		return nil
	})
	if err != broke || calls != 4 {
		t.Errorf("%d calls, %v", calls, err)
	}
}
