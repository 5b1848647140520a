#!/bin/sh
# Releases the shop twice. `make demo` runs this on a registry and a BuildKit.
set -eu

: "${QUOIT_REGISTRY:?is not set, run: make demo}"
QUOIT_REGISTRY=$QUOIT_REGISTRY/demo-$(date +%s) # where no earlier demo has been
export QUOIT_REGISTRY
repository=$QUOIT_REGISTRY/acme/shop
case $(uname -m) in aarch64) platform=linux/arm64 ;; *) platform=linux/amd64 ;; esac
bold='' plain=''
if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); fi

examples=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
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
since() { awk -v "begin=$1" '{ printf "%.1f s", $1 - begin }' /proc/uptime; }

images() { # prints "name version" of every image in the ring developers
	quoit status -o json | awk -F '"' '
		/"ring":/   { mine = $4 == "developers" }
		/}/         { list = 0 }
		list        { print $2, $4 }
		/"images":/ { list = mine }'
}

changed() { # prints the names of the images that a build would change
	quoit plan -o json --progress quiet | awk -F '"' '/"name":/ { name = $4 } /"changed": true/ { print name }' | paste -s -d ' ' -
}

config() { crane config --platform "$platform" "$repository/$1:$2"; }
label() { printf %s "$config" | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }

table() { # what the labels of all images say
	format='  %-11s %-8s %-10s %-25s %s\n'
	printf "$format" IMAGE VERSION REVISION BASE NEEDS
	images | while read -r name version; do
		config=$(config "$name" "$version")
		printf "$format" "$name" "$(label org.opencontainers.image.version)" \
			"$(label org.opencontainers.image.revision | cut -c 8-15)" \
			"$(label org.opencontainers.image.base.name | sed 's,^docker.io/library/,,')" \
			"$(printf %s "$config" | grep -o '"dependency\.[^,}]*' | tr -d '"' | sed 's/dependency\.//; s/:/ /' | paste -s -d , - | sed 's/,/, /g')"
	done
}

start=$(now)

title "1. The shop has six images and no release. What would a build do?"
run plan
first=$(changed)

title "2. Build them in one go, push them, and let the ring developers have the release."
printf '\n(Takes a minute if BuildKit has never compiled a Go program.)\n'
run build --push

title "3. Every image says in its labels what it is."
echo
table
printf '\nAll labels of api (crane config %s/api:0.1.0):\n\n' "$repository"
config api 0.1.0 | sed 's/.*"Labels":{//; s/}.*//' | tr , '\n' | sed 's/^"\(.*\)":"\(.*\)"$/  \1 = \2/'
run status

title "4. One file of the api changes. What has to be built, and why?"
printf '\n$ sed -i "s/api 1/api 2/" services/api/version.go\n'
sed -i 's/api 1/api 2/' services/api/version.go
run plan
second=$(changed)
run build --push
echo
table

title "5. Nothing changes. Nothing is built, pushed or moved."
idle=$(now)
run build --push
idle=$(since "$idle")
test -z "$(changed)" || { echo "error: nothing changed and there is something to do" >&2; exit 1; }

title "6. The release goes to the testers, turns out bad, and is taken back. Nothing is built."
run shift --to testers
run unshift
run history

title "Two releases in $(since "$start"). The first built $(echo "$first" | wc -w) images ($first), the second $(echo "$second" | wc -w) ($second), the third found nothing to do in $idle."
