#!/bin/sh
# deps.sh PACKAGE... - make sure that Debian packages are installed
#
# As root what is missing is installed; otherwise the one command to run is printed.
missing=
for p in "$@"; do
	dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'install ok installed' ||
		missing="$missing $p"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ]; then
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing >/dev/null
	exit
fi
echo "These packages are missing; run this as root, then try again:" >&2
echo "    apt-get install$missing" >&2
exit 1
