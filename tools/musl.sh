#!/bin/sh
# musl.sh - build the program with musl and without optional libraries, in build-musl/
#
# Debian's musl-gcc knows musl's headers only; those of the kernel are lent by links, without the
# headers of the other libc beside them. A warning is a failure.
set -eu
cd "$(dirname "$0")/.."
headers=$PWD/build-musl/kernel-headers
asm=/usr/include/asm
[ -d "$asm" ] || asm=/usr/include/$(gcc -print-multiarch)/asm
if [ ! -f build-musl/build.ninja ]; then
	CC=musl-gcc meson setup build-musl -Dauto_features=disabled -Dwerror=true -Dc_args="-isystem $headers"
	mkdir -p "$headers"
	ln -sfn "$asm" "$headers/asm"
	ln -sfn /usr/include/linux /usr/include/asm-generic "$headers"
fi
exec ninja -C build-musl socast filan procan
