//go:build stack

package integration

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shopSite is the shop's site eu, in a namespace of its own. Its ring has the
// first release.
type shopSite struct{ *standIn }

func newShopSite(t *testing.T) shopSite {
	t.Helper()
	dir, prefix := project(t, "shop")
	s := shopSite{&standIn{t: t, dir: dir, prefix: prefix, namespace: namespace(t)}}
	replace(t, dir, "quoit.yaml", "ring: users}", "ring: users, namespace: "+s.namespace+"}")
	volume := t.TempDir()
	if err := os.Chown(volume, 10001, 10001); err != nil { // whom the shop's containers run as
		t.Fatal(err)
	}
	s.publish()
	s.kubectl("create", "configmap", "quoit-site", "--from-literal=SHOP_GREETING=Welcome, Europe.")
	kubectl(t, fmt.Sprintf(`
apiVersion: v1
kind: PersistentVolume
metadata: {name: %[1]s}
spec:
  capacity: {storage: 100Mi}
  accessModes: [ReadWriteOnce]
  claimRef: {namespace: %[1]s, name: data}
  hostPath: {path: %[2]s, type: Directory}
`, s.namespace, volume), "apply", "-f", "-")
	t.Cleanup(func() {
		_ = stack.Command(context.Background(), "kubectl", "delete", "persistentvolume", s.namespace, "--wait=false").Run() // the cluster goes anyway
	})
	return s
}

// publish builds a release, brings it to the users, and allows what it needs.
func (s shopSite) publish() {
	s.t.Helper()
	mustQuoit(s.t, s.dir, "build", "--push")
	mustQuoit(s.t, s.dir, "shift", "--to", "users")
	mustQuoit(s.t, s.dir, "shift", "--to", "users")
	kubectl(s.t, mustQuoit(s.t, s.dir, "bootstrap", "eu"), "apply", "-f", "-")
}

// second is the next release: another api, a third migration, one object more.
func (s shopSite) second() {
	s.t.Helper()
	replace(s.t, s.dir, "services/api/version.go", "api 1", "api 2")
	write(s.t, s.dir, "migrations/sql/003-note.up.sql", "ALTER TABLE items ADD COLUMN note TEXT;\n")
	write(s.t, s.dir, "migrations/sql/003-note.down.sql", "ALTER TABLE items DROP COLUMN note;\n")
	replace(s.t, s.dir, "deploy/overlays/base/kustomization.yaml", "resources: [", "resources: [notice.yaml, ")
	write(s.t, s.dir, "deploy/overlays/base/notice.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: notice}\ndata: {text: two}\n")
}

// ask is what a service answers; the request goes through the API server.
func (s shopSite) ask(service, file string) string {
	s.t.Helper()
	return s.kubectl("get", "--raw", s.address(service)+file)
}

// address is that of a pod of a service which is not about to end.
func (s shopSite) address(service string) string {
	s.t.Helper()
	names := strings.Fields(s.kubectl("get", "pods", "-l", "app.kubernetes.io/name="+service, "-o",
		`go-template={{range .items}}{{if not .metadata.deletionTimestamp}}{{.metadata.name}} {{end}}{{end}}`))
	if len(names) == 0 {
		s.t.Fatalf("service %s has no pod", service)
	}
	return "/api/v1/namespaces/" + s.namespace + "/pods/" + names[0] + ":8080/proxy/"
}

// buy puts a book into the cart.
func (s shopSite) buy() {
	s.t.Helper()
	s.kubectl("create", "--raw", s.address("cart")+"items/book", "-f", os.DevNull)
}

// shopState is what people see of the shop.
type shopState struct {
	API, Cart, Web, Greeting, Items string
	Number                          string // of the schema
	Columns                         string // of the table items
	Notice                          string // an object that only the second release has
}

func (s shopSite) state() shopState {
	s.t.Helper()
	query := func(sql string) string {
		return s.kubectl("exec", "deploy/cart", "--", "sqlite3", "/data/shop.db", sql)
	}
	return shopState{
		API: s.ask("api", "version"), Cart: s.ask("cart", "version"), Web: s.ask("web", "version"),
		Greeting: s.ask("api", ""), Items: s.ask("cart", "items"),
		Number:  query("SELECT max(number) FROM migrations"),
		Columns: query("SELECT group_concat(name, ' ') FROM pragma_table_info('items')"),
		Notice:  s.kubectl("get", "configmap", "notice", "--ignore-not-found", "-o", "jsonpath={.data.text}"),
	}
}

var (
	firstShop = shopState{
		API: "api 1", Cart: "cart 1", Web: "web 1", Greeting: "Welcome, Europe.", Items: "book|1",
		Number: "2", Columns: "cart article count",
	}
	secondShop = shopState{
		API: "api 2", Cart: "cart 1", Web: "web 1", Greeting: "Welcome, Europe.", Items: "book|1",
		Number: "3", Columns: "cart article count note", Notice: "two",
	}
)

func (s shopSite) check(want shopState) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.state()); diff != "" {
		s.t.Errorf("the site (-want +got):\n%s", diff)
	}
}

func (s shopSite) checkStory(want ...string) {
	s.t.Helper()
	if diff := cmp.Diff(want, strings.Split(s.story(), "; ")); diff != "" {
		s.t.Errorf("the record (-want +got):\n%s", diff)
	}
}

func TestShopOnASite(t *testing.T) {
	t.Parallel()
	s := newShopSite(t)
	s.deploys()
	s.buy()
	s.check(firstShop)

	s.second()
	s.publish()
	s.deploys()
	s.check(secondShop)

	mustQuoit(t, s.dir, "unshift", "users")
	s.deploys()
	s.check(firstShop)

	mustQuoit(t, s.dir, "unhold", "users")
	mustQuoit(t, s.dir, "shift", "--to", "users")
	s.deploys()
	s.check(secondShop)
	s.checkStory("0.2.0", "install 0.1.0 ok", "upgrade 0.1.0 to 0.2.0 ok", "downgrade 0.2.0 to 0.1.0 ok", "restore 0.1.0 ok",
		"upgrade 0.1.0 to 0.2.0 ok")
}

func TestShopUpgradeThatFailsHalfWay(t *testing.T) {
	t.Parallel()
	s := newShopSite(t)
	s.deploys()
	s.buy()

	s.second()
	write(t, s.dir, "migrations/sql/004-broken.up.sql", "CREATE TABLE more (id INTEGER);\nCREATE TABLE broken;\n")
	write(t, s.dir, "migrations/sql/004-broken.down.sql", "DROP TABLE more;\n")
	s.publish()
	s.fails(1, nil, "004-broken.up.sql failed, the schema stays at 3")
	halfway := firstShop
	halfway.Number, halfway.Columns = secondShop.Number, secondShop.Columns
	s.check(halfway)

	mustQuoit(t, s.dir, "unshift", "users")
	s.deploys()
	s.check(firstShop)
	s.checkStory("0.1.0", "install 0.1.0 ok", "upgrade 0.1.0 to 0.2.0 failed", "downgrade 0.2.0 to 0.1.0 ok", "restore 0.1.0 ok")
}
