package judge

import "testing"

func TestOneOff(t *testing.T) {
	for pair, want := range map[[2]string]bool{
		{"api", "api"}: false, {"api", "apis"}: true, {"api", "pi"}: true, {"api", "app"}: true, {"api", "aip"}: true, {"api", "ipa"}: false,
		{"api", "a"}: false, {"", "a"}: true, {"ab", "ba"}: true, {"mailer", "postman"}: false, {"web", "wbe2"}: false,
	} {
		if oneOff(pair[0], pair[1]) != want || oneOff(pair[1], pair[0]) != want {
			t.Errorf("%q: want %t", pair, want)
		}
	}
}
