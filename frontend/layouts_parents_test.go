package frontend

import "github.com/quoitbuild/quoit/internal/trees"

// Images of three levels, of which each says by an argument what it is made from.
var parentsLayout = layout{
	name: "three levels of FROM by arguments",
	images: `
  os: images/os
  runtime: {context: images/runtime, args: {PARENT: os}}
  framework: {context: images/framework, args: {PARENT: registry.example.com/acme/shop/runtime}}
  orders: {context: services/orders, args: {BASE: framework}}
  billing: {context: services/billing, args: {BASE: runtime}}
  cron: {context: services/cron, depends: [orders]}
`,
	files: trees.Files{
		"images/os/Dockerfile": "FROM debian:12\nCOPY etc /etc\n", "images/os/etc/motd": "welcome\n", "images/os/etc/zone": trees.Link("zones/utc"), "images/os/etc/zones/utc": "UTC\n",
		"images/runtime/Dockerfile": "ARG PARENT=debian:12\nFROM ${PARENT}\nCOPY *.crt /certs/\n", "images/runtime/ca.crt": "ca\n", "images/runtime/README.md": "how\n",
		"images/framework/Dockerfile": "ARG PARENT\nARG TAG=latest\nFROM $PARENT:${TAG}\nCOPY lib /lib\nONBUILD COPY app /app\n", "images/framework/lib/f": "f\n",
		"services/orders/Dockerfile": "ARG BASE\nFROM $BASE\nCMD [\"/app/orders\"]\n", "services/orders/app/orders": trees.Script("orders\n"), "services/orders/notes": "n\n",
		"services/billing/Dockerfile": "ARG BASE=framework\nFROM $BASE\nCOPY billing /\n", "services/billing/app/old": "old\n", "services/billing/billing": "billing\n",
		"services/cron/Dockerfile": "FROM alpine:3\nCOPY crontab /etc/\n", "services/cron/crontab": "* * * * *\n",
	},
	edits: []layoutEdit{
		{what: "the lowest image", do: put("images/os/etc/motd", "hello\n"), changes: "os runtime framework orders billing"},
		{what: "a link", do: linked("images/os/etc/zone", "zones/cet"), changes: "os runtime framework orders billing"},
		{what: "what a link leads to", do: put("images/os/etc/zones/utc", "Z\n"), changes: "os runtime framework orders billing"},
		{what: "the base image of all", do: based("docker.io/library/debian:12"), changes: "os runtime framework orders billing"},
		{what: "a file in the middle that a wildcard finds", do: put("images/runtime/own.crt", "own\n"), changes: "runtime framework orders billing"},
		{what: "a file in the middle that nobody reads", do: put("images/runtime/README.md", "edited\n")},
		{what: "a default that the manifest overrules", do: sub("images/runtime/Dockerfile", "ARG PARENT=debian:12", "ARG PARENT=debian:13"), changes: "runtime framework orders billing"},
		{what: "another parent", do: sub("quoit.yaml", "{PARENT: os}", "{PARENT: 'debian:12'}"), changes: "runtime framework orders billing"},
		{what: "a sibling's tag", do: sub("images/framework/Dockerfile", "ARG TAG=latest", "ARG TAG=1"), changes: "framework orders"},
		{what: "a trigger", do: sub("images/framework/Dockerfile", "ONBUILD COPY app /app", "ONBUILD COPY app /srv"), changes: "framework orders"},
		{what: "what a trigger copies", do: permitted("services/orders/app/orders", 0o700), changes: "orders"},
		{what: "what it would copy of another image", do: put("services/billing/app/old", "edited\n")},
		{what: "beside what it copies", do: put("services/orders/notes", "edited\n")},
		{what: "a parent with a trigger", do: sub("quoit.yaml", "{BASE: runtime}", "{BASE: framework}"), changes: "billing"},
		{what: "what is needed at run time", do: put("services/orders/app/new", "new\n"), changes: "orders"},
		{what: "what needs another at run time", do: put("services/cron/crontab", "@daily\n"), changes: "cron"},
		{what: "nothing more at run time", do: sub("quoit.yaml", ", depends: [orders]", "")},
		{what: "more at run time", do: sub("quoit.yaml", "depends: [orders]", "depends: [billing, orders]")},
		{what: "a version that it must have", do: sub("quoit.yaml", "{PARENT: os}", "{PARENT: os}, version: 2.0.0"), changes: "runtime framework orders billing"},
		{what: "one that it is above", do: sub("quoit.yaml", "{PARENT: os}", "{PARENT: os}, version: 0.1.0")},
		{what: "a label", do: sub("quoit.yaml", "{PARENT: os}", "{PARENT: os}, labels: {team: base}")},
		{what: "a vendor", do: sub("quoit.yaml", "root: deploy\n", "root: deploy\nvendor: ACME\n")},
		{what: "a new image", do: sub("quoit.yaml", "  os: images/os\n", "  os: images/os\n  mail: services/cron\n"), changes: "mail"},
		{what: "an image less", do: sub("quoit.yaml", "  cron: {context: services/cron, depends: [orders]}\n", ""), changes: "deploy"},
		{what: "an external", do: sub("quoit.yaml", "root: deploy\n", "root: deploy\nexternals: {db: 'postgres:17'}\n"), changes: "deploy"},
		{what: "a comment in the manifest", do: sub("quoit.yaml", "root: deploy\n", "root: deploy # installs all\n")},
		{what: "the root image", do: put("deploy/overlays/dev/kustomization.yaml", "resources: [a.yaml]\n"), changes: "deploy"},
	},
}

