#!/bin/sh
# Puts the packages of requirements.txt into target/python-venv and prints the interpreter's path, and nothing else, on
# stdout. Run again it does nothing until requirements.txt changes. What it installs it says first, on stderr.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
venv=${COUNTERSIGN_PYTHON_VENV:-$here/../../target/python-venv}
if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
    echo "installing into $venv by pip: $(tr '\n' ' ' <"$here/requirements.txt")" >&2
    mkdir -p "$(dirname -- "$venv")"
    "${PYTHON3:-python3}" -m venv "$venv" >&2
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt" >&2
    cp "$here/requirements.txt" "$venv/installed.txt"
fi
echo "$(CDPATH= cd -- "$venv" && pwd)/bin/python"
