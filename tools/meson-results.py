#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""meson-results.py BUILD - what the last "meson test" in BUILD found, as TAP lines.

One line per test with its duration; the end of a failed test's output follows it as comments.
"""

import json
import pathlib
import sys

OUTPUT_LINES_MAX = 40


def report(entry):
    name = entry["name"].replace("o7s:", "").replace(" / ", "/")
    result = entry["result"]
    seconds = entry.get("duration", 0)
    if result in ("OK", "EXPECTEDFAIL"):
        print(f"ok - {name} ({seconds:.2f} s)")
        return
    if result == "SKIP":
        print(f"ok - {name} # SKIP the test said so")
        return
    print(f"not ok - {name} ({result.lower()} after {seconds:.2f} s)")
    output = entry.get("stdout", "") + entry.get("stderr", "")
    for line in output.splitlines()[-OUTPUT_LINES_MAX:]:
        print(f"# {line}")


def main():
    log = pathlib.Path(sys.argv[1]) / "meson-logs" / "testlog.json"
    if not log.exists():
        print("not ok - meson test ran nothing")
        return
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        report(json.loads(line))


main()
