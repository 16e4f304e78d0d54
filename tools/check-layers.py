#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later

"""
Checks who includes whom. Usage: check-layers.py SOURCE_ROOT

Three rules, from docs/ARCHITECTURE: a folder includes only the folders below it, each external library has its few
files, and protocol cores do no I/O: they see neither an event loop, nor a clock, nor a source of randomness, also not
through another header. FOLDERS, LIBRARIES and CORES say it; everything else here only reads. Prints "file:line: what,
and why not" and ends with 1 if anything is wrong.
"""

import fnmatch
import os
import re
import sys
from collections import namedtuple

# What a folder may include besides itself: folders (all headers in them) or single headers, from the source root.
Folder = namedtuple('Folder', 'path may why')

BELOW_SERVICES = ['basic', 'libo7s', 'services/common']

FOLDERS = [
    Folder('basic', [], 'basic includes only itself and libc'),
    Folder('libo7s', ['basic'], 'libo7s includes only basic'),
    Folder('services/common', ['basic', 'libo7s'], 'services/common stands on basic and libo7s alone'),
    Folder('services/irm', BELOW_SERVICES, 'no service includes another service'),
    Folder('services/auth', BELOW_SERVICES, 'no service includes another service'),
    Folder('services/keyd', BELOW_SERVICES, 'no service includes another service'),
    Folder('services/guard', BELOW_SERVICES, 'no service includes another service'),
    Folder('services/ipcp', BELOW_SERVICES, 'no service includes another service'),
    Folder('services/ipcp-*', BELOW_SERVICES, 'an IPCP includes neither the IRM nor another IPCP'),
    Folder('o7sctl',
           ['basic', 'libo7s/bus-names.h', 'services/common/layer-file.h', 'services/common/name-file.h',
            'services/common/security-policy.h', 'services/common/enc-conf.h', 'services/common/hash.h'],
           'o7sctl speaks D-Bus: of ours it sees basic, the bus names and the schemas of files'),
    Folder('libo7s-compat', ['libo7s/o7s.h', 'o7s.h', 'libo7s/bus-names.h'],
           'libo7s-compat is a thin library over <o7s.h>; its management part speaks D-Bus'),
    Folder('apps', ['libo7s/o7s.h', 'o7s.h'], 'apps are the examples of the public interface: <o7s.h> only'),
    Folder('tests', ['basic', 'libo7s', 'libo7s-compat', 'services', 'o7sctl', 'apps'], 'tests include what they test'),
]

# Which files may include (or call) what belongs to a library; a pattern matches the path from the source root.
Library = namedtuple('Library', 'name headers calls files why')

MESSAGE_FILES = ['*-message.c', '*-message-*.c', '*-message-internal.h', 'tests/*']
KERNEL_FILES = ['services/ipcp-*/socket*.c', 'services/ipcp-*/link.c', 'tests/*']
MEMORY_FILES = ['libo7s/lane.c', 'libo7s/channel.c', 'libo7s/seal-memory.c', 'basic/log-journal.c',
                'services/irm/state*.c',
                'services/common/state*.c', 'services/ipcp-*/socket*.c', 'tests/*']

LIBRARIES = [
    Library('protobuf-c', ['protobuf-c/*', 'google/protobuf-c/*', '*.pb-c.h'], [], MESSAGE_FILES,
            'messages are packed and parsed in *-message.c alone'),
    Library('json-c', ['json-c/*', 'json.h', 'json_*.h'], [],
            ['services/common/json.c', 'o7sctl/*', 'apps/*', 'tests/*'],
            'JSON is read and written in services/common/json.c, and by programs for people'),
    Library('GnuTLS/nettle', ['gnutls/*', 'nettle/*', 'hogweed/*'], [],
            ['services/common/hash.c', 'services/common/oap-*.c', 'libo7s/seal*.c', 'services/auth/*',
             'services/keyd/*',
             'o7sctl/ca.c', 'o7sctl/ca-internal.h', 'o7sctl/ca-read.c', 'o7sctl/ca-revoke.c', 'tests/*'],
            'cryptography lives in hash.c, oap-*.c and seal*.c'),
    Library('libsystemd', ['systemd/*'], [], ['services/*', 'o7sctl/*', 'libo7s-compat/irm-bus*', 'tests/*'],
            'basic, libo7s, libo7s-compat (but for irm-bus*.c) and apps run without libsystemd'),
    Library('libnftnl/libmnl', ['libnftnl/*', 'libmnl/*'], [], ['services/guard/*'],
            'only the guard talks to nftables'),
    Library('libsmartcols', ['libsmartcols.h', 'libsmartcols/*'], [], ['o7sctl/*'], 'tables are for people: o7sctl'),
    Library('cmocka', ['cmocka.h'], [], ['tests/*'], 'tests only'),
    Library('the kernel', ['linux/magic.h'], [], ['libo7s/lane.c'], 'which file system a memfd is on, lane.c checks'),
    Library('a kernel interface', ['linux/*', 'net/if*.h', 'netpacket/*', 'net/ethernet.h', 'netinet/if_ether.h'], [],
            KERNEL_FILES, 'the kernel\'s network is behind socket*.c and link.c'),
    Library('shared memory', [], ['memfd_create', 'shm_open', 'mmap'], MEMORY_FILES,
            'memory that another process sees is behind lane.c and channel.c'),
]

