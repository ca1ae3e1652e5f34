#!/bin/sh
# fresh.sh - what a newcomer meets: README's commands on a minimal Debian, from nothing to a package
#
# Needs root, debootstrap and a mirror of Debian (the one that this machine's apt uses). The tree lies in a
# temporary folder; what runs in it has mounts and processes of its own, which end with it. It takes some
# five minutes, 30 at most. Tested is the last commit. With the argument "inside" it is the newcomer.
set -eu

step() {
	echo "==== $*"
}

die() {
	echo "fresh.sh: $*" >&2
	exit 1
}

# ---- outside: the tree ----

# bounded SECONDS COMMAND... - in the background, so that a signal is heard at once
bounded() {
	timeout --kill-after=3 "$@" &
	job=$!
	wait "$job"
}

outside() {
	[ "$(id -u)" = 0 ] || die "needs root"
	for p in debootstrap git unshare pivot_root timeout; do
		command -v "$p" >/dev/null || die "needs $p (packages debootstrap, git, util-linux)"
	done
	cd "$(dirname "$0")/.."
	mirror=$(apt-get indextargets --format '$(SITE)' "Codename: $SUITE" | head -n 1)
	[ -n "$mirror" ] || die "apt knows no mirror of $SUITE (SUITE=another one)"
	tree=$(mktemp -d)
	trap 'rm -rf --one-file-system "$tree" "$tree.log"' EXIT
	trap 'kill "$job"; wait "$job"; exit 1' HUP INT TERM
	step "debootstrap $SUITE from $mirror"
	bounded 900 debootstrap --variant=minbase "$SUITE" "$tree" "$mirror" >"$tree.log" 2>&1 || {
		tail "$tree.log" >&2
		exit 1
	}
	cp -L /etc/resolv.conf /etc/hosts "$tree/etc/"
	apt-config dump Acquire::http::Proxy >"$tree/etc/apt/apt.conf.d/proxy"
	mkdir "$tree/src"
	git -c safe.directory='*' clone -q --no-hardlinks . "$tree/src/socast"
	git -C "$tree/src/socast" remote remove origin
	bounded 1800 unshare --mount --pid --ipc --uts --fork --kill-child \
		sh "$tree/src/socast/tools/fresh.sh" enter "$tree"
}

# In the new name spaces: the tree becomes the root.
enter() {
	mount --make-rprivate /
	mount --bind "$1" "$1"
	cd "$1"
	mount --rbind /dev dev
	mount --rbind /sys sys
	mount -t proc proc proc
	pivot_root . mnt
	umount -l /mnt
	exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
		sh /src/socast/tools/fresh.sh inside
}

# ---- inside: the newcomer ----

quiet() { # COMMAND... - its output only if it fails
	"$@" >/tmp/out 2>&1 || {
		tail -n 30 /tmp/out >&2
		die "failed: $*"
	}
}

says() { # TEXT - the last quiet command has printed that
	grep -q -e "$1" /tmp/out || {
		tail -n 30 /tmp/out >&2
		die "nothing like \"$1\" was printed"
	}
}

# The files of the system, but for apt's and dpkg's own records and what programs cache.
files() {
	find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /root -o -path /src -o -path /var/lib/dpkg \
		-o -path /var/lib/apt -o -path /var/cache -o -path /var/log \) -prune -o -print | sort
}

inside() {
	cd /src/socast
	quiet apt-get update
	step "git and make only: make names the rest"
	quiet apt-get install -y --no-install-recommends git make
	! make >/tmp/out 2>&1 || die "make needs nothing?"
	says '^missing: cc meson ninja pkg-config'
	grep '^    apt-get install' /tmp/out >/tmp/lines
	[ "$(wc -l </tmp/lines)" = 2 ] || die "no commands are named"

	step "what it names first is enough; what is left out is told"
	quiet sh -c "$(sed -n 's/apt-get install/& -y/; 1p' /tmp/lines)"
	quiet make
	says 'TLS, DTLS (libssl-dev) *: NO'
	build/socast - SYSTEM:'echo built' </dev/null | grep -q built || die "does not run"
	look_again=$(sed -n 's/^ *Look again *: //p' /tmp/out)

	step "README's packages, and a look again"
	quiet sh -c "$(sed -n '/^    apt-get install/,/[^\\]$/p' README.md | sed 's/apt-get install/& -y/')"
	quiet $look_again
	says 'TLS, DTLS (libssl-dev) *: YES'
	quiet make
	build/socast -V | grep -q 'WITH_OPENSSL 1' || die "still without TLS"
	[ -f build/socast.html ] || die "no page"

	step "make demo"
	quiet make demo
	says '10 of 10'

	step "make install"
	quiet make install DESTDIR=/tmp/dest
	[ -x /tmp/dest/usr/local/bin/socast ] && [ -d /tmp/dest/etc/socast ] || die "not all is installed"
	rm -rf /tmp/dest
	quiet apt-get install -y --no-install-recommends systemd
	files >/tmp/before
	quiet make install
	service /usr/local
	quiet ninja -C build uninstall
	rmdir -p --ignore-fail-on-non-empty $(files | comm -13 /tmp/before - | sort -r) 2>/dev/null || true

	step "make package"
	quiet make package
	ls dist/*.deb
	files >/tmp/before
	quiet apt-get install -y --no-install-recommends ./dist/socast_*.deb ./dist/socast-socat_*.deb
	service /usr
	socat -V | grep -q '^socast' || die "no socat"
	quiet sh debian/tests/smoke
	quiet apt-get purge -y socast socast-socat
	files | comm -3 /tmp/before - >/tmp/out
	[ ! -s /tmp/out ] || die "purge leaves: $(cat /tmp/out)"

	step "a release: make dist, and make package in it"
	quiet make dist
	mkdir /tmp/release
	tar -xf build/meson-dist/socast-*.tar.gz -C /tmp/release
	cd /tmp/release/socast-*
	quiet make package
	ls dist/*.deb
	step "all well"
}

# service PREFIX - the unit is one, and finds the program and its folder
service() {
	unit=$1/lib/systemd/system/socast@.service
	[ -d /etc/socast ] || die "no /etc/socast"
	grep -q "^EnvironmentFile=/etc/socast/%i.conf" "$unit" || die "the unit reads another folder"
	grep -q "^ExecStart=$1/bin/socast " "$unit" || die "the unit starts another program"
	quiet systemd-analyze verify --man=no "$unit"
	[ ! -s /tmp/out ] || die "systemd-analyze: $(cat /tmp/out)"
	echo 'SOCAST="UDP4-RECV:7000 -"' >/etc/socast/try.conf
	(. /etc/socast/try.conf && quiet "$1/bin/socast" --check $SOCAST)
	rm /etc/socast/try.conf
}

SUITE=${SUITE:-bookworm}
case "${1:-}" in
"") outside; exit ;; # this file may have been edited meanwhile
enter) enter "$2" ;;
inside) inside ;;
*) die "unknown argument $1" ;;
esac
