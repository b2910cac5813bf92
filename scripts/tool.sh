#!/bin/sh
# Installs a cargo subcommand where it is missing, after saying so.
#
# usage: scripts/tool.sh cargo-NAME VERSION
set -eu

if ! command -v "$1" >/dev/null 2>&1; then
    echo "Installing $1 $2 with cargo; this takes some minutes."
    # Built to run for seconds.
    cargo install --quiet --debug --locked --version "$2" "$1"
fi
