package frontend

import (
	"fmt"
	"strings"

	"github.com/quoitbuild/quoit/internal/trees"
)

const services = 24

// every names the images of all services.
func every() string {
	var names strings.Builder
	for i := range services {
		fmt.Fprintf(&names, "s%02d ", i+1)
	}
	return names.String()
}

// Many images of one context, by an argument of one container file.
var manyLayout = layout{
	name: "one context for 24 images",
	images: func() string {
		var images strings.Builder
		for name := range strings.FieldsSeq(every()) {
			fmt.Fprintf(&images, "  %s: {context: ., args: {SERVICE: %s}}\n", name, name)
		}
		return images.String()
	}(),
	files: func() trees.Files {
		files := trees.Files{
			"Dockerfile": "FROM golang:1 AS build\nARG SERVICE\nWORKDIR /src\nCOPY go.mod ./\nCOPY lib lib\nCOPY services/$SERVICE services/$SERVICE\n" +
				"RUN --mount=type=cache,target=/root/.cache go build -o /out/main ./services/$SERVICE\nFROM scratch\nCOPY --from=build /out /\n",
			".dockerignore": "**/testdata\n*.md\n!README.md\n", "go.mod": "module example.com/all\n", "lib/log.go": "package lib\n", "README.md": "all\n",
		}
		for name := range strings.FieldsSeq(every()) {
			files["services/"+name+"/main.go"] = "package main // " + name + "\n"
			files["services/"+name+"/testdata/t"] = name
			files["services/"+name+"/conf"] = trees.Link("main.go")
		}
		return files
	}(),
	edits: []layoutEdit{
		{what: "a service", do: put("services/s07/main.go", "package main // edited\n"), changes: "s07"},
		{what: "two services", do: several(put("services/s01/new.go", "package main\n"), gone("services/s24/conf")), changes: "s01 s24"},
		{what: "all services", do: put("lib/log.go", "package lib // edited\n"), changes: every()},
		{what: "a new file for all", do: put("lib/trace.go", "package lib\n"), changes: every()},
		{what: "tests", do: put("services/s07/testdata/t", "edited")},
		{what: "the container file", do: sub("Dockerfile", "-o /out/main", "-trimpath -o /out/main"), changes: every()},
		{what: "its comments", do: sub("Dockerfile", "WORKDIR /src", "# where it is built\nWORKDIR /src")},
		{what: "an argument", do: sub("quoit.yaml", "{SERVICE: s07}", "{SERVICE: s08}"), changes: "s07"},
		{what: "a link", do: linked("services/s02/conf", "../s03/main.go"), changes: "s02"},
		{what: "a service's folder, whose contents are copied", do: permitted("services/s03", 0o700)},
		{what: "the folder of all services", do: permitted("services", 0o700)},
		{what: "a service that is not built", do: put("services/s99/main.go", "package main\n")},
		{what: "an ignore file for one", do: put(".dockerignore", "**/testdata\n*.md\n!README.md\nservices/s05/conf\n"), changes: "s05"},
		{what: "an ignore file for none", do: put(".dockerignore", "**/testdata\n*.txt\n")},
	},
}

