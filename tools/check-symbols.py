#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The shared library exports what its header declares, what its version script lists, and nothing else.

Usage: check-symbols.py LIBRARY HEADER VERSION-SCRIPT
"""

import re
import subprocess
import sys

PREFIX = 'o7s_'
ALLOWED_LIBRARIES = {'libc.so.6', 'libprotobuf-c.so.1', 'libgnutls.so.30', 'libnettle.so.8', 'ld-linux-x86-64.so.2'}


def without_comments(path):
    with open(path, encoding='utf-8') as file:
        return re.sub(r'/\*.*?\*/', '', file.read(), flags=re.S)


def declared(header):
    """Names of functions: what stands before the parenthesis of a declaration that starts in the first column."""
    return set(re.findall(rf'^[a-z][\w\s*]*?\b({PREFIX}\w+)\(', without_comments(header), flags=re.M))


def listed(script):
    return set(re.findall(rf'\b({PREFIX}\w+);', without_comments(script)))


def exported(library):
    """Every dynamic symbol that the library defines, whatever its name; the version itself is an absolute one."""
    output = subprocess.run(['nm', '--dynamic', '--defined-only', '--format=posix', library],
                            check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in output.splitlines()]
    return {row[0].split('@')[0] for row in rows if row[1] != 'A'}


def needed(library):
    output = subprocess.run(['readelf', '--dynamic', '--wide', library],
                            check=True, capture_output=True, text=True).stdout
    return set(re.findall(r'\(NEEDED\).*\[(.*)\]', output))


def main():
    library, header, script = sys.argv[1:]
    sets = {'header': declared(header), 'version script': listed(script), 'library': exported(library)}
    faults = []

    if not sets['header']:
        faults.append('no declaration found in the header')
    for here in sets:
        for there in sets:
            faults += [f'{name} is in the {here} and not in the {there}' for name in sorted(sets[here] - sets[there])]
    sanitizers = {name for name in needed(library) if re.match(r'lib(asan|ubsan|tsan|m|pthread)\.so', name)}
    for name in sorted(needed(library) - ALLOWED_LIBRARIES - sanitizers):
        faults.append(f'the library needs {name}')

    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
