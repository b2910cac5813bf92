#!/bin/sh
# Installs the Debian packages that are missing from a list, after saying which.
#
# usage: scripts/packages.sh PACKAGE...
set -eu

missing=
for package in "$@"; do
    if ! dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed'; then
        missing="$missing $package"
    fi
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "These Debian packages, or what they hold, are needed:$missing" >&2
    echo "This is not a Debian system; install them its own way and run make again." >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo >/dev/null 2>&1; then
    as_root=sudo
else
    echo "These Debian packages are needed, and neither root nor sudo is at hand:$missing" >&2
    exit 1
fi
echo "Installing with apt-get:$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# shellcheck disable=SC2086 -- one word for each package is what is meant
$as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