# Files of a core, those of the folder that are its shell, and headers among them that the core may see for their
# numbers.
Core = namedtuple('Core', 'files shell')

CORES = [
    Core(['libo7s/frct*', 'libo7s/seal*'], []),
    Core(['services/common/' + name + suffix for suffix in ('.c', '.h') for name in
          ('cep', 'cep-message', 'cube', 'early-packets', 'enrollment', 'enrollment-message', 'expiry', 'flow-binding',
           'flow-control', 'flow-upkeep', 'fragment', 'histogram', 'layer-config', 'layer-flow', 'limit', 'liveness',
           'oap-extension', 'oap-header',
           'oap-replay', 'oap-request', 'pcapng', 'reassembly', 'shim-endpoint', 'shim-name')], []),
    Core(['services/ipcp-eth/*'],
         ['main.c', 'service*.[ch]', 'socket*.[ch]', 'link.[ch]', '*-bus.c']),
    Core(['services/ipcp-unicast/*'],
         ['main.c', 'service*.[ch]', 'lower.[ch]', 'carrier.[ch]', 'lower-listener.c', '*-bus.c', 'bus-call.[ch]',
          'statistics.c']),
]

CORE_HEADERS = ['systemd/*', 'time.h', 'sys/time.h', 'sys/timerfd.h', 'sys/random.h', 'sys/epoll.h', 'sys/socket.h',
                'poll.h',
                'basic/random.h', 'services/common/daemon.h', 'services/common/bus*.h', 'libo7s/process.h']
CORE_CALLS = ['time_now', 'time_realtime_nsec', 'clock_gettime', 'gettimeofday', 'random_bytes', 'getrandom',
              'usleep', 'nanosleep']
CORE_WHY = 'protocol cores do no I/O: they are told the time, and given random bytes'

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
SKIPPED = {'.git', 'build', 'subprojects', 'packaging'}


def owner_of(path):
    """The entry of FOLDERS that a file belongs to: the one with the longest path."""
    directory = os.path.dirname(path)
    best = None

    while directory:
        for folder in FOLDERS:
            if fnmatch.fnmatchcase(directory, folder.path):
                best = best or folder
        if best:
            return best, directory
        directory = os.path.dirname(directory)

    return None, None


def is_ours(root, included):
    """Whether an include from the source root names a file of this project, generated ones included."""
    return os.path.exists(os.path.join(root, included)) or '/' in included and \
        os.path.isdir(os.path.join(root, included.split('/', 1)[0]))


def may_include(folder, own_directory, included):
    """Whether a file of this folder may include a header of ours."""
    if os.path.dirname(included) == own_directory or included.startswith(own_directory + '/'):
        return True

    return any(included == allowed or included.startswith(allowed + '/') for allowed in folder.may)


def without_comments(text):
    """The text with comments and string literals blanked; lines keep their numbers, include lines their names."""
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)

    def blank(match):
        token = match.group(0)
        if token.startswith('"'):
            start = text.rfind('\n', 0, match.start()) + 1
            return token if re.match(r'\s*#\s*include', text[start:match.start()]) else '""'
        return re.sub(r'[^\n]', ' ', token)

    return pattern.sub(blank, text)


