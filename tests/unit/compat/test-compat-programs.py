#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Programs written for Ouroboros compile, link and run as they are.

Usage: test-compat-programs.py IRM-HOST HEADERS O7S-LIBRARY LIBRARY-DEV LIBRARY-IRM PROGRAM.c=ARGUMENT...

Each header alone, in several dialects of C and C++, without a warning of -Wall -Wextra -pedantic. Then the program,
against libraries by the names that their authors know, and server and client of it, joined by IRM-HOST.
"""

import os
import shutil
import subprocess
import sys
import tempfile

HEADERS = ['dev', 'errno', 'fccntl', 'fqueue', 'ipcp', 'irm', 'name', 'qos']
WARNINGS = ['-Wall', '-Wextra', '-pedantic', '-Werror']
DIALECTS = [
    ['cc', '-x', 'c', '-std=gnu11'],
    ['cc', '-x', 'c', '-std=c99', '-D_POSIX_C_SOURCE=200809L'],
    ['cc', '-x', 'c', '-std=c11', '-D_XOPEN_SOURCE=700'],
    ['c++', '-x', 'c++', '-std=c++98'],
    ['c++', '-x', 'c++', '-std=c++17'],
]
EXPECTED = [('ouroboros/errno.h', 'ENOTALLOC', 1000), ('ouroboros/errno.h', 'EAUTH', 1009),
            ('ouroboros/fccntl.h', 'FLOWFRDWR', 2),
            ('ouroboros/fccntl.h', 'FLOWFDEFAULT', 0o20002), ('ouroboros/fccntl.h', 'FLOWFNONBLOCK', 0o3000),
            ('ouroboros/fccntl.h', 'FLOWFINVALID', 3), ('ouroboros/fccntl.h', 'FLOWGTXQLEN', 0o11),
            ('ouroboros/fccntl.h', 'FRCTGFLAGS', 0o2000), ('ouroboros/fccntl.h', 'FRCTFLINGER', 4),
            ('ouroboros/fqueue.h', 'FLOW_PEER', 32), ('ouroboros/fqueue.h', 'FLOW_DEALLOC', 16),
            ('ouroboros/name.h', 'NAME_SIZE', 255), ('ouroboros/name.h', 'BIND_AUTO', 1),
            ('ouroboros/name.h', 'LB_INVALID', 2),
            ('ouroboros/name.h', 'sizeof(struct name_sec_paths)', 1536),
            ('ouroboros/qos.h', 'DEFAULT_PEER_TIMEOUT', 120000),
            ('ouroboros/qos.h', 'sizeof(qosspec_t)', 40)]


def check_headers(include):
    """Yields what compilers complain about."""
    for dialect in DIALECTS:
        if not shutil.which(dialect[0]):
            continue
        command = dialect + ['-I' + include, '-fsyntax-only', '-'] + WARNINGS
        texts = [f'#include <ouroboros/{header}.h>\n' for header in HEADERS]
        texts.append(''.join(texts) * 2)
        for text in texts:
            done = subprocess.run(command, input=text + 'int main(void) { return 0; }\n', capture_output=True,
                                  text=True)
            if done.returncode != 0:
                yield f'{" ".join(dialect)}: {text}{done.stderr}'

    text = ''.join(f'#include <{header}>\n' for header in sorted({row[0] for row in EXPECTED}))
    text += ''.join(f'_Static_assert({what} == {value}, "{what}");\n' for _, what, value in EXPECTED)
    done = subprocess.run(['cc', '-x', 'c', '-I' + include, '-fsyntax-only', '-'], input=text, capture_output=True,
                          text=True)
    if done.returncode != 0:
        yield done.stderr


def link_libraries(directory, o7s, dev, irm):
    """As installed: the libraries by their sonames, and the link names beside them."""
    for library, name in (o7s, None), (dev, 'libouroboros-dev.so'), (irm, 'libouroboros-irm.so'):
        os.symlink(os.path.abspath(library), os.path.join(directory, os.path.basename(library)))
        if name:
            os.symlink(os.path.basename(library), os.path.join(directory, name))


def build(directory, include, source):
    program = os.path.join(directory, os.path.basename(source).removesuffix('.c'))
    subprocess.run(['cc', '-std=gnu11', *WARNINGS, '-I' + include, source, '-o', program, '-L' + directory,
                    '-Wl,-rpath-link,' + directory, '-louroboros-dev', '-louroboros-irm', '-pthread'], check=True)
    return program


def main():
    host, include, o7s, dev, irm, *programs = sys.argv[1:]
    faults = list(check_headers(include))
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        return 1

    with tempfile.TemporaryDirectory() as directory:
        link_libraries(directory, o7s, dev, irm)
        environment = dict(os.environ, LD_LIBRARY_PATH=directory)
        for source, argument in (program.split('=') for program in programs):
            command = [host, build(directory, include, source), argument]
            status = subprocess.run(command, env=environment, timeout=60).returncode
            if status != 0:
                print(f'{source}: {status}', file=sys.stderr)
                return 1

    return 0


if __name__ == '__main__':
    sys.exit(main())
