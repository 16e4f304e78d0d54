#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later

"""
tools/check-layers.py against small trees, each with one file that it must accept or refuse.
Usage: test-check-layers.py CHECK_LAYERS
"""

import os
import subprocess
import sys
import tempfile

OURS = ['basic/map.h', 'libo7s/lane.h', 'libo7s/o7s.h', 'libo7s/bus-names.h', 'services/common/daemon.h',
        'services/common/hash.h', 'services/common/layer-file.h', 'services/irm/name.h', 'services/ipcp-eth/frame.h',
        'services/ipcp-udp/peer.h', 'o7sctl/verb.h', 'apps/show.h', 'tests/support/pcap.h']

# What is in those of them that are not empty.
HEADERS = {'services/common/clocked.h': '#include "services/common/daemon.h"\n'}
OURS += HEADERS

# Path of the file, its text, and a word of the complaint; None: there must be none.
CASES = [
    ('basic/a.c', '#include "basic/map.h"\n#include <stdio.h>', None),
    ('basic/a.c', '#include "libo7s/lane.h"', 'basic includes only itself'),
    ('basic/a.h', '#include <systemd/sd-event.h>', 'libsystemd'),
    ('libo7s/a.c', '#include "basic/map.h"', None),
    ('libo7s/a.c', '#include "services/common/daemon.h"', 'libo7s includes only basic'),
    ('libo7s/a.c', '#  include   "services/irm/name.h"', 'libo7s includes only basic'),
    ('libo7s/a.c', '#include <systemd/sd-bus.h>', 'without libsystemd'),
    ('services/common/a.c', '#include "libo7s/lane.h"\n#include <systemd/sd-bus.h>', None),
    ('services/common/a.c', '#include "services/irm/name.h"', 'stands on basic and libo7s'),
    ('services/irm/a.c', '#include "services/common/daemon.h"\n#include "services/irm/name.h"', None),
    ('services/irm/a.c', '#include "services/ipcp-eth/frame.h"', 'no service includes another'),
    ('services/ipcp-eth/a.c', '#include "services/ipcp-eth/frame.h"', None),
    ('services/ipcp-eth/a.c', '#include "services/ipcp-udp/peer.h"', 'another IPCP'),
    ('services/ipcp-eth/a.c', '#include "services/irm/name.h"', 'another IPCP'),
    ('services/ipcp/a.c', '#include "services/ipcp-eth/frame.h"', 'no service includes another'),
    ('o7sctl/a.c', '#include "o7sctl/verb.h"\n#include "basic/map.h"\n#include "libo7s/bus-names.h"', None),
    ('o7sctl/a.c', '#include "services/common/layer-file.h"\n#include "services/common/hash.h"', None),
    ('o7sctl/a.c', '#include "services/common/daemon.h"', 'o7sctl speaks D-Bus'),
    ('o7sctl/a.c', '#include "libo7s/lane.h"', 'o7sctl speaks D-Bus'),
    ('apps/a.c', '#include <o7s.h>\n#include "apps/show.h"', None),
    ('apps/a.c', '#include "libo7s/o7s.h"', None),
    ('apps/a.c', '#include "basic/map.h"', 'apps are the examples'),
    ('apps/a.c', '#include <basic/map.h>', 'apps are the examples'),
    ('tests/unit/a.c', '#include "services/irm/name.h"\n#include "tests/support/pcap.h"\n#include <cmocka.h>', None),
    ('libo7s/a.c', '#include <cmocka.h>', 'tests only'),
    ('libo7s/a.c', '#include "map.h"', 'paths start at the source root'),
    ('libo7s/a.c', '#include "libo7s/lane.c"', 'never included'),
    ('tests/unit/a.c', '#include "libo7s/lane.c"', 'never included'),

    ('services/ipcp-unicast/routing.c', '#include "basic/map.h"\nint f(void) { return spend_time_now(1); }', None),
    ('services/ipcp-unicast/routing.c', 'long f(void) { return time_now(); }', 'calls time_now()'),
    ('services/ipcp-unicast/routing.c', '#include <systemd/sd-event.h>', 'do no I/O'),
    ('services/ipcp-unicast/service.c', '#include <systemd/sd-event.h>\nlong f(void) { return time_now(); }', None),
    ('services/ipcp-unicast/trace-bus.c', '#include <systemd/sd-bus.h>', None),
    ('services/ipcp-eth/flow.c', '#include "services/common/daemon.h"', 'do no I/O'),
    ('services/ipcp-eth/flow.c', '#include "services/common/clocked.h"',
     'services/common/clocked.h → services/common/daemon.h'),
    ('services/ipcp-eth/socket-packet.c', '#include "services/common/clocked.h"', None),
    ('services/common/cep.c', 'int f(void) { return random_bytes(0, 0); }', 'calls random_bytes()'),
    ('services/common/layer.c', 'long f(void) { return time_now(); }', None),
    ('libo7s/frct-sender.c', '#include <time.h>', 'includes time.h'),
    ('libo7s/frct-sender.c', '/* time_now() is not for us */', None),
    ('libo7s/engine.c', 'long f(void) { return time_now(); }', None),

    ('libo7s/irm-message.c', '#include <protobuf-c/protobuf-c.h>\n#include "irm.pb-c.h"', None),
    ('libo7s/irm-client.c', '#include "irm.pb-c.h"', 'protobuf-c'),
    ('services/irm/a.c', '#include <protobuf-c/protobuf-c.h>', '*-message.c'),
    ('services/common/json.c', '#include <json-c/json.h>', None),
    ('services/irm/a.c', '#include <json-c/json.h>', 'JSON'),
    ('services/common/oap-request.c', '#include <gnutls/crypto.h>', None),
    ('libo7s/seal-gcm.c', '#include <nettle/gcm.h>', None),
    ('services/irm/a.c', '#include <gnutls/gnutls.h>', 'cryptography'),
    ('libo7s/flow.c', '#include <nettle/gcm.h>', 'cryptography'),
    ('services/ipcp-eth/socket-packet.c', '#include <linux/if_packet.h>\n#include <net/if.h>', None),
    ('services/ipcp-eth/link.c', '#include <linux/rtnetlink.h>', None),
    ('services/ipcp-eth/frame.h', '#include <linux/if_ether.h>', 'behind socket'),
    ('services/common/a.c', '#include <net/if.h>', 'behind socket'),
    ('libo7s/lane.c', 'int f(void) { return memfd_create("x", 0); }', None),
    ('libo7s/flow.c', 'int f(void) { return memfd_create ("x", 0); }', 'calls memfd_create()'),
    ('services/irm/flow.c', 'void *p = mmap(0, 0, 0, 0, 0, 0);', 'calls mmap()'),
    ('services/irm/state-memfd.c', 'int f(void) { return memfd_create("x", 0); }', None),
    ('services/irm/a.c', '/* mmap(2) and\n * memfd_create() */ // mmap()\nconst char *s = "mmap(";', None),
    ('services/irm/a.c', '/* see\n#include "libo7s/lane.c"\n*/', None),
]


