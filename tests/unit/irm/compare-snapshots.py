#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""compare-snapshots.py DAEMON DIRECTORY [--write] - whether dbus/ shows what a daemon offers.

Asks the daemon for the introspection data of one object of each kind and compares the text of its interface with
its snapshot in DIRECTORY. With --write the files are made instead, after a change that is meant.
"""

import pathlib
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

# daemon: interface, object, snapshot
OBJECTS = {
    "o7s-irm": [
        ("org.o7s.irm1.Manager", "/org/o7s/irm1", "org.o7s.irm1.Manager.xml"),
        ("org.o7s.irm1.Layer", "/org/o7s/irm1/layer/lan", "org.o7s.irm1.Layer.xml"),
        ("org.o7s.irm1.Name", "/org/o7s/irm1/name/web_2eexample", "org.o7s.irm1.Name.xml"),
        ("org.o7s.irm1.Operation", "/org/o7s/irm1/operation/_31", "org.o7s.irm1.Operation.xml"),
    ],
    "o7s-ipcp-unicast": [
        ("org.o7s.ipcp1.Unicast", "/org/o7s/ipcp1", "org.o7s.ipcp1.Unicast.xml"),
        ("org.o7s.ipcp1.Directory", "/org/o7s/ipcp1", "org.o7s.ipcp1.Directory.xml"),
        # With what an Ethernet, which has no queues of its own, does not show.
        ("org.o7s.ipcp1.Statistics", "/org/o7s/ipcp1", "org.o7s.ipcp1.Statistics-unicast.xml"),
    ],
}

HEADER = """<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
"https://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
<!-- SPDX-License-Identifier: LGPL-2.1-or-later -->
<node>
 """


def offered(daemon, interface, path):
    text = subprocess.run([daemon, "--bus-introspect=" + path], check=True, capture_output=True, text=True).stdout
    for element in ElementTree.fromstring(text).iter("interface"):
        if element.get("name") == interface:
            return HEADER + ElementTree.tostring(element, encoding="unicode").strip() + "\n</node>\n"
    sys.exit(f"{path} has no interface {interface}")


def main():
    daemon, directory = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    different = False
    for interface, path, name in OBJECTS[daemon.name]:
        text = offered(daemon, interface, path)
        snapshot = directory / name
        if sys.argv[3:] == ["--write"]:
            snapshot.write_text(text)
        elif not snapshot.exists() or snapshot.read_text() != text:
            print(f"{snapshot} is not what {daemon.name} offers; if that is meant: {' '.join(sys.argv)} --write")
            different = True
    sys.exit(different)


main()
