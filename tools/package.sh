#!/bin/sh
# package.sh [FOLDER] - build the Debian package in a copy of the tree, into FOLDER (dist)
#
# lintian has the last word: what it calls an error or a warning is a failure.
set -eu
cd "$(dirname "$0")/.."
mkdir -p "${1:-dist}"
out=$(cd "${1:-dist}" && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$copy/socast"
if [ -e .git ]; then
	git ls-files -co --exclude-standard -z
else # a release: all but what was built
	find . \( -name 'build*' -o -name dist \) -prune -o -type f -print0
fi | xargs -0 cp --parents -t "$copy/socast"
(cd "$copy/socast" && dpkg-buildpackage -us -uc -b -j"$(nproc)") >"$out/package.log" 2>&1 || {
	tail -n 40 "$out/package.log" >&2
	exit 1
}
# the first package of a program closes no bug of Debian
lintian --allow-root --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs \
	"$copy"/*.changes
cp "$copy"/*.deb "$copy"/*.changes "$copy"/*.buildinfo "$out"
ls "$out"/*.deb
