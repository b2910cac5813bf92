#!/usr/bin/env python3
"""Measures Countersign beside the alternatives and writes the table in docs/performance.md: `make bench`.

Wants `make demo` to have run, for its record. Ratios are taken in one run; absolute times belong to the machine.
"""

import contextlib
import json
import os
import pathlib
import platform
import re
import shutil
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

# Folders of a hundred thousand files. They are deleted at the beginning of the next run and not before the end of this
# one: for minutes ext4 passes over every inode that was deleted, which makes new files cost more than signatures.
FLEETS = TARGET / "fleets"

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


def million():
    """Rows about a revocation list with a million entries, every check in a process of its own, each in turn."""
    folder = TARGET / "million"
    run(["cargo", "build", "--release", "--quiet", "--package", "countersign-pki", "--example", "million"], cwd=ROOT)
    run(["cargo", "build", "--release", "--quiet", "--locked", "--manifest-path", "benches/alternatives/Cargo.toml",
         "--target-dir", str(TARGET)], cwd=ROOT)
    own, others = str(TARGET / "release/examples/million"), str(TARGET / "release/alternatives")
    run([own, "make", str(folder)])
    checks = {"own": [own, "borrowed"], "indexed": [own, "indexed"], "webpki": [others, "webpki"],
              "OpenSSL": [others, "openssl"], "certval": [others, "certval"]}
    runs = {name: [] for name in checks}
    for _ in range(5):
        for name, check in checks.items():
            done = subprocess.run([*check, str(folder)], check=True, capture_output=True, text=True)
            runs[name].append(json.loads(done.stdout))
    figures = {name: {key: statistics.median(one[key] for one in many) for key in many[0]} for name, many in runs.items()}
    size = (folder / "authority.crl").stat().st_size / 1024
    own = figures["own"]
    rows = [("a path under a list of a million entries, first check", f"{own['cold']:.0f} ms", "webpki, borrowed list, "
             f"{figures['webpki']['cold']:.0f} ms", f"{own['cold'] / figures['webpki']['cold']:.2f} times", "at most 1.5 times")]
    for name in ("OpenSSL", "certval"):
        theirs = figures[name]["cold"]
        rows.append(("", "", f"{name}, {theirs:.0f} ms", f"{own['cold'] / theirs:.3f} times", "less than 1"))
    status = own["again"] - own["without"]
    rows.append(("the lists in a repeated check", f"{status * 1000:.0f} us",
                 f"one bare verification, {own['bare'] * 1000:.0f} us", f"{status / own['bare']:.3f} times", "less than 1"))
    for name in ("webpki", "OpenSSL", "certval"):
        theirs = figures[name]["again"]
        rows.append(("a repeated check" if name == "webpki" else "", f"{own['again']:.2f} ms" if name == "webpki" else "",
                     f"{name}, {theirs:.0f} ms", f"{own['again'] / theirs:.4f} times", "less than 1"))
    rows.append(("its most memory", f"{own['peak'] / 1024:.1f} MiB", f"the list, {size / 1024:.1f} MiB",
                 f"{own['peak'] / size:.2f} times", "at most 1.5 times"))
    for name in ("webpki", "OpenSSL", "certval"):
        theirs = figures[name]["peak"]
        rows.append(("", "", f"{name}, {theirs / 1024:.1f} MiB", f"{own['peak'] / theirs:.2f} times",
                     "" if name == "webpki" else "less than 1"))
    indexed = figures["indexed"]
    rows.append(("first check with a stored index", f"{indexed['cold']:.2f} ms", f"without it, {own['cold']:.0f} ms",
                 f"{indexed['cold'] / own['cold']:.4f} times", "none yet"))
    rows.append(("its most memory", f"{indexed['peak'] / 1024:.1f} MiB", "", "", "none yet"))
    return rows


