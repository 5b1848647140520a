package render

import "testing"

func TestTheReleaseComesFromTheTargetAndTheRoot(t *testing.T) {
	described := `{"schema":1,"project":"acme/shop","root":"deploy","images":{` +
		`"api":{"version":"1.0.0","revision":"` + digestA + `","platforms":["linux/amd64"]},` +
		`"deploy":{"version":"1.0.0","revision":"` + digestA + `","platforms":["linux/amd64"],"dependencies":{"api":"1.0.0"}}},` +
		`"externals":{"db":{"reference":"docker.io/library/postgres:17","digest":"` + digestB + `"}}}`
	root := folder(t, map[string]string{"quoit/release.json": described})
	for name, c := range map[string]struct {
		root   string
		target Target
		image  string
		want   string
	}{
		"by version":                  {root, Target{Registry: "r.io"}, "api", "r.io/acme/shop/api:1.0.0"},
		"an external by itself":       {root, Target{}, "postgres:17", "docker.io/library/postgres:17@" + digestB},
		"by digest":                   {root, Target{Images: map[string]string{"api": "m.io/acme/shop/api@" + digestA}}, "api", "m.io/acme/shop/api@" + digestA},
		"an external of the site":     {root, Target{Images: map[string]string{"db": "m.io/postgres@" + digestB}}, "postgres:17", "m.io/postgres@" + digestB},
		"a root that says nothing":    {t.TempDir(), Target{Project: "acme/shop", Images: map[string]string{"api": "m.io/acme/shop/api@" + digestA}}, "api", "m.io/acme/shop/api@" + digestA},
		"an external it says nothing": {t.TempDir(), Target{Project: "acme/shop", Images: map[string]string{"db": "docker.io/library/postgres:17@" + digestB}}, "postgres:17", "docker.io/library/postgres:17@" + digestB},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := releaseIn(c.root, c.target)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := r.resolve(c.image); err != nil || got != c.want {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
	for want, c := range map[string]struct {
		root   string
		target Target
	}{
		"cannot tell":                  {t.TempDir(), Target{}},
		"belongs to project acme/shop": {root, Target{Project: "acme/other"}},
		"has no digest":                {root, Target{Images: map[string]string{"api": "api:1"}}},
		"is not an image reference":    {root, Target{Images: map[string]string{"api": "A@"}}},
		"is broken":                    {folder(t, map[string]string{"quoit/release.json": "{"}), Target{}},
	} {
		_, err := releaseIn(c.root, c.target)
		mustFail(t, err, want)
	}
}

func releaseIn(root string, target Target) (release, error) {
	s, err := Load(root)
	if err != nil {
		return release{}, err
	}
	return s.release(target)
}
