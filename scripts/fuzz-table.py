#!/usr/bin/env python3
"""Prints what the runs of `make fuzz` reached, from their logs.

usage: scripts/fuzz-table.py LOGS [--write]

With --write the table of docs/fuzzing.md is replaced as well.
"""

import pathlib
import re
import sys

MARKS = ("<!-- runs: written by scripts/fuzz-table.py -->\n", "<!-- end of runs -->\n")
HEADER = "| target | minutes | runs | runs/s | edges covered | inputs kept | peak memory | found |\n" + "| --- " * 8 + "|\n"


def row(log: pathlib.Path) -> str:
    """One target's line. A run that found something or was cut short has no final line, so the last one counts."""
    text = log.read_text(errors="replace")

    def last(pattern: str) -> str:
        found = re.findall(pattern, text)
        return found[-1] if found else "-"

    seconds = last(r"Done \d+ runs in (\d+) second")
    minutes = f"{int(seconds) / 60:.1f}" if seconds.isdigit() else "-"
    runs = last(r"stat::number_of_executed_units:\s+(\d+)")
    if runs == "-":
        runs = last(r"(?m)^#(\d+)\t")
    found = last(r"SUMMARY: (?:libFuzzer|AddressSanitizer): ([^\n(]+)")
    cells = [
        log.stem,
        minutes,
        f"{int(runs):,}" if runs.isdigit() else runs,
        last(r"stat::average_exec_per_sec:\s+(\d+)"),
        last(r" cov: (\d+)"),
        last(r" corp: (\d+)"),
        last(r"stat::peak_rss_mb:\s+(\d+)") + " MiB",
        "nothing" if found == "-" else found.strip(),
    ]
    return "| " + " | ".join(cells) + " |\n"


def main() -> None:
    logs = sorted(pathlib.Path(sys.argv[1]).glob("*.log"))
    table = HEADER + "".join(row(log) for log in logs)
    print(table, end="")
    if "--write" in sys.argv[2:]:
        document = pathlib.Path(__file__).parent.parent / "docs/fuzzing.md"
        before, rest = document.read_text().split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        document.write_text(before + MARKS[0] + table + MARKS[1] + after)


if __name__ == "__main__":
    main()