// Sources that one image generates and others are made from.
var generatedLayout = layout{
	name: "generated sources",
	images: `
  protoc: tools/protoc
  protos: {context: ., file: protos/Dockerfile}
  cart: {context: ., file: cart/Dockerfile}
  ads: {context: ., file: ads/Dockerfile}
  site: site
`,
	files: trees.Files{
		".dockerignore":           "**/gen\n",
		"tools/protoc/Dockerfile": "FROM alpine:3\nARG VERSION=30\nRUN apk add protoc~$VERSION\n",
		"protos/Dockerfile":       "FROM registry.example.com/acme/shop/protoc AS gen\nRUN --mount=source=protos,target=/in mkdir /out && protoc -I /in --go_out=/out /in/*.proto\nFROM scratch\nCOPY --from=gen /out /\n",
		"protos/cart.proto":       "message Cart {}\n", "protos/ads.proto": "message Ad {}\n",
		"cart/Dockerfile": "FROM golang:1 AS build\nCOPY --from=registry.example.com/acme/shop/protos / /src/gen\nCOPY cart /src/cart\nRUN go build -C /src -o /bin/cart\nFROM scratch\nCOPY --from=build /bin/cart /\n",
		"cart/main.go":    "package main\n", "cart/gen/cart.pb.go": "package gen\n",
		"ads/Dockerfile":  "FROM maven:3\nRUN --mount=from=registry.example.com/acme/shop/protos,target=/gen --mount=source=ads/src,target=/ads mvn -f /ads\nCOPY ads/*.properties ads/opt?onal.xml /etc/\n",
		"ads/src/Ad.java": "class Ad {}\n", "ads/src/gen/G.java": "class G {}\n", "ads/ads.properties": "a=1\n",
		"site/Dockerfile":       "FROM node:24 AS gen\nRUN --mount=source=content,target=/in <<END\n# Pages of texts.\nnpx render /in /out\nEND\nFROM nginx:1\nCOPY --from=gen /out /srv\n",
		"site/content/index.md": "# Shop\n", "site/theme/x.css": "x{}\n",
	},
	edits: []layoutEdit{
		{what: "a protocol", do: put("protos/cart.proto", "message Basket {}\n"), changes: "protos cart ads"},
		{what: "a protocol less", do: gone("protos/ads.proto"), changes: "protos cart ads"},
		{what: "the generator", do: sub("tools/protoc/Dockerfile", "VERSION=30", "VERSION=31"), changes: "protoc protos cart ads"},
		{what: "the generator's argument", o: args(map[string]string{"VERSION": "29"}), changes: "protoc protos cart ads"},
		{what: "the generator's base", do: based("docker.io/library/alpine:3"), changes: "protoc protos cart ads"},
		{what: "what was generated here and is ignored", do: several(put("cart/gen/cart.pb.go", "package old\n"), gone("ads/src/gen/G.java"))},
		{what: "who reads it by a copy", do: put("cart/main.go", "package main // edited\n"), changes: "cart"},
		{what: "who reads it by a mount", do: put("ads/src/Ad.java", "class Ads {}\n"), changes: "ads"},
		{what: "who reads it no more", do: sub("cart/Dockerfile", "COPY --from=registry.example.com/acme/shop/protos / /src/gen\n", ""), changes: "cart"},
		{what: "a file that a wildcard finds now", do: put("ads/optional.xml", "<a/>\n"), changes: "ads"},
		{what: "the container file that is in a mount", do: sub("protos/Dockerfile", "FROM scratch\n", "# What others take.\nFROM scratch\n"), changes: "protos cart ads"},
		{what: "text that is mounted", do: put("site/content/new.md", "# New\n"), changes: "site"},
		{what: "text that is for its owner", do: permitted("site/content/index.md", 0o600), changes: "site"},
		{what: "beside what is mounted", do: put("site/theme/x.css", "y{}\n")},
		{what: "a comment in a here-document", do: sub("site/Dockerfile", "# Pages of texts.", "# All pages."), changes: "site"},
		{what: "a folder that is mounted", do: permitted("site/content", 0o700), changes: "site"},
	},
}

