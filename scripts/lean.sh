#!/bin/sh
# What a product embeds must not pull in the command line, smart cards, PKCS#11 or an async runtime.
set -eu

for package in countersign-pki countersign-common countersign; do
    found=$(cargo tree --quiet --locked --edges normal --prefix none --format '{p}' --package "$package" |
        cut -d ' ' -f 1 | sort -u |
        grep -E '^(clap|pcsc|pcsc-sys|cryptoki|tokio|async-std|smol|futures|log|tracing|serde|serde_json)$' || true)
    if [ -n "$found" ]; then
        echo "$package must not depend on:" $found >&2
        exit 1
    fi
    echo "$package is free of command line, card, PKCS#11, async and logging crates"
done
