package reference

// Document is the project file.
type Document struct {
	// The project: the prefix of its repositories, may contain slashes. Image
	// api of acme/shop is in registry.example.com/acme/shop/api. If
	// QUOIT_PROJECT names another one, the manifest is refused.
	Project string `json:"project" jsonschema:"pattern=^[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*$,maxLength=255,example=acme/shop"`
	// The registry that keeps the images and all state: a host, optionally
	// with a port and a path, without a scheme and without credentials.
	// QUOIT_REGISTRY overrides it.
	Registry string `json:"registry" jsonschema:"pattern=^[a-z0-9.\\[\\]:-]+(/[a-z0-9._-]+)*$,maxLength=255,example=registry.example.com"`
	// Who publishes the images. Becomes the label
	// org.opencontainers.image.vendor.
	Vendor string `json:"vendor,omitempty" jsonschema:"maxLength=255,example=ACME Inc."`
	// The rings, from the innermost audience to the outermost. The rings ante
	// and post exist in every project, before and after these. A ring may not
	// be called latest or none, look like a version, or begin with record-,
	// records, sha256- or quoit-.
	Rings []string `json:"rings,omitempty" jsonschema:"minItems=1,uniqueItems=true,default=[developers\\, testers\\, users],example=[developers\\, testers\\, users]"`
	// The root image: it installs the project on a site and depends on all the
	// other images. Required if there is more than one image.
	Root string `json:"root,omitempty" jsonschema:"default=the only image,example=deploy"`
	// What all images share. What an image sets itself wins; args and labels
	// merge by key.
	Defaults Defaults `json:"defaults,omitempty" jsonschema:"example={platforms: [linux/amd64\\, linux/arm64]}"`
	// The images of the project by name. A name is lower-case letters and
	// digits, with . _ __ or - between them, at most 128 characters; records
	// is reserved. The short form is the context alone.
	Images map[string]Entry `json:"images" jsonschema:"example={api: services/api}"`
	// Images that the project runs and others build, by name, each a reference
	// with a tag or a digest. A release records their digests. A name may not
	// be the name of an image.
	Externals map[string]string `json:"externals,omitempty" jsonschema:"example={postgres: \"docker.io/library/postgres:17\"}"`
	// The places where a release runs, by name. A name is lower-case letters
	// and digits, with - between them, at most 40 characters.
	Sites map[string]SiteDocument `json:"sites,omitempty" jsonschema:"example={eu: {environment: prod\\, ring: users}}"`
	// What has to pass before a ring takes a release, by ring: an image of
	// that very release, which the builder runs. If it fails, nothing is
	// moved. The rings ante and post may have a gate too; at most 100. A
	// release keeps the gates that it was published with.
	Gates map[string]GateDocument `json:"gates,omitempty" jsonschema:"example={users: {image: smoke\\, command: [/smoke]}}"`
}

// GateDocument is what has to pass before a ring takes a release.
type GateDocument struct {
	// The image of the project that is run, as it is in the release that is
	// to be moved.
	Image string `json:"image" jsonschema:"example=smoke"`
	// The program and its arguments, in place of the image's own entrypoint
	// and command. No shell reads it. It is written into the log.
	Command []Text `json:"command,omitempty" jsonschema:"minItems=1,default=what the image runs,example=[/smoke\\, --quick]"`
	// Whether it has a network.
	Network bool `json:"network,omitempty" jsonschema:"default=false,example=true"`
	// The secrets that it gets as files /run/secrets/NAME, by name. What they
	// are comes from --secret.
	Secrets []string `json:"secrets,omitempty" jsonschema:"uniqueItems=true,example=[token]"`
	// How long it may take, with the download of its image: numbers with
	// units, from 1s to 24h.
	Timeout string `json:"timeout,omitempty" jsonschema:"default=10m,example=5m"`
}

