#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""compare-snapshots.py IRM DIRECTORY [--write] - whether dbus/ shows what o7s-irm offers.

Asks the daemon for the introspection data of one object of each kind and compares the text of its interface with
DIRECTORY/INTERFACE.xml. With --write the files are made instead, after a change that is meant.
"""

import pathlib
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

OBJECTS = {
    "org.o7s.irm1.Manager": "/org/o7s/irm1",
    "org.o7s.irm1.Layer": "/org/o7s/irm1/layer/lan",
    "org.o7s.irm1.Name": "/org/o7s/irm1/name/web_2eexample",
    "org.o7s.irm1.Operation": "/org/o7s/irm1/operation/_31",
}

HEADER = """<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
"https://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
<!-- SPDX-License-Identifier: LGPL-2.1-or-later -->
<node>
 """


def offered(irm, interface, path):
    text = subprocess.run([irm, "--bus-introspect=" + path], check=True, capture_output=True, text=True).stdout
    for element in ElementTree.fromstring(text).iter("interface"):
        if element.get("name") == interface:
            return HEADER + ElementTree.tostring(element, encoding="unicode").strip() + "\n</node>\n"
    sys.exit(f"{path} has no interface {interface}")


def main():
    irm, directory = sys.argv[1], pathlib.Path(sys.argv[2])
    different = False
    for interface, path in OBJECTS.items():
        text = offered(irm, interface, path)
        snapshot = directory / (interface + ".xml")
        if sys.argv[3:] == ["--write"]:
            snapshot.write_text(text)
        elif not snapshot.exists() or snapshot.read_text() != text:
            print(f"{snapshot} is not what o7s-irm offers; if that is meant: {' '.join(sys.argv)} --write")
            different = True
    sys.exit(different)


main()
