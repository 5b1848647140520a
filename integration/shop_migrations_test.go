//go:build stack

package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shopDatabase is a database, and the files of the shop's image migrations.
type shopDatabase struct {
	dir string
	env []string // for migrate, beside the hook's own
}

// The shop's own migrations are 1 and 2. This one is slow enough, and writes
// enough, that SQLite has half of it in the file before it is committed.
var third = []string{
	"ALTER TABLE items ADD COLUMN note TEXT;",
	"CREATE TABLE notes (text TEXT);",
	"WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT 100000) INSERT INTO notes SELECT 'a note with the number ' || i FROM n;",
	"INSERT INTO items VALUES (1, 'teapot', 1, 'brown');",
}

var thirdDown = []string{
	"DELETE FROM items WHERE article = 'teapot';",
	"DROP TABLE notes;",
	"ALTER TABLE items DROP COLUMN note;",
}

func newShopDatabase(t *testing.T) *shopDatabase {
	t.Helper()
	d := &shopDatabase{dir: t.TempDir()}
	if err := os.CopyFS(d.dir, os.DirFS("../examples/shop/migrations")); err != nil {
		t.Fatal(err)
	}
	return d
}

// third adds a third migration.
func (d *shopDatabase) third(t *testing.T, up, down []string) {
	t.Helper()
	write(t, d.dir, "sql/003-notes.up.sql", strings.Join(up, "\n")+"\n")
	write(t, d.dir, "sql/003-notes.down.sql", strings.Join(down, "\n")+"\n")
}

