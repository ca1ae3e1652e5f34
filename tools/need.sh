#!/bin/sh
# need.sh PROGRAM... - say which programs are missing, all at once, before anything starts
missing=
for p in "$@"; do
	command -v "$p" >/dev/null 2>&1 || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
echo "missing:$missing" >&2
echo "Debian and Ubuntu have them in: gcc meson ninja-build pkg-config" >&2
echo "For TLS, seals, READLINE, tcpwrap and the doctor's rules also:" >&2
echo "    libssl-dev libsodium-dev libedit-dev libwrap0-dev libjansson-dev" >&2
exit 1
