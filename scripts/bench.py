#!/usr/bin/env python3
"""Measures Countersign beside the alternatives and writes the table in docs/performance.md: `make bench`.

Wants `make demo` to have run, for its record. Ratios are taken in one run; absolute times belong to the machine.
"""

import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
DEMO = ROOT / "target/demo"
DOCUMENT = ROOT / "docs/performance.md"
VERIFIER = TARGET / "release/countersign-verifier"
CHECK = [str(VERIFIER), "--store", str(DEMO / "store"), "check", "control-room"]
OPENSSL = ["openssl", "cms", "-verify", "-purpose", "any", "-inform", "PEM", "-binary", "-out", "/dev/null"]
OPENSSL += ["-in", str(DEMO / "record.pem"), "-CAfile", str(DEMO / "holder-roots.pem")]

SIGNATURES = {"ed25519": "Ed25519", "p256": "P-256", "p384": "P-384", "rsa2048": "RSA-2048", "rsa3072": "RSA-3072"}


def run(command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)


def instructions(command):
    """Instructions of a whole process, by callgrind."""
    log = run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command], text=True).stderr
    return int(re.search(r"Collected : (\d+)", log).group(1))


def wall(commands, rounds=60):
    """Median wall time of each command in milliseconds, taken in turn."""
    times = [[] for _ in commands]
    for round_ in range(rounds + 3):
        for command, kept in zip(commands, times):
            start = time.perf_counter()
            run(command)
            if round_ >= 3:
                kept.append((time.perf_counter() - start) * 1000)
    return [statistics.median(kept) for kept in times]


def criterion(name):
    """Median time of a benchmark in microseconds."""
    estimates = TARGET / "criterion" / name / "new/estimates.json"
    return json.loads(estimates.read_text())["median"]["point_estimate"] / 1000


def main():
    if not (DEMO / "record.pem").exists():
        sys.exit("run `make demo` first: its record is what is measured")
    run(["cargo", "build", "--release", "--quiet"], cwd=ROOT)
    run(["cargo", "build", "--release", "--quiet", "--example", "verifications"], cwd=ROOT)
    bench = ["cargo", "bench", "--quiet", "--bench"]
    subprocess.run([*bench, "rules"], cwd=ROOT, check=True)
    for feature in ([], ["--features", "aws-lc-rs"]):
        subprocess.run([*bench, "signatures", *feature], cwd=ROOT, check=True)

    rows = []
    for kind, aim in (("p256", 0.95), ("rsa2048", 0.80)):
        raw, full = criterion(f"{kind}/four verifications"), criterion(f"{kind}/validate")
        rows.append((f"`validate()`, {kind}, in memory", f"{full:.0f} us", f"four bare verifications, {raw:.0f} us",
                     f"{raw / full:.3f} of their rate", f"at least {aim}"))
    for kind in ("p256", "rsa2048"):
        raw, full = criterion(f"{kind}-issue/sign and verify"), criterion(f"{kind}-issue/issue")
        rows.append((f"issuing a token, {kind}, in memory", f"{full:.0f} us",
                     f"one signature and two verifications, {raw:.0f} us", f"{raw / full:.3f} of their rate", "none yet"))
    for name, kind in SIGNATURES.items():
        own, other = criterion(f"RustCrypto/{name}"), criterion(f"AWS-LC/{name}")
        rows.append((f"one verification, {kind}, RustCrypto", f"{own:.0f} us", f"AWS-LC, {other:.0f} us",
                     f"{own / other:.2f} times", ""))
    rows.append(("machine identity", f"{criterion('machine_identity'):.0f} us", "", "", "at most 100 us"))

    bare = str(TARGET / "release/examples/verifications")
    one = (instructions([bare, "101"]) - instructions([bare, "1"])) / 100
    own, theirs = instructions(CHECK), instructions(OPENSSL)
    rows.append(("`check`, whole process, P-256", f"{own / 1e6:.2f} M instructions",
                 f"four bare verifications, {4 * one / 1e6:.2f} M", f"{own / (4 * one):.3f} times", "at most 1.3 times"))
    rows.append(("", "", f"`openssl cms -verify` of the record, {theirs / 1e6:.2f} M, for two verifications",
                 f"{own / theirs:.3f} times", ""))
    own, theirs, nothing = wall([CHECK, OPENSSL, ["openssl", "version"]])
    rows.append(("", f"{own:.2f} ms", f"`openssl cms -verify` of the record, {theirs:.2f} ms", f"{own / theirs:.3f} times",
                 "less than 1"))
    rows.append(("", "", f"`openssl version`, which verifies nothing, {nothing:.2f} ms", f"{own / nothing:.3f} times", ""))

    table = "| what | cost | beside | ratio | aim |\n| --- | --- | --- | --- | --- |\n"
    table += "".join("| " + " | ".join(row) + " |\n" for row in rows)
    print(table)
    cores = os.cpu_count()
    rust = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    openssl = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout.split()[1]
    told = f"Measured {time.strftime('%Y-%m-%d', time.gmtime())} on {cores} cores of a virtual {platform.machine()} machine, "
    told += f"Rust {rust}, OpenSSL {openssl}.\n\n"
    text = DOCUMENT.read_text()
    begin, end = "<!-- bench -->\n", "<!-- /bench -->"
    head, rest = text.split(begin)
    DOCUMENT.write_text(head + begin + told + table + end + rest.split(end)[1])


main()
