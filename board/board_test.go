package board

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/deploy"
	"github.com/quoitbuild/quoit/versioning"
)

func version(minor uint64) versioning.Version { return versioning.Version{Minor: minor} }

// place is a release.
func place(minor uint64) versioning.Place {
	return versioning.Place{Root: "deploy", Version: version(minor), Digest: "sha256:" + strings.Repeat("0", 63) + string(rune('0'+minor))}
}

func release(minor uint64) *deploy.Release {
	return &deploy.Release{Version: version(minor), Digest: place(minor).Digest}
}

func rings() []Ring {
	developers, held := RingOf("developers", place(2)), RingOf("testers", place(1))
	developers.Images = map[string]versioning.Version{"api": version(1), "deploy": version(2)}
	developers.Digests = map[string]string{"api": "sha256:a", "deploy": developers.Digest}
	held.Images = map[string]versioning.Version{"api": version(1), "deploy": version(1)}
	held.Held = &Hold{Reason: "an \x1b[31maudit", Record: 7}
	return []Ring{RingOf("ante", versioning.Place{Root: "deploy"}), developers, held}
}

func sites() []Site {
	named := func(name, ring string) Site {
		return Site{Site: name, Ring: ring, Cluster: "prod", Namespace: "shop"}
	}
	upgrade := deploy.Step{Action: deploy.Upgrade, Run: *release(2), From: version(1), To: version(2)}
	failed := deploy.Result{Step: upgrade, Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Error: "a hook failed\nand more"}
	return []Site{
		SiteOf(named("at", "developers"), place(2), deploy.Record{Installed: release(2)}, nil),
		SiteOf(named("behind", "developers"), place(2), deploy.Record{Installed: release(1)}, nil),
		SiteOf(named("alone", "ante"), versioning.Place{}, deploy.Record{Installed: release(1)}, nil),
		SiteOf(named("new", "developers"), place(2), deploy.Record{}, nil),
		SiteOf(named("stuck", "developers"), place(2), deploy.Record{Installed: release(1), Step: &upgrade, Results: []deploy.Result{{}, failed}}, nil),
		SiteOf(named("away", "ante"), versioning.Place{}, deploy.Record{Installed: release(1)}, errors.New("dial tcp: connection \u202erefused")),
	}
}

const ringsText = `RING        RELEASE  IMAGES  DIGEST
ante        -                
developers  0.2.0    2       sha256:0000000000000000000000000000000000000000000000000000000000000002
testers     0.1.0    2       sha256:0000000000000000000000000000000000000000000000000000000000000001
held: testers, an \x1b[31maudit (record 7)
`

const sitesText = `SITE    RING        RELEASE  RUNS   STATE
at      developers  0.2.0    0.2.0  current
behind  developers  0.2.0    0.1.0  differs: quoit deploy behind
alone   ante        -        0.1.0  differs: quoit deploy alone
new     developers  0.2.0    -      nothing deployed
stuck   developers  0.2.0    0.1.0  upgrade 0.1.0 to 0.2.0 did not end: a hook failed
away    ante        -        -      unreachable: dial tcp: connection \u202erefused
`

func TestString(t *testing.T) {
	for name, test := range map[string]struct {
		board Board
		want  string
	}{
		"nothing":         {Board{}, ""},
		"rings":           {Board{Rings: rings()}, ringsText},
		"sites":           {Board{Sites: sites()}, sitesText},
		"rings and sites": {Board{Rings: rings(), Sites: sites()}, ringsText + "\n" + sitesText},
		"notes":           {Board{Rings: rings(), Notes: []string{"users: it is \x1b[31mred"}}, ringsText + `users: it is \x1b[31mred` + "\n"},
	} {
		if diff := cmp.Diff(test.want, test.board.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestStates(t *testing.T) {
	var got []State
	for _, site := range sites() {
		got = append(got, site.State)
	}
	if diff := cmp.Diff([]State{Current, Behind, Behind, None, Broken, Unreachable}, got); diff != "" {
		t.Error(diff)
	}
}

const ringsJSON = `{
  "schema": 1,
  "project": "acme/shop",
  "rings": [
    {
      "ring": "ante"
    },
    {
      "ring": "developers",
      "version": "0.2.0",
      "digest": "sha256:0000000000000000000000000000000000000000000000000000000000000002",
      "images": {
        "api": "0.1.0",
        "deploy": "0.2.0"
      },
      "digests": {
        "api": "sha256:a",
        "deploy": "sha256:0000000000000000000000000000000000000000000000000000000000000002"
      }
    },
    {
      "ring": "testers",
      "version": "0.1.0",
      "digest": "sha256:0000000000000000000000000000000000000000000000000000000000000001",
      "images": {
        "api": "0.1.0",
        "deploy": "0.1.0"
      },
      "held": {
        "reason": "an \u001b[31maudit",
        "record": 7
      }
    }
  ],
  "notes": [
    "one"
  ]
}`

const sitesJSON = `{
  "schema": 1,
  "project": "acme/shop",
  "sites": [
    {
      "site": "stuck",
      "ring": "developers",
      "cluster": "prod",
      "namespace": "shop",
      "installed": {
        "version": "0.1.0",
        "digest": "sha256:0000000000000000000000000000000000000000000000000000000000000001"
      },
      "wanted": {
        "version": "0.2.0",
        "digest": "sha256:0000000000000000000000000000000000000000000000000000000000000002"
      },
      "step": {
        "action": "upgrade",
        "run": {
          "version": "0.2.0",
          "digest": "sha256:0000000000000000000000000000000000000000000000000000000000000002"
        },
        "from": "0.1.0",
        "to": "0.2.0"
      },
      "last": {
        "action": "upgrade",
        "run": {
          "version": "0.2.0",
          "digest": "sha256:0000000000000000000000000000000000000000000000000000000000000002"
        },
        "from": "0.1.0",
        "to": "0.2.0",
        "Time": "2026-01-02T03:04:05Z",
        "Error": "a hook failed\nand more"
      },
      "state": "broken"
    }
  ]
}`

func TestJSON(t *testing.T) {
	for name, test := range map[string]struct {
		board Board
		want  string
	}{
		"rings": {Board{Project: "acme/shop", Rings: rings(), Notes: []string{"one"}}, ringsJSON},
		"sites": {Board{Project: "acme/shop", Sites: sites()[4:5]}, sitesJSON},
	} {
		got, err := json.MarshalIndent(test.board, "", "  ")
		if diff := cmp.Diff(test.want, string(got)); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}