// Container files that lie outside of the contexts, with ignore files of their own or none.
var outsideLayout = layout{
	name: "files outside of contexts",
	images: `
  api: {context: services/api, file: ../../docker/python.Dockerfile}
  mail: {context: services/mail, file: ../../docker/python.Dockerfile}
  web: {context: services/web, file: ../../docker/web/Containerfile}
`,
	files: trees.Files{
		"docker/python.Dockerfile": "FROM python:3\nCOPY requirements.txt /\nCOPY . /app\n", "docker/python.Dockerfile.dockerignore": "**/__pycache__\ntests\n", "docker/README.md": "how\n",
		"docker/web/Containerfile": "FROM nginx:1\nCOPY --link dist /srv\nADD conf.tar.gz /etc/\n",
		"services/api/main.py":     "api\n", "services/api/requirements.txt": "flask\n", "services/api/tests/t.py": "t\n", "services/api/manage.py": trees.Script("#!\n"), "services/api/docs/a.md": "a\n",
		"services/mail/main.py": "mail\n", "services/mail/requirements.txt": "smtp\n", "services/mail/app/__pycache__/x.pyc": "x",
		"services/web/.dockerignore": "dist/*.map\nsrc\n", "services/web/dist/app.js": "js\n", "services/web/dist/app.js.map": "map\n", "services/web/conf.tar.gz": "no archive\n", "services/web/src/app.ts": "ts\n",
	},
	edits: []layoutEdit{
		{what: "the file of two images", do: sub("docker/python.Dockerfile", "COPY . /app", "COPY . /srv"), changes: "api mail"},
		{what: "a comment in it", do: sub("docker/python.Dockerfile", "COPY . /app", "# all\nCOPY . /app")},
		{what: "beside the file", do: put("docker/README.md", "edited\n")},
		{what: "an ignore file that lets more in, of one image", do: put("docker/python.Dockerfile.dockerignore", "**/__pycache__\n"), changes: "api"},
		{what: "an ignore file that leaves more out", do: put("docker/python.Dockerfile.dockerignore", "**/__pycache__\ntests\n**/docs\n"), changes: "api"},
		{what: "an ignore file that says the same", do: put("docker/python.Dockerfile.dockerignore", "# caches\ntests\n**/__pycache__\n*.log\n")},
		{what: "no ignore file", do: gone("docker/python.Dockerfile.dockerignore"), changes: "api mail"},
		{what: "an ignore file that is not asked, and is copied", do: put("services/api/.dockerignore", "docs\n"), changes: "api"},
		{what: "an ignore file of the context", do: put("services/web/.dockerignore", "src\n"), changes: "web"},
		{what: "an ignore file in the place of the context's", do: put("docker/web/Containerfile.dockerignore", "src\n"), changes: "web"},
		{what: "a file that is ignored", do: put("services/api/tests/t.py", "edited\n")},
		{what: "a folder that is ignored", do: permitted("services/api/tests", 0o700)},
		{what: "a file that is ignored in what is copied", do: gone("services/web/dist/app.js.map")},
		{what: "a new file that is ignored", do: put("services/api/__pycache__/m.pyc", "m")},
		{what: "another name", do: renamed("services/api/main.py", "services/api/app.py"), changes: "api"},
		{what: "a folder's other name", do: renamed("services/api/docs", "services/api/doc"), changes: "api"},
		{what: "a file for all", do: permitted("services/mail/main.py", 0o755), changes: "mail"},
		{what: "a script for nobody", do: permitted("services/api/manage.py", 0o644), changes: "api"},
		{what: "the context's folder", do: permitted("services/api", 0o700)},
		{what: "what is added", do: put("services/web/conf.tar.gz", "edited\n"), changes: "web"},
		{what: "the same file elsewhere", do: several(renamed("docker/web/Containerfile", "docker/web.Containerfile"), sub("quoit.yaml", "web/Containerfile", "web.Containerfile"))},
		{what: "a commit of the project", do: put(".git/HEAD", "ref: refs/heads/main\n")},
		{what: "a repository in a context", do: put("services/api/.git/HEAD", "ref: refs/heads/main\n"), changes: "api"},
	},
}