def check_include(root, path, quote, included):
    """Yields what is wrong with one include line."""
    folder, own_directory = owner_of(path)

    if included.endswith('.c'):
        yield f'includes {included}', 'sources are linked, never included'
        return

    for library in LIBRARIES:
        if any(fnmatch.fnmatchcase(included, header) for header in library.headers):
            if not any(fnmatch.fnmatchcase(path, pattern) for pattern in library.files):
                yield f'includes {included} of {library.name}', library.why
            return

    if quote == '"' or is_ours(root, included):
        if quote == '"' and '/' not in included:
            yield f'includes {included}', 'paths start at the source root'
        elif not may_include(folder, own_directory, included):
            yield f'includes {included}', folder.why


def is_core(path):
    """Whether the file belongs to a protocol core."""
    for core in CORES:
        if any(fnmatch.fnmatchcase(path, pattern) for pattern in core.files):
            return not any(fnmatch.fnmatchcase(os.path.basename(path), pattern) for pattern in core.shell)

    return False


def headers_of(root, path, known={}):
    """What a file includes, directly: a list of (line, name)."""
    if (root, path) not in known:
        try:
            with open(os.path.join(root, path), encoding='utf-8') as stream:
                lines = without_comments(stream.read()).split('\n')
        except OSError:
            lines = []
        known[root, path] = [(number, match.group(2)) for number, match in
                             ((number, INCLUDE.match(line)) for number, line in enumerate(lines, 1)) if match]

    return known[root, path]


def forbidden_behind(root, path, seen):
    """The first header that a core must not see among what path includes, with the way to it; None: there is none."""
    for _, included in headers_of(root, path):
        if any(fnmatch.fnmatchcase(included, pattern) for pattern in CORE_HEADERS):
            return [included]
        if included in seen or not os.path.exists(os.path.join(root, included)):
            continue
        seen.add(included)
        way = forbidden_behind(root, included, seen)
        if way:
            return [included] + way

    return None


def check_core(root, path, lines):
    """Yields (line, what, why) for a file of a protocol core."""
    seen = set()

    for number, included in headers_of(root, path):
        if any(fnmatch.fnmatchcase(included, pattern) for pattern in CORE_HEADERS):
            yield number, f'includes {included}', CORE_WHY
        elif included not in seen and os.path.exists(os.path.join(root, included)):
            seen.add(included)
            way = forbidden_behind(root, included, seen)
            if way:
                yield number, f'includes {" → ".join([included] + way)}', CORE_WHY

    for number, line in enumerate(lines, 1):
        for call in CORE_CALLS:
            if re.search(rf'(?<![\w.>]){call}\s*\(', line):
                yield number, f'calls {call}()', CORE_WHY


def check_file(root, path):
    """Yields (line, what, why) for one source file."""
    with open(os.path.join(root, path), encoding='utf-8') as stream:
        lines = without_comments(stream.read()).split('\n')

    if is_core(path):
        yield from check_core(root, path, lines)

    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if match:
            for what, why in check_include(root, path, match.group(1), match.group(2)):
                yield number, what, why
            continue

        for library in LIBRARIES:
            if any(fnmatch.fnmatchcase(path, pattern) for pattern in library.files):
                continue
            for call in library.calls:
                if re.search(rf'\b{call}\s*\(', line):
                    yield number, f'calls {call}()', library.why


def sources(root):
    """Paths of all C files below the folders of the table, sorted."""
    for directory, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if f not in SKIPPED and not f.startswith('.')
                            and not os.path.exists(os.path.join(directory, f, 'meson-private')))
        for name in sorted(files):
            path = os.path.relpath(os.path.join(directory, name), root)
            if name.endswith(('.c', '.h')) and owner_of(path)[0]:
                yield path


def main(arguments):
    if len(arguments) != 2:
        print(f'usage: {arguments[0]} SOURCE_ROOT', file=sys.stderr)
        return 2

    n_files = n_wrong = 0
    for path in sources(arguments[1]):
        n_files += 1
        for number, what, why in check_file(arguments[1], path):
            print(f'{path}:{number}: {what}: {why}')
            n_wrong += 1

    if n_files == 0:
        print(f'{arguments[1]}: no sources here', file=sys.stderr)
        return 1

    print(f'{n_files} files, {n_wrong} violations')
    return 1 if n_wrong else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv))