def run(check, path, text):
    """Lays out a tree around one file. Returns the exit status and what was printed."""
    with tempfile.TemporaryDirectory() as root:
        for name in OURS + [path]:
            os.makedirs(os.path.join(root, os.path.dirname(name)), exist_ok=True)
            with open(os.path.join(root, name), 'w', encoding='utf-8') as stream:
                stream.write(text + '\n' if name == path else HEADERS.get(name, ''))
        result = subprocess.run([sys.executable, check, root], capture_output=True, text=True, check=False)
        return result.returncode, result.stdout


def main(arguments):
    n_failed = 0

    for path, text, complaint in CASES:
        status, output = run(arguments[1], path, text)
        if complaint is None:
            good = status == 0
        else:
            lines = [line for line in output.splitlines() if line.startswith(path + ':')]
            good = status == 1 and len(lines) == 1 and complaint in lines[0]
        if not good:
            print(f'{path}: {text!r}: expected {complaint!r}, got {status}:\n{output}')
            n_failed += 1

    with tempfile.TemporaryDirectory() as empty:
        if subprocess.run([sys.executable, arguments[1], empty], capture_output=True, check=False).returncode != 1:
            print('a tree without sources was accepted')
            n_failed += 1

    print(f'{len(CASES) + 1} cases, {n_failed} failed')
    return 1 if n_failed else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv))
