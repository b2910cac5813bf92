#!/bin/sh
# Checks the dependencies of the product, the fuzz targets and the virtual card: licences, sources, duplicates, advisories.
# The advisory database needs a network beyond the package registry; without it that check says that it did not run.
set -eu

cargo deny --locked check licenses bans sources
cargo deny --locked --manifest-path fuzz/Cargo.toml check licenses sources
cargo deny --locked --manifest-path tests/virtual-card/Cargo.toml check licenses sources
if ! cargo deny --locked fetch db >/dev/null 2>&1; then
    echo "SKIPPED: advisories; the advisory database cannot be fetched from here" >&2
else
    cargo deny --locked check advisories
fi
