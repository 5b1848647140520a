//go:build stack

package integration

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/quoitbuild/quoit/internal/trees"
	"github.com/quoitbuild/quoit/versioning"
)

// layout is a repository as many are laid out. BASE is the project's repositories.
type layout struct {
	name   string
	images string // of the manifest, beside the root image "deploy"
	files  trees.Files
	edits  []layoutEdit // the first one changes something, and is built
}

// layoutEdit is a change of a file, and the images that change by it beside the root image.
type layoutEdit struct {
	file    string
	changes []string
}

var layouts = []layout{{
	name: "Go commands with one container file",
	images: `
  api: {context: ., target: api}
  worker: {context: ., target: worker}
  migrate: {context: ., target: migrate}
`,
	files: trees.Files{
		"Dockerfile": "FROM busybox AS base\nWORKDIR /src\nCOPY go.mod go.sum ./\nCOPY internal internal\n" +
			"FROM base AS build-api\nCOPY cmd/api cmd/api\nRUN cat cmd/api/*.go internal/*/*.go > /bin/api\n" +
			"FROM base AS build-worker\nCOPY cmd/worker cmd/worker\nRUN cat cmd/worker/*.go internal/*/*.go > /bin/worker\n" +
			"FROM scratch AS api\nCOPY --from=build-api /bin/api /api\nENTRYPOINT [\"/api\"]\n" +
			"FROM scratch AS worker\nCOPY --from=build-worker /bin/worker /worker\n" +
			"FROM busybox AS migrate\nCOPY --chmod=755 scripts/migrate.sh /migrate\nCOPY migrations/*.sql /migrations/\n",
		".dockerignore": ".git\nbin\n**/*_test.go\n",
		"go.mod":        "module example.com/mono\n", "go.sum": "", "README.md": "mono\n",
		"cmd/api/main.go": "package main\n", "cmd/api/main_test.go": "package main\n", "cmd/worker/main.go": "package main\n",
		"internal/db/db.go": "package db\n", "internal/log/log.go": "package log\n", "bin/api": trees.Script("old"),
		"scripts/migrate.sh": trees.Script("#!/bin/sh\n"), "migrations/1.sql": "create\n", "migrations/README": "how\n",
	},
	edits: []layoutEdit{{"cmd/api/main.go", []string{"api"}}, {"internal/db/db.go", []string{"api", "worker"}}, {"cmd/api/main_test.go", nil}, {"migrations/2.sql", []string{"migrate"}}},
}, {
	name: "a pnpm workspace",
	images: `
  web: {context: ., file: apps/web/Dockerfile}
  docs: {context: ., file: apps/docs/Dockerfile}
`,
	files: trees.Files{
		"apps/web/Dockerfile": "FROM busybox AS build\nWORKDIR /app\nCOPY pnpm-lock.yaml pnpm-workspace.yaml package.json ./\nCOPY --parents apps/*/package.json packages/*/package.json ./\n" +
			"RUN ls -R > /installed\nCOPY packages packages\nCOPY apps/web apps/web\nRUN cat apps/web/src/* packages/ui/src/* > /dist.js\nFROM scratch\nCOPY --from=build /dist.js /installed /\n",
		"apps/docs/Dockerfile": "FROM scratch\nCOPY --exclude=**/*.test.md apps/docs/content /content\nCOPY packages/ui/src /ui\n",
		".dockerignore":        "**/node_modules\n**/dist\n.git\n**/.env*\n",
		"package.json":         "{}\n", "pnpm-lock.yaml": "lockfileVersion: '9.0'\n", "pnpm-workspace.yaml": "packages: [apps/*, packages/*]\n",
		"apps/web/package.json": "{}\n", "apps/web/src/index.ts": "import 'ui'\n", "apps/web/node_modules/ui": trees.Link("../../../packages/ui"), "apps/web/.env.local": "A=1\n",
		"apps/docs/package.json": "{}\n", "apps/docs/content/index.md": "# Docs\n", "apps/docs/content/x.test.md": "x\n",
		"packages/ui/package.json": "{}\n", "packages/ui/src/button.ts": "export {}\n", "packages/ui/dist/button.js": "old\n",
		"node_modules/.pnpm/left-pad@1.0.0/node_modules/left-pad/index.js": "pad\n", "node_modules/left-pad": trees.Link(".pnpm/left-pad@1.0.0/node_modules/left-pad"),
	},
	edits: []layoutEdit{{"apps/web/src/index.ts", []string{"web"}}, {"packages/ui/src/button.ts", []string{"docs", "web"}}, {"apps/docs/package.json", []string{"web"}}, {"packages/ui/dist/button.js", nil}},
}, {
	name: "Python services with shared protocols",
	images: `
  python: base
  email: {context: ., file: src/email/Dockerfile}
  recommend: {context: ., file: src/recommend/Dockerfile}
  load: src/load
`,
	files: trees.Files{
		"base/Dockerfile":          "FROM busybox\nCOPY requirements.txt /\nENV PYTHONUNBUFFERED=1\n",
		"base/requirements.txt":    "grpcio==1.66\n",
		"src/email/Dockerfile":     "FROM BASE/python\nWORKDIR /app\nCOPY protos protos\nCOPY src/email/ .\nRUN cat protos/*.proto > demo_pb2.py\n",
		"src/recommend/Dockerfile": "FROM BASE/python\nWORKDIR /app\nRUN --mount=type=bind,source=protos,target=/protos cat /protos/*.proto > demo_pb2.py\nCOPY src/recommend/*.py ./\n",
		"src/load/Dockerfile":      "FROM BASE/python\nCOPY . /load\n",
		"src/load/.dockerignore":   "**/__pycache__\n*.pyc\nprotos\n",
		"src/load/locust.py":       "import locust\n", "src/load/protos": trees.Link("../../protos"), "src/load/__pycache__/locust.pyc": "old",
		"src/email/server.py": "import grpc\n", "src/email/templates/mail.html": "<p>\n", "src/recommend/server.py": "import grpc\n", "src/recommend/README.md": "r\n",
		"protos/demo.proto": "syntax = \"proto3\";\n", "protos/health/health.proto": "syntax = \"proto3\";\n",
	},
	edits: []layoutEdit{
		{"protos/demo.proto", []string{"email", "recommend"}}, {"src/email/templates/mail.html", []string{"email"}}, {"src/recommend/README.md", nil},
		{"src/load/locust.py", []string{"load"}}, {"base/requirements.txt", []string{"email", "load", "python", "recommend"}},
	},
}, {
	name: "what was composed of nginx, an API and a worker",
	images: `
  nginx: nginx
  api: {context: api, target: api}
  worker: {context: api, target: worker}
`,
	files: trees.Files{
		"compose.yaml": "services: {}\n", ".env": "SECRET=1\n",
		"nginx/Dockerfile": "FROM busybox\nCOPY nginx.conf conf.d/*.conf /etc/nginx/\nCOPY [\"error pages\", \"/usr/share/nginx/html\"]\n", "nginx/nginx.conf": "events {}\n",
		"nginx/conf.d/default.conf": "server {}\n", "nginx/error pages/404.html": "not found\n", "nginx/certs/key.pem": "secret\n",
		"api/Dockerfile": "FROM busybox AS base\nWORKDIR /app\nCOPY requirements*.txt ./\nCOPY . .\n" +
			"FROM base AS api\nCMD [\"api\"]\nFROM base AS worker\nCOPY docker/worker.sh /usr/bin/worker\nCMD [\"worker\"]\n",
		"api/.dockerignore": "**/__pycache__\n.env*\n!.env.example\ntests\ndocker\n!docker/worker.sh\n", "api/requirements.txt": "flask\n", "api/requirements-dev.txt": "pytest\n",
		"api/app/main.py": "app\n", "api/tests/test_main.py": "test\n", "api/.env": "SECRET=2\n", "api/.env.example": "SECRET=\n", "api/docker/worker.sh": trees.Script("#!/bin/sh\n"), "api/docker/api.sh": trees.Script("#!/bin/sh\n"),
		"api/data": trees.Folder{},
	},
	edits: []layoutEdit{{"nginx/conf.d/default.conf", []string{"nginx"}}, {"nginx/certs/key.pem", nil}, {"api/.env", nil}, {"api/docker/api.sh", nil}, {"api/.env.example", []string{"api", "worker"}}},
}, {
	name: "container files in a folder of their own",
	images: `
  api: {context: services/api, file: ../../docker/api.Dockerfile}
  web: {context: services/web, file: ../../docker/node.Dockerfile}
  shop: {context: services/shop, file: ../../docker/node.Dockerfile}
  tool: {context: tools/tool, file: ../tool.Dockerfile, target: tool}
`,
	files: trees.Files{
		"docker/api.Dockerfile": "FROM busybox\nCOPY . /srv/\n", "docker/api.Dockerfile.dockerignore": "*.log\n", "docker/README.md": "how\n",
		"docker/node.Dockerfile": "FROM busybox AS build\nCOPY package.json src /app/\nRUN cat /app/* > /dist.js\nFROM scratch\nCOPY --from=build /dist.js /\n",
		"services/api/main.py":   "api\n", "services/api/debug.log": "log\n", "services/api/old.txt": "old\n", "services/api/.dockerignore": "old.txt\n",
		"services/web/package.json": "{}\n", "services/web/src/web.js": "web\n", "services/web/.dockerignore": "src/*.test.js\n", "services/web/src/web.test.js": "test\n",
		"services/shop/package.json": "{}\n", "services/shop/src/shop.js": "shop\n",
		"tools/tool.Dockerfile": "FROM scratch AS tool\nCOPY t /t\n", "tools/tool/t": "t\n",
	},
	edits: []layoutEdit{
		{"services/shop/src/shop.js", []string{"shop"}}, {"docker/api.Dockerfile.dockerignore", []string{"api"}}, {"docker/README.md", nil}, {"services/api/debug.log", nil},
		{"services/api/old.txt", []string{"api"}}, {"services/web/src/web.test.js", nil}, {"tools/tool/t", []string{"tool"}},
	},
}, {
	name: "a Rust workspace",
	images: `
  server: {context: ., args: {BIN: server}}
  cli: {context: ., args: {BIN: cli}}
  book: {context: ., file: book/Containerfile}
`,
	files: trees.Files{
		"Dockerfile": "FROM busybox AS build\nARG BIN\nWORKDIR /src\nCOPY Cargo.toml Cargo.lock ./\nCOPY --parents crates/*/Cargo.toml ./\nCOPY . .\n" +
			"RUN --mount=type=cache,target=/src/target cat crates/$BIN/src/*.rs crates/core/src/*.rs > /bin/app\nFROM scratch\nCOPY --from=build /bin/app /app\n",
		"book/Containerfile":              "FROM scratch\nCOPY book/src/ /book/\n",
		"book/Containerfile.dockerignore": "**\n!book/src\n**/*.draft.md\n",
		"book/src/intro.md":               "# Intro\n", "book/src/next.draft.md": "# Next\n",
		".dockerignore": "/target\n.git*\nquoit.yaml\ndeploy\nbook\n*.md\n!README.md\n", "Cargo.toml": "[workspace]\n", "Cargo.lock": "version = 4\n", "README.md": "readme\n", "CHANGELOG.md": "changes\n",
		"crates/core/Cargo.toml": "[package]\n", "crates/core/src/lib.rs": "pub fn f() {}\n", "crates/core/README.md": trees.Link("../../README.md"),
		"crates/server/Cargo.toml": "[package]\n", "crates/server/src/main.rs": "fn main() {}\n", "crates/cli/Cargo.toml": "[package]\n", "crates/cli/src/main.rs": "fn main() {}\n",
		"target/debug/server": trees.Script("old"),
	},
	edits: []layoutEdit{{"crates/core/src/lib.rs", []string{"cli", "server"}}, {"CHANGELOG.md", nil}, {"target/debug/server", nil}, {"book/src/intro.md", []string{"book"}}, {"book/src/next.draft.md", nil}},
}, {
	name: "Gradle modules whose ignore file names what is read",
	images: `
  orders: {context: ., file: orders/Dockerfile}
  billing: {context: ., file: billing/Dockerfile}
`,
	files: trees.Files{
		".dockerignore": "*\n!gradle\n!gradlew\n!settings.gradle\n!**/build.gradle\n!**/src/main\n**/src/main/generated\n",
		"gradlew":       trees.Script("#!/bin/sh\n"), "gradle/wrapper/gradle-wrapper.properties": "distributionUrl=x\n", "settings.gradle": "include 'orders'\n", "build.gradle": "plugins {}\n",
		"orders/Dockerfile": "FROM busybox AS build\nCOPY . /src\nRUN cat $(find /src/orders /src/common -name '*.java') > /app.jar\nFROM scratch\nCOPY --from=build /app.jar /\n",
		"billing/Dockerfile": "FROM busybox AS build\nWORKDIR /src\nCOPY gradlew *.gradle ./\nCOPY gradle gradle\nCOPY common common\nCOPY billing billing\nRUN ./gradlew && cat $(find billing common -name '*.java') > /app.jar\n" +
			"FROM scratch\nCOPY --from=build /app.jar /\n",
		"common/build.gradle": "c\n", "common/src/main/java/C.java": "class C {}\n", "common/src/main/generated/G.java": "class G {}\n",
		"orders/build.gradle": "o\n", "orders/src/main/java/O.java": "class O {}\n", "orders/src/test/java/T.java": "class T {}\n", "orders/build/libs/o.jar": "old",
		"billing/build.gradle": "b\n", "billing/src/main/java/B.java": "class B {}\n", "billing/README.md": "b\n",
	},
	edits: []layoutEdit{
		{"orders/src/main/java/O.java", []string{"orders"}}, {"orders/src/test/java/T.java", nil}, {"common/src/main/java/C.java", []string{"billing", "orders"}},
		{"common/src/main/generated/G.java", nil}, {"billing/README.md", nil}, {"billing/build.gradle", []string{"billing", "orders"}},
	},
}}

