#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Manual pages of section 3 out of the comments of <o7s.h>, so that there is one text for both.

Usage: man-from-header.py HEADER VERSION DIRECTORY EXAMPLE...      writes the pages
       man-from-header.py HEADER --list                            names them, one per line

The header's opening comment and its values become o7s(3). A comment and the declarations right below it become the
page of the first of these; the others, and declarations without a comment of their own, are links to it. Each page
ends with an example, a whole program: the first of the given ones that makes the page's first call. A call without an
example is an error.
"""

import os
import re
import sys

DECLARATION = re.compile(r'^[a-z][\w\s*]*?\b(o7s_\w+)\(.*\);$', re.M)


class Page:
    def __init__(self, text):
        self.text = text
        self.declarations = []
        self.names = []


def comment_text(comment):
    """Without the stars; the shape of the lines stays."""
    lines = comment.strip()[2:-2].split('\n')
    return '\n'.join(re.sub(r'^ \* ?', '', line).rstrip() for line in lines).strip()


def blocks(source):
    """What blank lines separate, each as (comment or None, code). A comment keeps its own blank lines."""
    for match in re.finditer(r'(/\*.*?\*/\n)?((?:[^\n]+\n)*)', source, flags=re.S):
        comment, code = match.group(1), match.group(2)
        if comment or code:
            yield comment and comment_text(comment), code or ''


def parse(header):
    with open(header, encoding='utf-8') as file:
        source = file.read()

    opening = comment_text(re.search(r'\n(/\*\n.*?\*/)', source, flags=re.S).group(1))
    first = source.index('/* -- making flows')
    values = source[source.index('typedef struct o7s_flow'):first].strip()
    pages = []

    for comment, code in blocks(source[first:]):
        if comment and comment.startswith('--'):
            pages.append(None)          # a new group: what follows continues no page
            continue
        declarations = [(m.group(1), m.group(0)) for m in DECLARATION.finditer(code)]
        if not declarations:
            continue
        if comment or not pages or pages[-1] is None:
            pages.append(Page(comment or ''))
        pages[-1].names += [name for name, _ in declarations]
        pages[-1].declarations += [text for _, text in declarations]

    pages = [page for page in pages if page]
    for page, following in zip(pages, pages[1:] + [None]):
        if not page.text and following:                 # the constructor and destructor: told where the type is used
            page.text = 'See ' + following.names[0] + '(3).'
    return opening, values, pages


def escape(text):
    text = text.replace('\\', '\\e').replace('-', '\\-')
    return '\n'.join('\\&' + line if line.startswith(('.', "'")) else line for line in text.split('\n'))


def paragraphs(text):
    """Comment text as roff: blank lines and list items begin paragraphs, "Returns:" a section."""
    body, _, returns = text.partition('Returns:')
    out = ['.SH DESCRIPTION', paragraphs_of(body)]
    if returns:
        out += ['.SH RETURN VALUE', paragraphs_of(returns.strip()[:1].upper() + returns.strip()[1:])]
    return '\n'.join(out)


def paragraphs_of(text):
    out = []
    for paragraph in re.split(r'\n\s*\n', text.strip()):
        for item in re.split(r'\n(?=\s*- )', paragraph):
            if re.match(r'\s*- ', item):
                out += ['.IP \\(bu 3', escape(re.sub(r'\s+', ' ', item.strip()[2:]))]
            else:
                out += ['.PP', escape(re.sub(r'\s+', ' ', item.strip()))]
    if out[:1] == ['.PP']:
        out.pop(0)                      # a section begins with a paragraph anyway
    return '\n'.join(out)


def title(name, version):
    return f'.TH {name.upper()} 3 "" "o7s {version}" "o7s"\n'


def summary(page):
    first = re.split(r'[.:;]\s|, |\s\(', page.text + ' ')[0]
    return re.sub(r'\s+', ' ', first).rstrip('.')


def read_examples(paths):
    """Text of each program, without the line that says its licence."""
    texts = []
    for path in paths:
        with open(path, encoding='utf-8') as file:
            texts.append(re.sub(r'^/\* SPDX[^\n]*\n', '', file.read()))
    return texts


def example_of(name, examples):
    for text in examples:
        if re.search(rf'\b{name}\(', text):
            return '.SH EXAMPLES\n.EX\n' + escape(text.strip()) + '\n.EE\n'
    sys.exit(f'man-from-header: no example calls {name}()')


def call_page(page, version, examples):
    name = page.names[0]
    return (title(name, version) +
            '.SH NAME\n' + ', '.join(page.names) + ' \\- ' + escape(summary(page)) + '\n' +
            '.SH SYNOPSIS\n.nf\n.B #include <o7s.h>\n.PP\n' +
            '\n'.join(f'.B "{escape(text)}"' for text in page.declarations) + '\n.fi\n' +
            paragraphs(page.text) + '\n' + example_of(name, examples) + '.SH SEE ALSO\n.BR o7s (3)\n')


def overview_page(opening, values, pages, version, examples):
    calls = [name for page in pages for name in page.names]
    return (title('o7s', version) + '.SH NAME\no7s \\- flows to names\n' +
            '.SH SYNOPSIS\n.nf\n.B #include <o7s.h>\n.PP\n'
            '.B cc program.c $(pkg\\-config \\-\\-cflags \\-\\-libs libo7s)\n.fi\n' +
            '.SH DESCRIPTION\n' + paragraphs_of(opening) +
            '\n.SH VALUES AND STRUCTURES\n.nf\n' + escape(values) + '\n.fi\n' +
            example_of('o7s_flow_alloc', examples) +
            '.SH SEE ALSO\n' + ',\n'.join(f'.BR {name} (3)' for name in calls) + '\n')


def main():
    opening, values, pages = parse(sys.argv[1])
    if sys.argv[2] == '--list':
        print('\n'.join(['o7s.3'] + [name + '.3' for page in pages for name in page.names]))
        return

    version, directory = sys.argv[2:4]
    examples = read_examples(sys.argv[4:])
    files = {'o7s': overview_page(opening, values, pages, version, examples)}
    for page in pages:
        files[page.names[0]] = call_page(page, version, examples)
        for name in page.names[1:]:
            files[name] = f'.so man3/{page.names[0]}.3\n'

    for name, text in files.items():
        with open(os.path.join(directory, name + '.3'), 'w', encoding='utf-8') as file:
            file.write(text)


if __name__ == '__main__':
    main()
