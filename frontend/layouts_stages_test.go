package frontend

import (
	"io/fs"

	"github.com/quoitbuild/quoit/internal/trees"
)

// Commands of one module, of which each has stages in one container file.
var stagesLayout = layout{
	name: "a container file with stages for each image",
	images: `
  api: {context: ., target: api, args: {FEATURES: search}}
  worker: {context: ., target: worker}
  web: {context: ., target: web}
`,
	files: trees.Files{
		"Dockerfile": `# What is built of this repository.
ARG GO=1.26
ARG NODE=24
ARG UNUSED=1
FROM golang:${GO} AS build
WORKDIR /src
COPY go.mod go.sum ./
COPY --exclude=**/*_test.go internal internal

FROM build AS build-api
ARG FEATURES=none
COPY cmd/api cmd/api
RUN go build -tags $FEATURES -o /bin/api ./cmd/api

FROM build AS build-worker
COPY --parents cmd/worker/*.go cmd/worker/queries ./
RUN go build -o /bin/worker ./cmd/worker

FROM scratch AS api
COPY --from=build-api /bin/api /api
FROM alpine:3 AS worker
COPY --from=build-worker /bin/worker /worker
COPY <<EOF /etc/worker.conf
queue: mail
EOF
FROM node:${NODE} AS web
RUN --mount=source=web,target=/web cp -r /web /srv
COPY --chmod=755 scripts/start.sh /start
FROM web AS debug
COPY tools /tools
`,
		"go.mod": "module example.com/shop\n", "go.sum": "sums\n", "README.md": "shop\n",
		"internal/db/db.go": "package db\n", "internal/db/db_test.go": "package db\n", "internal/log/log.go": "package log\n",
		"cmd/api/main.go": "package main\n", "cmd/worker/main.go": "package main\n", "cmd/worker/queries/1.sql": "select 1\n", "cmd/worker/README.md": "worker\n",
		"web/package.json": "{}\n", "web/src/main.ts": "main\n", "scripts/start.sh": trees.Script("#!/bin/sh\n"), "tools/trace": trees.Script("#!/bin/sh\n"),
	},
	edits: []layoutEdit{
		{what: "a file of one image", do: put("cmd/api/main.go", "package main // edited\n"), changes: "api"},
		{what: "a file of two", do: put("internal/db/db.go", "package db // edited\n"), changes: "api worker"},
		{what: "a file that is excluded", do: put("internal/db/db_test.go", "package db // edited\n")},
		{what: "a new file that is excluded", do: put("internal/log/log_test.go", "package log\n")},
		{what: "a new file", do: put("internal/new/new.go", "package new\n"), changes: "api worker"},
		{what: "a file that is gone", do: gone("internal/log/log.go"), changes: "api worker"},
		{what: "a new file below what is copied with its parents", do: put("cmd/worker/queries/2.sql", "select 2\n"), changes: "worker"},
		{what: "a new file that a wildcard finds", do: put("cmd/worker/mail.go", "package main\n"), changes: "worker"},
		{what: "a file that no wildcard finds", do: put("cmd/worker/README.md", "edited\n")},
		{what: "a file that nobody reads", do: put("README.md", "edited\n")},
		{what: "a file of a mount", do: put("web/src/main.ts", "edited\n"), changes: "web"},
		{what: "a file of a stage that no image reaches", do: put("tools/trace", "edited\n")},
		{what: "a comment", do: sub("Dockerfile", "# What is built of this repository.\n", "# All of it.\n")},
		{what: "blank lines, and spaces between words", do: sub("Dockerfile", "COPY go.mod go.sum ./\n", "\n\n  COPY   go.mod go.sum  ./\n# as above\n")},
		{what: "a stage that no image reaches", do: sub("Dockerfile", "COPY tools /tools", "COPY tools /debug")},
		{what: "a new stage", do: sub("Dockerfile", "FROM scratch AS api\n", "FROM build-api AS test\nRUN go test ./...\nFROM scratch AS api\n")},
		{what: "an instruction of one image's stage", do: sub("Dockerfile", "-o /bin/worker ./cmd", "-trimpath -o /bin/worker ./cmd"), changes: "worker"},
		{what: "an instruction of the stage of two", do: sub("Dockerfile", "WORKDIR /src", "WORKDIR /build"), changes: "api worker"},
		{what: "the text of a here-document", do: sub("Dockerfile", "queue: mail\n", "queue: mails\n"), changes: "worker"},
		{what: "an argument before the first FROM", do: sub("Dockerfile", "ARG GO=1.26", "ARG GO=1.27"), changes: "api worker"},
		{what: "one that nobody uses", do: sub("Dockerfile", "ARG UNUSED=1", "ARG UNUSED=2")},
		{what: "an argument's default where the manifest has a value", do: sub("Dockerfile", "ARG FEATURES=none", "ARG FEATURES=all"), changes: "api"},
		{what: "an argument in the manifest", do: sub("quoit.yaml", "FEATURES: search", "FEATURES: none"), changes: "api"},
		{what: "one that no stage declares", do: sub("quoit.yaml", "FEATURES: search", "FEATURES: search, MORE: 1")},
		{what: "a target", do: sub("quoit.yaml", "target: worker", "target: build-worker"), changes: "worker"},
		{what: "platforms", do: sub("quoit.yaml", "target: web", "target: web, platforms: [linux/amd64, linux/arm64]"), changes: "web"},
		{what: "an argument of the command line", o: args(map[string]string{"NODE": "26"}), changes: "web"},
		{what: "one that nobody declares", o: args(map[string]string{"OTHER": "1"})},
		{what: "a base image", do: based("docker.io/library/alpine:3"), changes: "worker"},
		{what: "a secret", do: permitted("go.sum", 0o600), changes: "api worker"},
		{what: "a file that its group may write", do: permitted("go.sum", 0o664)},
		{what: "a script's mode where the copy sets it", do: permitted("scripts/start.sh", 0o644)},
		{what: "a script's text", do: put("scripts/start.sh", "#!/bin/bash\n"), changes: "web"},
		{what: "a folder in one that is copied", do: permitted("internal/db", 0o700), changes: "api worker"},
		{what: "a folder that its group may write", do: permitted("internal/db", 0o775)},
		{what: "a folder on the way to what is copied, with its parents by one image", do: permitted("cmd", 0o700), changes: "worker"},
		{what: "a folder on the way to what is copied", do: permitted("scripts", 0o700)},
		{what: "a folder that is mounted", do: permitted("web/src", 0o755|fs.ModeSticky), changes: "web"},
		{what: "an empty folder", do: hollow("internal/empty")},
		{what: "a commit", do: put(".git/HEAD", "ref: refs/heads/main\n")},
	},
}
