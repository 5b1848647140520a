#!/bin/sh
# Installs the shop on a site, upgrades it, goes back and forward again.
# `make demo-site` runs this on a registry, a BuildKit and a Kubernetes.
set -eu

: "${QUOIT_REGISTRY:?is not set, run: make demo-site}"
: "${KUBECONFIG:?is not set, run: make demo-site}"
QUOIT_REGISTRY=$QUOIT_REGISTRY/demo-site-$(date +%s) # where no earlier demo has been
export QUOIT_REGISTRY
namespace=shop-eu
bold='' plain=''
if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); fi

examples=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
clean() {
	kubectl delete namespace "$namespace" --ignore-not-found >"$work/log" 2>&1 || true
	kubectl delete persistentvolume "$namespace-data" --ignore-not-found >"$work/log" 2>&1 || true
	rm -rf "$work"
}
if kubectl get namespace "$namespace" >"$work/log" 2>&1; then
	rm -rf "$work"
	echo "error: the cluster has a namespace $namespace already; if it is not needed: kubectl delete namespace $namespace" >&2
	exit 1
fi
trap clean EXIT
trap 'exit 130' INT TERM
cp -R "$examples/shop" "$work/shop"
cd "$work/shop"

title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
run() { # shows a quoit command and runs it, without BuildKit's progress
	printf '\n$ quoit %s\n' "$*"
	case $1 in plan | build) set -- "$@" --progress quiet ;; esac
	quoit "$@"
}

now() { cut -d ' ' -f 1 /proc/uptime; }
since() { awk -v "begin=$1" '{ printf "%.0f s", $1 - begin }' /proc/uptime; }

address() { # of a pod of a service, one that is not about to end, as the API server leads to it
	kubectl -n "$namespace" get pods -l "app.kubernetes.io/name=$1" -o go-template='{{range .items}}{{if not .metadata.deletionTimestamp}}/api/v1/namespaces/{{.metadata.namespace}}/pods/{{.metadata.name}}:8080/proxy{{"\n"}}{{end}}{{end}}' | head -n 1
}
ask() { kubectl get --raw "$(address "$1")/$2"; }
schema() { ask cart schema | sed -n 's/^schema //p'; }

versions='' schemas=''
look() { # what the site says of itself; it must be the version of the api and the schema that are given
	printf '\nGET /version of every service, GET /schema of the cart, which is a SELECT:\n\n'
	for service in api cart web; do printf '  %-6s %s\n' "$service" "$(ask "$service" version)"; done
	ask cart schema | sed 's/^/  /'
	printf '  in the cart: %s\n' "$(ask cart items | paste -s -d ' ' -)"
	test "$(ask api version)" = "api $1" || { echo "error: the api is not version $1" >&2; exit 1; }
	test "$(schema)" = "$2" || { echo "error: the schema is not $2" >&2; exit 1; }
	test "$(ask cart items)" = 'book|1' || { echo "error: the book is lost" >&2; exit 1; }
	versions="$versions${versions:+, }$1" schemas="$schemas${schemas:+, }$2"
}

title "1. A release of the shop, shifted from the developers to the users."
printf '\n(Takes a minute if BuildKit has never compiled a Go program.)\n'
run build --push
run shift --to users
run shift --to users

title "2. A site: a namespace, what quoit may do there, a volume, and the site's values."
printf '\n$ quoit bootstrap eu | kubectl apply -f -\n'
quoit bootstrap eu | kubectl apply -f -
mkdir "$work/data"
chown 10001 "$work/data" # whom the shop's containers run as
cat >"$work/site.yaml" <<-YAML
	apiVersion: v1
	kind: PersistentVolume
	metadata: {name: $namespace-data}
	spec:
	  capacity: {storage: 100Mi}
	  accessModes: [ReadWriteOnce]
	  claimRef: {namespace: $namespace, name: data}
	  hostPath: {path: $work/data, type: Directory}
	---
	apiVersion: v1
	kind: ConfigMap
	metadata: {name: quoit-site, namespace: $namespace}
	data: {SHOP_GREETING: "Welcome, Europe."}
YAML
kubectl apply -f "$work/site.yaml"

start=$(now)
title "3. Install what the users have."
run deploy eu
printf '\nGET / of the api: %s\n' "$(ask api '')"
kubectl create --raw "$(address cart)/items/book" -f /dev/null # POST: somebody buys a book
look 1 2

title "4. The api changes, and there is a third migration. A new release for the users."
printf '\n$ sed -i "s/api 1/api 2/" services/api/version.go\n'
sed -i 's/api 1/api 2/' services/api/version.go
printf '$ echo "ALTER TABLE items ADD COLUMN note TEXT;" > migrations/sql/003-note.up.sql\n'
echo 'ALTER TABLE items ADD COLUMN note TEXT;' >migrations/sql/003-note.up.sql
printf '$ echo "ALTER TABLE items DROP COLUMN note;" > migrations/sql/003-note.down.sql\n'
echo 'ALTER TABLE items DROP COLUMN note;' >migrations/sql/003-note.down.sql
run build --push
run shift --to users
run shift --to users

title "5. Upgrade."
run deploy eu
look 2 3

title "6. The users do not like it. The release is taken back: the new one's migrations go down, then the old one is restored."
run unshift users
run deploy eu
look 1 2

title "7. It was not that bad. Forward again."
run unhold users
run shift --to users
run deploy eu
look 2 3

title "Installed, upgraded, downgraded and upgraded in $(since "$start"): the api was version $versions, the database had schema $schemas, and the book is in the cart."
