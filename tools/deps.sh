#!/bin/sh
# deps.sh PACKAGE... - make sure that Debian packages are installed
#
# As root what is missing is installed, after its number and size have been told, and on a terminal
# only if the answer is yes (YES=1: not asked). No service that comes with a package is started.
# Without rights the one command to run is printed.
missing=
for p in "$@"; do
	dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' ||
		missing="$missing $p"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ]; then
	echo "These packages are missing; run this as root, then try again:" >&2
	echo "    apt-get install --no-install-recommends$missing" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq || exit 1
echo "Installing$missing" >&2
LC_ALL=C apt-get install --no-install-recommends --assume-no $missing 2>/dev/null |
	grep -E 'newly installed|disk space' >&2
if [ -t 0 ] && [ -t 2 ] && [ -z "$YES" ]; then
	printf 'Go on? [y/N] ' >&2
	read -r answer
	case "$answer" in [yY]*) ;; *) exit 1 ;; esac
fi
policy=/usr/sbin/policy-rc.d # asked before a service is started
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	trap 'exit 1' HUP INT TERM
	printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
fi
apt-get install -y -qq --no-install-recommends $missing >/dev/null
