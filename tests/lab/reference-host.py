#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host on raw Ethernet that is not o7s, with programs and not layers on it, to test key exchange and encryption
against.

    reference-host.py serve NAME [OPTION...]    echoes what comes, until it is killed
    reference-host.py ping NAME [OPTION...]     three messages there and back

    --interface=eth0   --count=3   --interval=SECONDS   --size=64
    --exchange=X25519 --cipher=aes-256-gcm --kdf=sha256 --digest=sha256      its enc.conf; without --exchange it has none
    --certificate=PEM --key=PEM --anchor=PEM...                             what it shows, and whom it believes

It has the prototype's rules: a flow is encrypted as soon as the client asks for it, a server with an enc.conf refuses
one that does not, an answer without a certificate is good. "ping" prints how the flow is protected, and exits with 1
where something fails.
"""

import argparse
import os
import sys
import threading
import time

import reference_crypt as crypt
import reference_wire as wire
from reference_layer import Failed, Port


class Host:
    """The owner of a Port."""

    def __init__(self, options):
        self.lock = threading.RLock()
        self.condition = threading.Condition(self.lock)
        self.security = crypt.Config(options.exchange, options.cipher, options.kdf,
                                     None if options.digest == "none" else options.digest, options.certificate,
                                     options.key, options.anchor)
        self.names = {wire.name_hash(options.name): options.name} if options.action == "serve" else {}
        self.port = Port(self, options.interface)
        threading.Thread(target=self._keep_time, daemon=True).start()

    def harm(self, text):
        print(f"harm: {text}", flush=True)

    def on_gone(self, flow):
        print(f"flow {flow.eid} is gone", flush=True)

    def on_message(self, flow, data):
        if flow.stage == "asking":
            flow.inbox.append(data)
        else:
            flow.stage = "echoing"
            flow.send(data)

    def _keep_time(self):
        while True:
            time.sleep(0.1)
            with self.lock:
                self.port.expire(time.monotonic())


def ping(host, options):
    with host.lock:
        flow = host.port.allocate(options.name)
        server = flow.request.peer or "nobody that it proves"
        print(f"encrypted with {flow.seal.cipher}, by {server}" if flow.seal else f"plain, by {server}", flush=True)
        lost = 0
        for number in range(options.count):
            sent = os.urandom(options.size - 1) + bytes([number & 0xFF])
            flow.send(sent)
            if not host.condition.wait_for(lambda: flow.inbox, 5) or flow.inbox.popleft() != sent:
                lost += 1
            host.condition.wait(options.interval)
        print(f"{options.count} sent, {options.count - lost} received", flush=True)
        return 1 if lost else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=("serve", "ping"))
    parser.add_argument("name")
    parser.add_argument("--interface", default="eth0")
    parser.add_argument("--count", type=int, default=3)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--interval", type=float, default=0.001)
    parser.add_argument("--exchange", choices=crypt.EXCHANGES)
    parser.add_argument("--cipher", choices=crypt.CIPHERS, default="aes-256-gcm")
    parser.add_argument("--kdf", choices=crypt.DIGESTS, default="sha256")
    parser.add_argument("--digest", choices=[*crypt.DIGESTS, "none"], default="sha256")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--anchor", action="append", default=[])
    options = parser.parse_args()
    host = Host(options)
    if options.action == "serve":
        print("serving", flush=True)
        threading.Event().wait()
    try:
        sys.exit(ping(host, options))
    except Failed as error:
        print(error)
        sys.exit(1)


main()
