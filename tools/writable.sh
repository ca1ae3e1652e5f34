#!/bin/sh
# writable.sh BUILD - may this user install what BUILD has? If not: say so in a line, not in forty
prefix=$(meson introspect "$1" --buildoptions | python3 -c 'import json, sys
print(next(o["value"] for o in json.load(sys.stdin) if o["name"] == "prefix"))') || exit 1
at=$DESTDIR$prefix
until [ -e "$at" ]; do
	at=$(dirname "$at")
done
[ -w "$at" ] && exit 0
echo "$at is not yours to write: make install as root, or into your home:" >&2
echo "    make install BUILD=build-home MESONFLAGS=\"--prefix=$HOME/.local --sysconfdir=etc\"" >&2
exit 1
