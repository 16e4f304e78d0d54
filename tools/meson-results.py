#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""meson-results.py BUILD [FIRST] - what the last "meson test" in BUILD found, as TAP lines.
meson-results.py --failed BUILD - the names of the tests that failed, for another run of them.

One line per test with its duration; the end of a failed test's output follows it as comments. FIRST: the log of an
earlier run of all tests, of which the last one repeated those that had failed. A test that failed and then did not is
passed, with a word about it and what it said when it failed.
"""

import json
import pathlib
import sys

OUTPUT_LINES_MAX = 40
GOOD = ("OK", "EXPECTEDFAIL")


def name_of(entry):
    return entry["name"].replace("o7s:", "").replace(" / ", "/")


def output_of(entry):
    output = entry.get("stdout", "") + entry.get("stderr", "")
    for line in output.splitlines()[-OUTPUT_LINES_MAX:]:
        print(f"# {line}")


def report(entry, earlier):
    name = name_of(entry)
    result = entry["result"]
    seconds = entry.get("duration", 0)
    if result in GOOD and earlier is not None:
        print(f"ok - {name} ({seconds:.2f} s, when it was run again by itself; before: {earlier['result'].lower()})")
        output_of(earlier)
    elif result in GOOD:
        print(f"ok - {name} ({seconds:.2f} s)")
    elif result == "SKIP":
        print(f"ok - {name} # SKIP the test said so")
    else:
        print(f"not ok - {name} ({result.lower()} after {seconds:.2f} s)")
        output_of(entry)


def read(path):
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    return {name_of(entry): entry for entry in map(json.loads, lines)}


def last_log(build):
    return pathlib.Path(build) / "meson-logs" / "testlog.json"


def main():
    if sys.argv[1] == "--failed":
        for name, entry in read(last_log(sys.argv[2])).items():
            if entry["result"] not in GOOD + ("SKIP",):
                print(name.rpartition("/")[2])
        return
    last = read(last_log(sys.argv[1]))
    first = read(pathlib.Path(sys.argv[2])) if len(sys.argv) > 2 else {}
    if not last:
        print("not ok - meson test ran nothing")
    for name, entry in {**first, **last}.items():
        report(entry, first.get(name) if name in last else None)


main()
