#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""installed-targets.py BUILD - the ninja targets that "meson install" needs, one a line.

Building only these leaves out the tests: what somebody wants who installs or shows o7s.
"""

import json
import os
import subprocess
import sys

build = os.path.abspath(sys.argv[1])
targets = json.loads(subprocess.check_output(["meson", "introspect", build, "--targets"]))
for target in targets:
    if target.get("installed"):
        for path in target["filename"]:
            print(os.path.relpath(path, build))
