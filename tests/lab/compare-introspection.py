#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""compare-introspection.py DOCUMENTED LIVE INTERFACE - whether an object offers what the snapshot shows.

Both files are D-Bus introspection XML. Compared are members, signatures, access and annotations of one
interface, in any order; every difference is a line, and the exit status is 1 if there is one.
"""

import sys
import xml.etree.ElementTree as ElementTree


def members_of(path, interface):
    """Maps "method StartLayer" and the like to a comparable form."""
    root = ElementTree.parse(path).getroot()
    found = {}
    for element in root.iter("interface"):
        if element.get("name") != interface:
            continue
        for member in element:
            if member.tag == "annotation":
                found["annotation " + member.get("name")] = member.get("value")
                continue
            arguments = [(a.get("direction"), a.get("type"), a.get("name")) for a in member.findall("arg")]
            notes = sorted((a.get("name"), a.get("value")) for a in member.findall("annotation"))
            found[f"{member.tag} {member.get('name')}"] = (member.get("type"), member.get("access"), arguments, notes)
    if not found:
        sys.exit(f"{path} has no interface {interface}")
    return found


def main():
    documented_path, live_path, interface = sys.argv[1:]
    documented = members_of(documented_path, interface)
    live = members_of(live_path, interface)
    different = 0
    for member in sorted(documented.keys() | live.keys()):
        if documented.get(member) == live.get(member):
            continue
        different += 1
        print(f"{interface}: {member}")
        print(f"  documented: {documented.get(member, 'not there')}")
        print(f"  live:       {live.get(member, 'not there')}")
    sys.exit(different > 0)


main()