// SiteDocument is a place where a release runs.
type SiteDocument struct {
	// The overlay of the root image that the site gets: /overlays/NAME.
	Environment string `json:"environment" jsonschema:"example=prod"`
	// The ring that the site follows.
	Ring string `json:"ring" jsonschema:"example=users"`
	// The context of the kubeconfig that leads to the cluster.
	Cluster string `json:"cluster,omitempty" jsonschema:"default=the current context,minLength=1,maxLength=253,example=eu-cluster"`
	// The namespace. By default site eu of acme/shop is in shop-eu; dots and
	// underscores of the project become dashes.
	Namespace string `json:"namespace,omitempty" jsonschema:"default=the project's last part - the site,maxLength=63,example=shop"`
	// The registry, with an optional path, that the site pulls from: a mirror
	// or a copy of the manifest's.
	Registry string `json:"registry,omitempty" jsonschema:"default=the manifest's,example=mirror.eu.example.com/acme"`
	// Where its objects may be: in its namespace, or anywhere in the cluster.
	Scope string `json:"scope,omitempty" jsonschema:"default=namespace,enum=namespace,enum=cluster,example=cluster"`
	// What quoit watch does when the ring goes back to an ancestor of what the
	// site runs: nothing, or a downgrade. Deploying by hand always may.
	Downgrade string `json:"downgrade,omitempty" jsonschema:"default=never,enum=never,enum=auto,example=auto"`
}

// Defaults are what all images share.
type Defaults struct {
	// Build arguments; see args of an image.
	Args map[string]Scalar `json:"args,omitempty" jsonschema:"example={GO_VERSION: \"1.26\"}"`
	// Labels; see labels of an image.
	Labels map[string]Text `json:"labels,omitempty" jsonschema:"example={team: checkout}"`
	// Platforms; see platforms of an image.
	Platforms []string `json:"platforms,omitempty" jsonschema:"uniqueItems=true,default=those of the current release,example=[linux/amd64\\, linux/arm64]"`
}

// ImageDocument is one image of the project.
type ImageDocument struct {
	// The folder that the container file reads from: a slash path in the
	// project, which it may not leave.
	Context string `json:"context,omitempty" jsonschema:"default=.,example=services/api"`
	// The container file: a slash path from the context to anywhere in the
	// project. Its ignore file is beside it, its name and .dockerignore, else in
	// the context.
	File string `json:"file,omitempty" jsonschema:"default=Dockerfile\\, then Containerfile,example=../../docker/api.Dockerfile"`
	// The stage of the container file that is the image.
	Target string `json:"target,omitempty" jsonschema:"pattern=^[A-Za-z0-9][A-Za-z0-9._-]*$,default=the last stage,example=runtime"`
	// Build arguments. A number or boolean is passed as it is written;
	// null takes the value from --build-arg only. Names that begin with QUOIT_
	// or BUILDKIT_ are not allowed, nor those that have their value from the
	// platform or stage that is built: TARGETARCH, BUILDPLATFORM, ...
	Args map[string]Scalar `json:"args,omitempty" jsonschema:"example={FEATURES: null}"`
	// Labels of the image. Those that quoit sets itself are overruled with a
	// warning: org.opencontainers.image.version, .revision, .ref.name,
	// .vendor, .base.name and .base.digest, and all that begin with
	// dependency. or io.github.quoitbuild.
	Labels map[string]Text `json:"labels,omitempty" jsonschema:"example={team: checkout}"`
	// The platforms to build, each os/arch or os/arch/variant. An empty list
	// means the default, whatever the defaults say: those that the image has in the
	// current release, else linux and the architecture of where quoit runs, of a stock
	// client the builder's.
	Platforms []string `json:"platforms,omitempty" jsonschema:"uniqueItems=true,default=those of the current release,example=[linux/amd64]"`
	// The version is never below this one: to adopt an image that has
	// versions already, or a major version that is reviewed like code. Three
	// numbers and nothing after them.
	Version string `json:"version,omitempty" jsonschema:"pattern=^(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)$,example=5.2.0"`
	// What other names mean in the container file, in FROM, COPY --from and RUN
	// --mount=from: another image of the project, by its name, or a folder of it,
	// by a path with a slash or a dot at its beginning: ./assets. A stage or an image
	// of that name is replaced. A folder counts like the context, with the ignore file
	// that is in it.
	Contexts map[string]Text `json:"contexts,omitempty" jsonschema:"example={web: ./web/assets}"`
	// Images of the project that this one needs at run time. Their changes give
	// it no new version. What it needs at build time is found in its container
	// file. The root image needs all the others, and no image names it.
	Depends []string `json:"depends,omitempty" jsonschema:"uniqueItems=true,example=[mailer]"`
}
