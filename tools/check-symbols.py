#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A shared library exports what its headers declare, what its version script lists, and nothing else.

Usage: check-symbols.py [--prefix=PREFIX] [--may-need=LIBRARY]... LIBRARY HEADER... VERSION-SCRIPT

PREFIX is what all its names begin with; without the option that of libo7s.
"""

import argparse
import re
import subprocess
import sys

ALLOWED_LIBRARIES = {'libc.so.6', 'libprotobuf-c.so.1', 'libgnutls.so.30', 'libnettle.so.8', 'libhogweed.so.6',
                     'ld-linux-x86-64.so.2'}


def without_comments(path):
    with open(path, encoding='utf-8') as file:
        return re.sub(r'/\*.*?\*/', '', file.read(), flags=re.S)


def declared(headers, prefix):
    """Names of functions: what stands before the parenthesis of a declaration that starts in the first column."""
    pattern = re.compile(rf'^[a-z][\w\s*]*?\b({prefix}\w+)\(', re.M)
    return {name for header in headers for name in pattern.findall(without_comments(header))}


def listed(script, prefix):
    return set(re.findall(rf'\b({prefix}\w+);', without_comments(script)))


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
    parser = argparse.ArgumentParser()
    parser.add_argument('--prefix', default='o7s_')
    parser.add_argument('--may-need', action='append', default=[])
    parser.add_argument('library')
    parser.add_argument('files', nargs='+')
    arguments = parser.parse_args()

    library, headers, script = arguments.library, arguments.files[:-1], arguments.files[-1]
    sets = {'headers': declared(headers, arguments.prefix), 'version script': listed(script, arguments.prefix),
            'library': exported(library)}
    faults = []

    if not sets['headers']:
        faults.append('no declaration found in the headers')
    for here in sets:
        for there in sets:
            faults += [f'{name} is in the {here} and not in the {there}' for name in sorted(sets[here] - sets[there])]
    sanitizers = {name for name in needed(library) if re.match(r'lib(asan|ubsan|tsan|m|pthread)\.so', name)}
    for name in sorted(needed(library) - ALLOWED_LIBRARIES - set(arguments.may_need) - sanitizers):
        faults.append(f'the library needs {name}')

    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(main())