// Repositories as they are found in public have one plan here and in a BuildKit, before
// their first release and after an edit. A build has nothing to do after a build, and
// after each edit what reads that file.
func TestWellKnownLayouts(t *testing.T) {
	t.Parallel()
	for _, l := range layouts {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			dir, prefix := l.plant(t)
			planned(t, dir, true)
			mustQuoit(t, dir, "build", "--push")
			nothingWritten(t, prefix, func() { mustQuoit(t, dir, "build", "--push") })
			if changed := planned(t, dir, true); len(changed) > 0 {
				t.Fatalf("after the build %q change", changed)
			}
			for i, e := range l.edits {
				write(t, dir, e.file, "edited\n")
				if diff := cmp.Diff(e.all(), planned(t, dir, i == 0)); diff != "" {
					t.Errorf("%s is edited: what changes (-want +got):\n%s", e.file, diff)
				}
				if i == 0 {
					mustQuoit(t, dir, "build", "--push")
					if diff := cmp.Diff(e.all(), later(release(t, prefix+"/deploy:developers"))); diff != "" {
						t.Errorf("%s is edited: what has another version (-want +got):\n%s", e.file, diff)
					}
				} else {
					l.restore(t, dir, e.file)
				}
			}
		})
	}
}

// all are all images that change, sorted.
func (e layoutEdit) all() []string {
	if e.changes == nil {
		return nil
	}
	return slices.Sorted(slices.Values(append([]string{"deploy"}, e.changes...)))
}