// Siblings by the names that they have in the manifest.
var aliasLayout = layout{
	name: "aliases",
	images: `
  base: images/base-java
  assets: web/assets
  tools: {context: images/tools, platforms: [linux/amd64]}
  shop: services/shop
  admin: services/admin
  login: services/login
  old: services/old
  portal: {context: services/portal, contexts: {jdk: base, ui: ./web/ui}}
`,
	files: trees.Files{
		"images/base-java/Dockerfile": "FROM eclipse-temurin:21\nCOPY conf /conf\nLABEL team=base\n", "images/base-java/conf/jvm": "-Xmx1g\n",
		"web/assets/Dockerfile": "FROM scratch\nCOPY . /\n", "web/assets/.dockerignore": "Dockerfile\n*.psd\n", "web/assets/logo.svg": "<svg/>\n", "web/assets/logo.psd": "psd",
		"images/tools/Dockerfile": "FROM alpine:3\nCOPY --chmod=u+x lint /bin/\n", "images/tools/lint": "#!/bin/sh\n",
		"services/shop/Dockerfile": "FROM base\nCOPY --from=assets / /static\nCOPY shop.jar /\n", "services/shop/shop.jar": "jar\n",
		"services/admin/Dockerfile": "FROM alpine:3 AS base\nCOPY admin /\nFROM base\nCOPY --from=assets /logo.svg /\n", "services/admin/admin": "admin\n",
		"services/login/Dockerfile":  "FROM base AS build\nRUN --mount=from=tools,target=/t /t/bin/lint\nFROM scratch\nCOPY --from=build /conf /conf\n",
		"services/portal/Dockerfile": "FROM jdk\nCOPY --from=ui dist /ui\nCOPY portal.jar /\n", "services/portal/portal.jar": "jar\n", "services/portal/dist/x": "x\n",
		"web/ui/dist/ui.js": "js\n", "web/ui/dist/ui.js.map": "map\n", "web/ui/src/ui.ts": "ts\n", "web/ui/.dockerignore": "**/*.map\n",
		"services/old/Dockerfile": "FROM docker.io/library/base\nCOPY old /\n", "services/old/old": "old\n",
	},
	edits: []layoutEdit{
		{what: "a base", do: put("images/base-java/conf/jvm", "-Xmx2g\n"), changes: "base shop login portal"},
		{what: "a label of a base", do: sub("images/base-java/Dockerfile", "team=base", "team=java"), changes: "base shop login portal"},
		{what: "assets", do: put("web/assets/logo.svg", "<svg></svg>\n"), changes: "assets shop admin"},
		{what: "assets that are ignored", do: put("web/assets/logo.psd", "edited")},
		{what: "an ignore file that is copied", do: put("web/assets/.dockerignore", "Dockerfile\n*.psd\n*.ai\n"), changes: "assets shop admin"},
		{what: "tools that are mounted", do: put("images/tools/lint", "#!/bin/bash\n"), changes: "tools login"},
		{what: "a mode that the copy starts from", do: permitted("images/tools/lint", 0o640), changes: "tools login"},
		{what: "a stage with a sibling's name", do: put("services/admin/admin", "edited\n"), changes: "admin"},
		{what: "a sibling with a stage's name", do: sub("services/admin/Dockerfile", "FROM alpine:3 AS base\nCOPY admin /\nFROM base\n", "FROM alpine:3 AS os\nCOPY admin /\nFROM base\n"), changes: "admin"},
		{what: "the base of others of that name", do: based("docker.io/library/base:latest"), changes: "old"},
		{what: "the repository in the place of the short name", do: sub("services/shop/Dockerfile", "FROM base\n", "FROM registry.example.com/acme/shop/base\n"), changes: "shop"},
		{what: "a folder with another name", do: put("web/ui/dist/ui.js", "edited\n"), changes: "portal"},
		{what: "what nobody reads of it", do: put("web/ui/src/ui.ts", "edited\n")},
		{what: "what it ignores", do: put("web/ui/dist/ui.js.map", "edited\n")},
		{what: "its ignore file", do: put("web/ui/.dockerignore", "src\n"), changes: "portal"},
		{what: "a folder like it in the context", do: put("services/portal/dist/x", "edited\n")},
		{what: "another meaning of a name", do: sub("quoit.yaml", "jdk: base", "jdk: tools"), changes: "portal"},
		{what: "a name that is not used", do: sub("quoit.yaml", "jdk: base", "jdk: base, more: tools")},
		{what: "the folder's other place", do: several(renamed("web/ui", "web/front"), sub("quoit.yaml", "./web/ui", "./web/front"))},
		{what: "another sibling", do: sub("services/shop/Dockerfile", "--from=assets", "--from=tools"), changes: "shop"},
	},
}
