# The images of this repository: the frontend (default) and the command line.

FROM --platform=$BUILDPLATFORM golang:1.26 AS source
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
ARG TARGETOS TARGETARCH VERSION=dev
ENV CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH

FROM source AS build-cli
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    GOOS= GOARCH= go generate ./builder/runner && \
    go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /out/quoit ./cmd/quoit

FROM source AS build-frontend
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /out/quoit-frontend ./cmd/quoit-frontend

FROM scratch AS cli
COPY --from=source /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build-cli /out/quoit /bin/quoit
ENTRYPOINT ["/bin/quoit"]

FROM scratch AS frontend
LABEL moby.buildkit.frontend.network.none="true"
LABEL moby.buildkit.frontend.caps="moby.buildkit.frontend.inputs,moby.buildkit.frontend.subrequests,moby.buildkit.frontend.contexts,moby.buildkit.frontend.gitquerystring"
COPY --from=build-frontend /out/quoit-frontend /quoit-frontend
ENTRYPOINT ["/quoit-frontend"]