// later are the images of a release whose version is not their first.
func later(r versioning.Release) (names []string) {
	for name, image := range r.Images {
		if image.Version.String() != "0.1.0" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (l layout) plant(t *testing.T) (dir, prefix string) {
	t.Helper()
	dir = t.TempDir()
	own := "t" + strings.ToLower(rand.Text()[:10]) + "/layout"
	files := trees.Files{
		"quoit.yaml":        "project: " + own + "\nregistry: registry.example.com\nroot: deploy\nimages:\n  deploy: deploy\n" + strings.TrimPrefix(l.images, "\n"),
		"deploy/Dockerfile": "FROM scratch\nCOPY overlays /overlays\n", "deploy/overlays/dev/kustomization.yaml": "resources: []\n",
	}
	for name, file := range l.files {
		if text, ok := file.(string); ok {
			file = strings.ReplaceAll(text, "BASE", "registry.example.com/"+own)
		}
		files[name] = file
	}
	trees.Plant(t, dir, files)
	return dir, stack.Ref(own)
}

// restore undoes an edit.
func (l layout) restore(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
	if file, ok := l.files[name]; ok {
		trees.Plant(t, dir, trees.Files{name: file})
	}
}

// planned are the images that change, by the plan that is made here, and in a BuildKit
// too if that is to be compared.
func planned(t *testing.T, dir string, both bool) (changed []string) {
	t.Helper()
	here, refused := planHere(t, dir)
	if refused != "" {
		t.Fatal(refused)
	}
	if both {
		there, refused := planThere(t, dir, ".")
		if refused != "" {
			t.Fatal(refused)
		}
		unsourced(&here)
		unsourced(&there)
		if diff := cmp.Diff(here, there); diff != "" {
			t.Errorf("the plan (-here +in BuildKit):\n%s", diff)
		}
	}
	for _, image := range here.Images {
		if image.Changed {
			changed = append(changed, image.Name)
		}
	}
	return changed
}
