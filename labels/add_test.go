package labels_test

import (
	"strings"
	"testing"

	"github.com/quoitbuild/quoit/labels"
)

func TestLabelsAreAddedToAConfig(t *testing.T) {
	for _, test := range []struct{ config, want string }{
		{`{"os":"linux","config":{"Env":["A=1"],"Labels":{"team":"a","x":"y"}},"new":{"k":[1]}}`, `{"config":{"Env":["A=1"],"Labels":{"team":"b","x":"y"}},"new":{"k":[1]},"os":"linux"}`},
		{`{"config":{"Labels":null}}`, `{"config":{"Labels":{"team":"b"}}}`},
		{`{}`, `{"config":{"Labels":{"team":"b"}}}`},
	} {
		got, err := labels.Add([]byte(test.config), map[string]string{"team": "b"})
		if err != nil || string(got) != test.want {
			t.Errorf("%s: got %s, %v", test.config, got, err)
		}
		same, err := labels.Add([]byte(test.config), nil)
		if err != nil || string(same) != test.config {
			t.Errorf("%s without more: got %s, %v", test.config, same, err)
		}
	}
	for _, config := range []string{`[]`, `{"config":1}`, `{"config":{"Labels":[]}}`, strings.Repeat("[", 100)} {
		if got, err := labels.Add([]byte(config), map[string]string{"a": "b"}); err == nil {
			t.Errorf("%s: got %s", config, got)
		}
	}
}