// migrate runs the tool as a hook does. It is a process group of its own.
func (d *shopDatabase) migrate(t *testing.T, action, to string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(d.dir, "migrate"))
	cmd.Env = append(os.Environ(), "QUOIT_ACTION="+action, "QUOIT_TO_VERSION="+to,
		"SQL="+filepath.Join(d.dir, "sql"), "DATABASE="+filepath.Join(d.dir, "shop.db"))
	cmd.Env = append(cmd.Env, d.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (d *shopDatabase) mustMigrate(t *testing.T, action, to string) {
	t.Helper()
	if out, err := d.migrate(t, action, to); err != nil {
		t.Fatalf("%s to %s: %v\n%s", action, to, err, out)
	}
}

// refuses wants migrate to fail, to say something, and to change nothing.
func (d *shopDatabase) refuses(t *testing.T, action, to, says string) {
	t.Helper()
	before := d.ask(t, ".dump")
	out, err := d.migrate(t, action, to)
	if !errors.As(err, new(*exec.ExitError)) || !strings.Contains(out, says) {
		t.Errorf("%s to %q: %v\n%s\nwant an error with %q", action, to, err, out, says)
	}
	if diff := cmp.Diff(before, d.ask(t, ".dump")); diff != "" {
		t.Errorf("it changed the database:\n%s", diff)
	}
}

func (d *shopDatabase) ask(t *testing.T, query string) string {
	t.Helper()
	return output(t, exec.Command("sqlite3", "-bail", filepath.Join(d.dir, "shop.db"), query))
}

// state is the number of the schema, its tables, and what is in one of them.
func (d *shopDatabase) state(t *testing.T) string {
	t.Helper()
	if d.ask(t, "SELECT name FROM sqlite_schema WHERE name = 'migrations'") == "" {
		return ""
	}
	state := d.ask(t, "SELECT count(*), max(number) FROM migrations; SELECT sql FROM sqlite_schema WHERE type = 'table' AND name NOT IN ('migrations', 'releases') ORDER BY name")
	if strings.Contains(state, "items") {
		state += d.ask(t, "SELECT * FROM items")
	}
	return state
}

func (d *shopDatabase) tables(t *testing.T) []string {
	t.Helper()
	return strings.Fields(d.ask(t, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN ('migrations', 'releases') ORDER BY name"))
}

func TestShopMigrations(t *testing.T) {
	t.Parallel()
	d := newShopDatabase(t)
	check := func(t *testing.T, tables ...string) {
		t.Helper()
		if diff := cmp.Diff(tables, d.tables(t)); diff != "" {
			t.Errorf("tables (-want +got):\n%s", diff)
		}
	}
	twice := func(t *testing.T, action, to string) {
		t.Helper()
		d.mustMigrate(t, action, to)
		once := d.ask(t, ".dump")
		d.mustMigrate(t, action, to)
		if diff := cmp.Diff(once, d.ask(t, ".dump")); diff != "" {
			t.Errorf("doing it again changed the database:\n%s", diff)
		}
	}
	t.Run("an install makes all tables", func(t *testing.T) {
		twice(t, "install", "0.1.0")
		check(t, "carts", "items")
	})
	d.ask(t, "INSERT INTO items VALUES (1, 'book', 2)")
	before := d.state(t)
	d.third(t, third, thirdDown)
	t.Run("an upgrade adds what is new", func(t *testing.T) {
		twice(t, "upgrade", "0.2.0")
		check(t, "carts", "items", "notes")
	})
	t.Run("a downgrade to a release that never ran here changes nothing", func(t *testing.T) {
		d.refuses(t, "downgrade", "0.1.1", "never ran release 0.1.1, so nobody knows how far down it is; it ran 0.1.0, 0.2.0")
	})
	t.Run("without a version or an action nothing happens", func(t *testing.T) {
		d.refuses(t, "downgrade", "", "QUOIT_TO_VERSION is ''")
		d.refuses(t, "downgrade", "0.1.0' OR '1'='1", "which is no version")
		d.refuses(t, "uninstall", "0.1.0", "QUOIT_ACTION is 'uninstall'")
	})
	t.Run("a downgrade takes back what is newer and keeps the data", func(t *testing.T) {
		twice(t, "downgrade", "0.1.0")
		if diff := cmp.Diff(before, d.state(t)); diff != "" {
			t.Errorf("the database before the upgrade and after the downgrade:\n%s", diff)
		}
	})
	t.Run("an older release refuses a schema that is newer than its own", func(t *testing.T) {
		d.mustMigrate(t, "upgrade", "0.2.0")
		older := &shopDatabase{dir: newShopDatabase(t).dir, env: []string{"DATABASE=" + filepath.Join(d.dir, "shop.db")}}
		out, err := older.migrate(t, "upgrade", "0.1.2")
		if err == nil || !strings.Contains(out, "the schema is at 3 and release 0.1.2 knows 2") {
			t.Errorf("%v\n%s", err, out)
		}
		check(t, "carts", "items", "notes")
	})
}

func TestShopMigrationThatFails(t *testing.T) {
	t.Parallel()
	d := newShopDatabase(t)
	d.mustMigrate(t, "install", "0.1.0")
	before := d.ask(t, ".dump")
	for i := range third {
		t.Run(fmt.Sprintf("after %d statements", i), func(t *testing.T) {
			d.third(t, slices.Insert(slices.Clone(third), i, "CREATE TABLE broken;"), thirdDown)
			d.refuses(t, "upgrade", "0.2.0", "003-notes.up.sql failed, the schema stays at 2")
			d.mustMigrate(t, "downgrade", "0.1.0")
			if diff := cmp.Diff(before, d.ask(t, ".dump")); diff != "" {
				t.Errorf("after the way back:\n%s", diff)
			}
		})
	}
	t.Run("repaired, it goes on, and a failing way down stops at a whole number", func(t *testing.T) {
		d.third(t, third, slices.Insert(slices.Clone(thirdDown), 2, "DROP TABLE nothing;"))
		d.mustMigrate(t, "upgrade", "0.2.0")
		d.refuses(t, "downgrade", "0.1.0", "003-notes.down.sql failed, the schema stays at 3")
	})
	t.Run("a first install that failed is taken back whole", func(t *testing.T) {
		d := newShopDatabase(t)
		d.third(t, []string{"CREATE TABLE broken;"}, nil)
		if out, err := d.migrate(t, "install", "0.2.0"); err == nil {
			t.Errorf("it passed:\n%s", out)
		}
		d.mustMigrate(t, "downgrade", "0.1.0")
		if tables := d.tables(t); len(tables) > 0 {
			t.Errorf("left: %v", tables)
		}
	})
}

// dying is a sqlite3 that kills the whole process group at the call number AT:
// before it does anything, or when it is done.
const dying = `#!/bin/sh
count=$(($(cat "$COUNT") + 1))
echo $count > "$COUNT"
[ $count != "$AT" ] || [ "$WHEN" != before ] || kill -9 0
PATH=$REST sqlite3 "$@"
code=$?
[ $count != "$AT" ] || kill -9 0
exit $code
`

// TestShopMigrationsKilled kills the tool around each of its calls of sqlite3
// and within a transaction, on the way up and down. What is left is always a
// whole number of migrations, and running it again ends as if nothing had been.
func TestShopMigrationsKilled(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	write(t, bin, "sqlite3", dying)
	if err := os.Chmod(filepath.Join(bin, "sqlite3"), 0o755); err != nil {
		t.Fatal(err)
	}
	whole := wholeStates(t)
	for _, way := range []struct {
		action, to string
		ends       int
	}{{"upgrade", "0.2.0", 3}, {"downgrade", "0.1.0", 2}} {
		prepare := func(t *testing.T) *shopDatabase {
			d := newShopDatabase(t)
			if way.action == "downgrade" {
				d.mustMigrate(t, "install", "0.1.0")
				d.third(t, third, thirdDown)
				d.mustMigrate(t, "upgrade", "0.2.0")
			}
			return d
		}
		afterwards := func(t *testing.T, d *shopDatabase) {
			if state := d.state(t); !slices.Contains(whole, state) {
				t.Errorf("the kill left\n%s", state)
			}
			d.env = nil
			d.third(t, third, thirdDown)
			d.mustMigrate(t, way.action, way.to)
			if diff := cmp.Diff(whole[way.ends], d.state(t)); diff != "" {
				t.Errorf("running it again (-undisturbed +got):\n%s", diff)
			}
		}
		for _, when := range []string{"before", "after"} {
			for at, died := 1, true; died; at++ {
				t.Run(fmt.Sprintf("%s, %s call %d", way.action, when, at), func(t *testing.T) {
					died = false
					d := prepare(t)
					d.third(t, third, thirdDown)
					write(t, d.dir, "count", "0\n")
					d.env = []string{"COUNT=" + filepath.Join(d.dir, "count"), "AT=" + strconv.Itoa(at), "WHEN=" + when,
						"REST=" + os.Getenv("PATH"), "PATH=" + bin + ":" + os.Getenv("PATH")}
					died = d.dies(t, way.action, way.to)
					afterwards(t, d)
				})
				if !died && at < 6 {
					t.Fatalf("it makes %d calls only: the test is wrong", at)
				}
			}
		}
		for i := range len(third) {
			t.Run(fmt.Sprintf("%s, within a migration after %d statements", way.action, i), func(t *testing.T) {
				d := prepare(t)
				die := func(script []string) []string {
					return slices.Insert(slices.Clone(script), min(i, len(script)), ".shell kill -9 0")
				}
				d.third(t, die(third), die(thirdDown))
				if !d.dies(t, way.action, way.to) {
					t.Error("it was not killed")
				}
				afterwards(t, d)
			})
		}
	}
}

// dies reports whether migrate was killed; without that it has to succeed.
func (d *shopDatabase) dies(t *testing.T, action, to string) bool {
	t.Helper()
	out, err := d.migrate(t, action, to)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// wholeStates are the states after no migration, one, two and three, and of a
// database that nobody has opened.
func wholeStates(t *testing.T) []string {
	t.Helper()
	var states []string
	for count := range 4 {
		d := newShopDatabase(t)
		d.third(t, third, thirdDown)
		for number := count + 1; number <= 3; number++ {
			files, err := filepath.Glob(filepath.Join(d.dir, "sql", fmt.Sprintf("%03d-*.up.sql", number)))
			if err != nil || len(files) != 1 {
				t.Fatal(files, err)
			}
			if err := os.Remove(files[0]); err != nil {
				t.Fatal(err)
			}
		}
		d.mustMigrate(t, "install", "0.1.0")
		states = append(states, d.state(t))
	}
	return append(states, "")
}
