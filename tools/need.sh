#!/bin/sh
# need.sh PROGRAM... - say which programs are missing, all at once, before anything starts
missing=
for p in "$@"; do
	command -v "$p" >/dev/null 2>&1 || missing="$missing $p"
done
if command -v cc >/dev/null 2>&1 && ! echo '#include <stdio.h>' | cc -E - >/dev/null 2>&1; then
	missing="$missing stdio.h" # gcc only recommends the headers of the C library
fi
[ -z "$missing" ] && exit 0
echo "missing:$missing" >&2
echo "Debian and Ubuntu have them in these packages; as root:" >&2
echo "    apt-get install --no-install-recommends gcc libc6-dev meson ninja-build pkg-config" >&2
echo "and what TLS, seals, READLINE, tcpwrap, the doctor's rules and the manual as HTML need, in:" >&2
echo "    apt-get install --no-install-recommends libssl-dev libsodium-dev libedit-dev libwrap0-dev libjansson-dev mandoc" >&2
exit 1
