#!/bin/sh
# Fuzzes each target for a time and prints what was reached; fails where one found something.
#
# usage: scripts/fuzz.sh SECONDS [LIBFUZZER-OPTION...]
#
# FUZZ_TARGETS   which targets, all unless stated
# FUZZ_LOGS      where the logs go, target/fuzz-logs unless stated
# FUZZ_CORPUS    where inputs that reach something new are kept, target/fuzz-corpus unless stated
set -eu
cd "$(dirname "$0")/.."

seconds=$1
shift
targets=${FUZZ_TARGETS:-card certificates machine objects verdict}
folder=${CARGO_TARGET_DIR:-$PWD/target}
logs=${FUZZ_LOGS:-$folder/fuzz-logs}
corpus=${FUZZ_CORPUS:-$folder/fuzz-corpus}
failed=

# Longest input, largest single allocation and most memory, in octets, MiB and MiB. Why: docs/fuzzing.md.
limits() {
    case $1 in
    card) echo 8192 1 512 ;;
    certificates) echo 8192 1 512 ;;
    machine) echo 4200 1 512 ;;
    objects) echo 16384 1 512 ;;
    verdict) echo 8192 1 512 ;;
    *) echo "no target $1" >&2 && exit 2 ;;
    esac
}

# Seeds of an earlier format are refused at once, and what lies behind them is not reached.
seeds=$folder/fuzz-seeds
rm -rf "$seeds"
cargo run --quiet --manifest-path fuzz/Cargo.toml --target-dir "$folder/fuzz-examples" --example seeds -- "$seeds" \
    >/dev/null
for file in fuzz/corpus/*/seed-* "$seeds"/*/seed-*; do
    name=${file#fuzz/corpus/}
    name=${name#"$seeds"/}
    if ! cmp -s "fuzz/corpus/$name" "$seeds/$name"; then
        echo "The seed $name is not the one of today: make them anew, as docs/fuzzing.md tells under Seeds." >&2
        exit 1
    fi
done

# The sanitizer is an unstable option of the compiler, which a stable one takes when told to.
export RUSTC_BOOTSTRAP=1
# What was freed is kept for a while to catch late uses; the default of 256 MiB would hide how much a target needs.
export ASAN_OPTIONS=quarantine_size_mb=16
cargo fuzz build --sanitizer address --target-dir "$folder/fuzz"

mkdir -p "$logs"
for target in $targets; do
    read -r length allocation memory <<END
$(limits "$target")
END
    mkdir -p "$corpus/$target"
    echo "Fuzzing $target for $seconds seconds."
    # Safe Rust does not leak by mistake, and the leak check needs rights that containers do not have.
    if ! cargo fuzz run --sanitizer address --target-dir "$folder/fuzz" "$target" \
        "$corpus/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -max_len="$length" -malloc_limit_mb="$allocation" -rss_limit_mb="$memory" \
        -timeout=10 -detect_leaks=0 -print_final_stats=1 "$@" >"$logs/$target.log" 2>&1; then
        failed="$failed $target"
        tail -n 40 "$logs/$target.log" >&2
    fi
done

scripts/fuzz-table.py "$logs"
if [ -n "$failed" ]; then
    echo "Found something:$failed. docs/fuzzing.md tells how to reproduce it." >&2
    exit 1
fi
