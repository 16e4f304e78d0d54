#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a program says of itself: check-usage.py PROGRAM MANUAL_PAGE

--help and --version print to standard output and succeed; what makes no sense is refused with status 2 and a hint on
standard error; the manual page has every option that --help has, and no other, and every exit status.
"""

import re
import subprocess
import sys


def run(*arguments):
    return subprocess.run([sys.argv[1], *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          timeout=20)


def long_options(text):
    return set(re.findall(r'(?<![\w-])--([a-z][a-z-]*)', text))


def main():
    name = sys.argv[1].rsplit('/', 1)[-1]
    failures = []

    def expect(condition, what):
        if not condition:
            failures.append(what)

    usage = run('--help')
    expect(usage.returncode == 0 and usage.stdout.startswith(name) and not usage.stderr, '--help')
    expect(run('-h').stdout == usage.stdout, '-h')
    expect(all(len(line) <= 100 for line in usage.stdout.split('\n')), 'lines of --help are short')

    version = run('--version')
    expect(version.returncode == 0 and re.fullmatch(name + r' \d+\.\d+\.\d+\n', version.stdout), '--version')

    for arguments in (['--nonsense'], ['-?'], ['a', 'b']):
        wrong = run(*arguments)
        expect(wrong.returncode == 2 and f"'{name} --help'" in wrong.stderr and not wrong.stdout,
               f'{arguments} is refused')

    with open(sys.argv[2], encoding='utf-8') as file:
        page = re.sub(r'\\f.', '', file.read().replace('\\-', '-'))

    # The options are the lines of --help that begin with one; the page may speak of those of other programs elsewhere.
    options = set()
    for line in usage.stdout.split('\n'):
        if re.match(r'  (-\w| {2}) --', line):
            options |= long_options(line[:line.find('  ', 6)] if line.find('  ', 6) > 0 else line)
    section = page[page.index('.SH OPTIONS'):page.index('.SH EXIT STATUS')]
    documented = set()
    for tag in re.findall(r'^\.TP\n(.*)$', section, flags=re.M):
        documented |= long_options(tag)
    expect(options == documented, f'options of --help and of the page: {sorted(options ^ documented)}')

    statuses = set(re.findall(r'\b(\d+) ', usage.stdout[usage.stdout.index('Exit status:'):].split('\n\n')[0]))
    for status in statuses:
        expect(re.search(rf'(^|\s){status}:', page[page.index('.SH EXIT STATUS'):]),
               f'exit status {status} in the page')

    for what in failures:
        print(f'{name}: not as it should be: {what}', file=sys.stderr)
    sys.exit(len(failures) > 0)


if __name__ == '__main__':
    main()
