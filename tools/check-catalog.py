#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later

"""
Checks that every kind of journal entry is explained, and nothing else. Usage: check-catalog.py SOURCE_ROOT

The table is services/common/message-id.h. Each id there is used, stands nowhere else in the sources, and has an entry
in units/o7s.catalog with a subject, manuals that exist, what happened, and what to do. Each entry belongs to an id.
Fields that an entry asks for have to be logged: the journal takes letters and "_" only. Prints what is wrong, and ends
with 1 if anything is.
"""

import os
import re
import sys

TABLE = 'services/common/message-id.h'
CATALOG = 'units/o7s.catalog'
LINE_CHARS_MAX = 80


class Checker:
    def __init__(self, root):
        self.root = root
        self.n_wrong = 0

    def wrong(self, where, what):
        print(f'{where}: {what}')
        self.n_wrong += 1

    def read(self, path):
        with open(os.path.join(self.root, path), encoding='utf-8') as file:
            return file.read()

    def sources(self):
        for folder in ('basic', 'libo7s', 'services'):
            for directory, _, names in os.walk(os.path.join(self.root, folder)):
                for name in names:
                    if name.endswith(('.c', '.h')):
                        yield os.path.relpath(os.path.join(directory, name), self.root)

    def check_table(self):
        """Returns {id: name of its macro}."""
        ids = {}
        for name, value in re.findall(r'^#define (\w+) (.*)$', self.read(TABLE), re.MULTILINE):
            match = re.fullmatch(r'"MESSAGE_ID=([0-9a-f]{32})"', value)
            if not match or not name.startswith('MESSAGE_'):
                self.wrong(TABLE, f'{name} is not a MESSAGE_ID of 32 digits')
            elif match[1] in ids:
                self.wrong(TABLE, f'{name} has the id of {ids[match[1]]}')
            else:
                ids[match[1]] = name
        return ids

    def check_sources(self, ids):
        """Returns the fields that are logged."""
        text = {path: self.read(path) for path in self.sources()}
        used = '\n'.join(text[path] for path in text if path != TABLE)
        for name in ids.values():
            if not re.search(rf'\b{name}\b', used):
                self.wrong(TABLE, f'{name} is logged by nobody')
        for path in text:
            if path != TABLE and 'MESSAGE_ID=' in text[path]:
                self.wrong(path, f'an id of its own: it belongs into {TABLE}')
        return set(re.findall(r'#define LOG_FIELD_\w+ "(\w+)"', text['basic/log.h']))

    def check_entry(self, where, entry, fields):
        head, _, body = entry.partition('\n\n')
        values = dict(re.findall(r'^([A-Z][A-Za-z-]+): (.*)$', head, re.MULTILINE))
        paragraphs = [part for part in body.strip().split('\n\n') if part.strip()]

        for key in ('Subject', 'Defined-By', 'Documentation'):
            if not values.get(key):
                self.wrong(where, f'has no {key}:')
        for page, section in re.findall(r'man:([\w.-]+)\((\d)\)', values.get('Documentation', '')):
            if page.startswith('o7s') and not os.path.exists(os.path.join(self.root, 'man', f'{page}.{section}')):
                self.wrong(where, f'there is no manual {page}({section})')
        if len(paragraphs) < 2:
            self.wrong(where, 'says what happened or what to do, and not both')
        for field in re.findall(r'@([^@\s]+)@', entry):
            if field not in fields:
                self.wrong(where, f'nobody logs a field {field}')
        for line in entry.splitlines():
            if len(line) > LINE_CHARS_MAX and not line.startswith(('Subject:', 'Documentation:')):
                self.wrong(where, f'a line of {len(line)} characters: terminals have {LINE_CHARS_MAX}')

    def check_catalog(self, ids, fields):
        entries = re.split(r'^-- ', self.read(CATALOG), flags=re.MULTILINE)[1:]
        explained = []
        for entry in entries:
            match = re.match(r'([0-9a-f]{32})\n', entry)
            if not match or match[1] not in ids:
                self.wrong(CATALOG, f'"-- {entry.splitlines()[0]}" is no id of {TABLE}')
                continue
            explained.append(match[1])
            self.check_entry(f'{CATALOG}, {ids[match[1]]}', entry[len(match[0]):], fields)

        for message_id, name in ids.items():
            if explained.count(message_id) != 1:
                self.wrong(CATALOG, f'{name} has {explained.count(message_id)} entries')


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)

    checker = Checker(sys.argv[1])
    ids = checker.check_table()
    if not ids:
        checker.wrong(TABLE, 'there are no ids in it')
    checker.check_catalog(ids, checker.check_sources(ids))
    sys.exit(1 if checker.n_wrong else 0)


if __name__ == '__main__':
    main()