@contextlib.contextmanager
def database():
    """The URL of an empty database on a server of PostgreSQL of its own."""
    run(["cargo", "build", "--release", "--quiet", "--package", "countersign-testkit", "--bin", "database"], cwd=ROOT)
    server = subprocess.Popen([TARGET / "release/database"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield server.stdout.readline().strip()
    finally:
        server.stdin.close()
        server.wait()


def ledger():
    """Rows about the audit of a ledger with a million entries: the whole command, in turn with a plain loop that reads the
    same rows and hashes the same octets, and checks nothing."""
    run(["cargo", "build", "--release", "--quiet", "--package", "countersign-authority", "--example", "ledger"], cwd=ROOT)
    own = str(TARGET / "release/examples/ledger")
    rows = []
    with database() as url:
        for what, server in (("of a million entries, whole process", []), ("of a million on PostgreSQL", ["--ledger", url])):
            folder = TARGET / "ledger"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            for name in ("issuer", "ledger-signer"):
                (folder / name).write_text(f"a passphrase of the {name}\n")
            authority = [str(TARGET / "release/countersign-authority"), "--home", str(folder / "authority")]
            script = 'exec "$@" 3<issuer 4<ledger-signer'
            for command in (["init", "--organization", "Bench", "--ledger-passphrase-fd", "4", *server],
                            ["issue", "--customer", "acme", "--customer-name", "Acme", "--product", "control-room",
                             "--activate-within", "30d", "--out", "token.pem"]):
                run(["sh", "-c", script, "sh", *authority, "--passphrase-fd", "3", *command], cwd=folder)
            place = url if server else str(folder / "authority/ledger.sqlite")
            run([own, "grow", place, "1000000"])
            checked, raw = wall([[*authority, "ledger", "verify"], [own, "raw", place]], rounds=7)
            shutil.rmtree(folder)
            rows.append((f"`ledger verify` {what}", f"{checked:.0f} ms", f"reading and hashing alone, {raw:.0f} ms",
                         f"{checked / raw:.2f} times", "at most 2 times"))
    return rows


def meshes():
    """Rows about paths through meshes and ladders of CAs, found and refused, all of them in one process but certval's,
    which has no budget and gets ten seconds."""
    own = str(TARGET / "release/alternatives")
    lines = subprocess.run([own, "paths"], check=True, capture_output=True, text=True).stdout.splitlines()
    scenes = {}
    for line in map(json.loads, lines):
        scenes.setdefault(line["scene"], []).append(line)
    rows = []
    for scene, cases in scenes.items():
        found = cases[0]
        rows.append((f"a path found, {scene} CAs" if "mesh" in scene else f"a path found, {scene} levels",
                     f"{found['own']:.1f} ms", f"OpenSSL, {found['OpenSSL']:.0f} ms",
                     f"{found['own'] / found['OpenSSL']:.3f} times", "at most 50 ms"))
        if found["webpki is right"]:
            rows.append(("", "", f"webpki, {found['webpki']:.1f} ms", f"{found['own'] / found['webpki']:.3f} times", ""))
        else:
            rows.append(("", "", "webpki finds none", "", ""))
        shape, size = scene.split(" of ")
        try:
            done = subprocess.run([own, "certval-path", shape, size], check=True, capture_output=True, text=True, timeout=10)
            theirs = float(done.stdout)
            rows.append(("", "", f"certval, {theirs:.0f} ms", f"{found['own'] / theirs:.4f} times", ""))
        except subprocess.TimeoutExpired:
            rows.append(("", "", "certval, not done after 10 s", "", ""))
        worst = {name: max(cases[1:], key=lambda case: case[name]) for name in ("own", "OpenSSL")}
        mine, theirs = worst["own"]["own"], worst["OpenSSL"]["OpenSSL"]
        rows.append(("the same refused, the slowest of five defects", f"{mine:.1f} ms", f"OpenSSL, {theirs:.0f} ms",
                     f"{mine / theirs:.3f} times", "at most 50 ms"))
    return rows


def seconds(command, **options):
    """How long a process takes."""
    start = time.perf_counter()
    run(command, **options)
    return time.perf_counter() - start


def most_memory(command, **options):
    """The most memory of a process, in KiB, as the kernel has it while it runs: what it says afterwards of a child counts
    this interpreter as well."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    status, most = pathlib.Path(f"/proc/{child.pid}/status"), 0
    while child.poll() is None:
        time.sleep(0.005)
        found = re.search(r"VmHWM:\s+(\d+)", status.read_text())
        most = int(found.group(1)) if found else most
    if child.returncode:
        sys.exit(f"{command}: exit code {child.returncode}")
    return most


def fleets():
    """Rows about batches of tokens, beside a loop that only signs and verifies on as many cores, in turn."""
    bare = str(TARGET / "release/examples/signing")
    rows = []
    for kind, few, rounds in (("p256", 20_000, 5), ("rsa-3072", 4_000, 3)):
        folder = FLEETS / kind
        folder.mkdir(parents=True)
        (folder / "passphrase").write_text("correct horse battery staple\n")
        (folder / "ledger").write_text("another one for the ledger\n")
        (folder / "fleet.toml").write_text('[product]\nid = "control-room"\n[window]\nwithin = "30d"\n')

        def authority(words):
            program = TARGET / "release/countersign-authority"
            secrets = "--passphrase-fd 3 --ledger-passphrase-fd 4"
            return ["sh", "-c", f"exec '{program}' {secrets} {words} 3<passphrase 4<ledger"]

        def batch(count, name, home="authority"):
            with open(folder / f"{count}.csv", "w", encoding="ascii") as file:
                file.write("reference,customer,customer_name,seats,entitlement.points\n")
                for row in range(count):
                    file.write(f"press {row},customer-{row % 500},Customer {row % 500},3,{row}\n")
            return authority(f"--home {home} issue --profile fleet.toml --batch {count}.csv --out {name}")

        def loop(count):
            return float(subprocess.run([bare, kind, str(count)], check=True, capture_output=True, text=True).stdout)

        run(authority(f"init --organization Bench --algorithm p256 --signer-algorithm {kind}"), cwd=folder)
        pairs = [(seconds(batch(few, f"round-{round_}"), cwd=folder), loop(few)) for round_ in range(rounds)]
        ratio = statistics.median(theirs / ours for ours, theirs in pairs)
        ours, theirs = (statistics.median(times) for times in zip(*pairs))
        rows.append((f"a batch of {few:,} tokens, {kind}", f"{few / ours:.0f} tokens a second",
                     f"sign and verify in a bare loop, {few / theirs:.0f}", f"{ratio:.3f} of its rate", "at least 0.9"))
        if kind == "p256":
            many = 100_000
            small = most_memory(batch(1_000, "small"), cwd=folder)
            start = time.perf_counter()
            large = most_memory(batch(many, "large"), cwd=folder)
            ours, theirs = time.perf_counter() - start, loop(many)
            rows.append((f"a batch of {many:,} tokens, {kind}", f"{ours:.1f} s", f"the same, {theirs:.1f} s",
                         f"{theirs / ours:.3f} of its rate", "at least 0.9"))
            rows.append(("its most memory", f"{large / 1024:.1f} MiB",
                         f"for 1,000 tokens, {small / 1024:.1f} MiB", f"{large / small:.2f} times", "the same"))
            with database() as url:
                run(authority(f"--home server init --organization Bench --algorithm p256 --ledger '{url}'"), cwd=folder)
                pairs = [(seconds(batch(few, f"server-{round_}", "server"), cwd=folder), loop(few)) for round_ in range(3)]
            ratio = statistics.median(theirs / ours for ours, theirs in pairs)
            ours, theirs = (statistics.median(times) for times in zip(*pairs))
            rows.append((f"a batch of {few:,} tokens, {kind}, on PostgreSQL", f"{few / ours:.0f} tokens a second",
                         f"sign and verify in a bare loop, {few / theirs:.0f}", f"{ratio:.3f} of its rate", "none: the server has the same cores"))
            # Without the rounds of the passphrase, which are there to cost time.
            key, secret = folder / "authority/keys/token-signer.key.pem", "pass:correct horse battery staple"
            run(["openssl", "pkcs8", "-topk8", "-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA256", "-iter", "1", "-in", key,
                 "-passin", secret, "-passout", secret, "-out", folder / "cheap"])
            (folder / "cheap").rename(key)
            terms = "issue --profile fleet.toml --customer customer-1 --out"
            single = [(seconds(authority(f"{terms} single-{round_}.pem"), cwd=folder),
                       seconds(["sh", "-c", f"exec '{bare}' {kind} 1 fsync ."], cwd=folder)) for round_ in range(60)]
            ours, theirs = (statistics.median(times) * 1000 for times in zip(*single))
            rows.append((f"one durable token, {kind}, whole process", f"{ours:.1f} ms",
                         f"the same with sign, verify and one fsync, {theirs:.1f} ms", f"{ours / theirs:.2f} times",
                         "none: it starts, opens the key and verifies three signatures"))
        # The first order waits for the key, so the time runs from its answer on.
        orders = few // 10
        with open(folder / "orders.jsonl", "w", encoding="ascii") as file:
            for row in range(orders + 1):
                order = {"customer": f"customer-{row % 500}", "customer_name": f"Customer {row % 500}", "seats": 3}
                file.write(json.dumps(order | {"reference": f"press {row}"}) + "\n")

        def stream():
            with open(folder / "orders.jsonl", "rb") as file, subprocess.Popen(
                    authority("issue --profile fleet.toml --stream"), cwd=folder, stdin=file, stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL) as process:
                process.stdout.readline()
                start = time.perf_counter()
                answers = sum(b'"pem"' in line for line in process.stdout)
                taken = time.perf_counter() - start
            if (process.returncode, answers) != (0, orders):
                sys.exit(f"{answers} of {orders} orders were issued")
            return taken

        def durable():
            loop = [bare, kind, str(orders), "fsync", "."]
            return float(subprocess.run(loop, cwd=folder, check=True, capture_output=True, text=True).stdout)

        pairs = [(stream(), durable()) for _ in range(7)]
        ratio = statistics.median(ours / theirs for ours, theirs in pairs)
        ours, theirs = (statistics.median(times) / orders * 1000 for times in zip(*pairs))
        rows.append((f"one durable token after the other, {kind}", f"{ours:.2f} ms each",
                     f"sign, verify and one fsync, {theirs:.2f} ms", f"{ratio:.2f} times", "at most 1.25 times"))
    return rows


def main():
    if not (DEMO / "record.pem").exists():
        sys.exit("run `make demo` first: its record is what is measured")
    shutil.rmtree(FLEETS, ignore_errors=True)
    bench = ["cargo", "bench", "--quiet", "--bench"]
    # The other provider first: a benchmark builds the programs as well, and those measured below have the usual one.
    for feature in (["--features", "aws-lc-rs"], []):
        subprocess.run([*bench, "signatures", *feature], cwd=ROOT, check=True)
    subprocess.run([*bench, "rules"], cwd=ROOT, check=True)
    run(["cargo", "build", "--release", "--quiet"], cwd=ROOT)
    run(["cargo", "build", "--release", "--quiet", "--example", "verifications", "--example", "signing"], cwd=ROOT)

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

    rows += million()
    rows += ledger()
    rows += meshes()
    rows += fleets()

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
