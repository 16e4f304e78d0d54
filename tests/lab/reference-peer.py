#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A member of a unicast layer over raw Ethernet that is not o7s, to test against.

    reference-peer.py run SOCKET [--interface=eth0...] [--name=NAME...] [--bootstrap=LAYER] [--address=N]
    reference-peer.py tell SOCKET COMMAND [ARGUMENT...]

It behaves as the prototype does, with its weaknesses: it ignores all extensions, reuses endpoint ids, ends flows
without a word, asks only alpha contacts of the directory and follows up on little, begins sequence numbers at 0
whenever a neighbour (re)appears, takes the adjacency away when any data flow of it ends, lets a TTL of 0 wrap. Where
the prototype would break, run out of its buffers or stop understanding us, it notes a harm; "tell SOCKET harms" fails
if there is one.

Left out: what happens only after many minutes (re-publication, refresh), queues, and all but raw flows.

Commands: enroll NAME, connect NAME, register NAME (and serve it: an echo), lookup NAME, ping NAME, status, harms. Each
prints something and exits with 0 if it did what it should.
"""

import argparse
import json
import os
import random
import socket
import sys
import threading
import time

import reference_crypt as crypt
import reference_wire as wire
from reference_layer import Failed, Port
from reference_unicast import Allocator, Directory, Routing

COMPONENTS = {
    b"Data Transfer": {"comp_name": b"Data Transfer", "protocol": b"dtp", "pref_version": 1, "pref_syntax": 2},
    b"Management": {"comp_name": b"Management", "protocol": b"LSP", "pref_version": 1, "pref_syntax": 0},
    b"Enrollment": {"comp_name": b"Enrollment", "protocol": b"OEP", "pref_version": 1, "pref_syntax": 0},
}
NOTHING = {"comp_name": b"", "protocol": b"", "pref_version": 0, "pref_syntax": 0, "address": 0}
CEP_BYTES_MAX = 128
ENROLLMENT_BYTES_MAX = 1024
UNICAST_LAYER = 1


def initial_config(layer, seconds):
    recalculate, update, timeout = seconds
    routing = {"pol": 0, "ls": {"pol": 0, "t_recalc": recalculate, "t_update": update, "t_timeo": timeout}}
    dht = {"alpha": 3, "k": 8, "t_expire": 86400, "t_refresh": 900, "t_replicate": 900, "peer": 0}
    unicast = {"dt": {"addr_size": 4, "eid_size": 8, "max_ttl": 60, "routing": routing},
               "dir": {"pol": 0, "dht": dht}, "addr_auth_type": 0, "cong_avoid": 1}
    return {"layer_info": {"name": layer.encode(), "dir_hash_algo": 1}, "ipcp_type": UNICAST_LAYER, "unicast": unicast}


class Member:
    """What the components share: the lock, the layers below, the configuration, the harms."""

    def __init__(self, options):
        self.lock = threading.RLock()
        self.condition = threading.Condition(self.lock)
        self.harms = []
        self.security = crypt.Config()          # no enc.conf, no certificate
        self.names = {wire.name_hash(name): name for name in options.name}
        self.address = options.address or random.randrange(1, 1 << 32)
        self.config = None
        self.n_enrolled = 0                     # through us
        self.routing = Routing(self)
        self.allocator = Allocator(self)
        self.directory = Directory(self)
        self.ports = [Port(self, interface) for interface in options.interface or ["eth0"]]
        if options.bootstrap:
            self.config = initial_config(options.bootstrap, (options.recalculate, options.update, options.timeout))
        threading.Thread(target=self._keep_time, daemon=True).start()

    def harm(self, text):
        """The prototype would suffer from this."""
        if len(self.harms) < 100:
            self.harms.append(text)

    def _keep_time(self):
        while True:
            time.sleep(0.1)
            with self.lock:
                now = time.monotonic()
                for port in self.ports:
                    port.expire(now)
                if self.config:
                    self.routing.expire(now)
                    self.allocator.expire(now)
                    self.directory.expire(now)

    # -- what arrives on flows of the layers below --

    def on_message(self, flow, data):
        if flow.stage == "asking":
            flow.inbox.append(data)
        elif flow.stage == "greeting":
            self._on_greeting(flow, data)
        elif flow.stage == "Enrollment":
            self._on_enrollment(flow, data)
        elif flow.stage == "Management":
            self.routing.on_message(flow, data)
        else:
            self.routing.on_packet(flow, data)

    def on_gone(self, flow):
        self.routing.on_gone(flow)

    def record(self, component):
        address = 0 if component == b"Enrollment" else self.address
        return wire.pack(wire.CEP, dict(COMPONENTS[component], address=address))

    @staticmethod
    def _parse_greeting(data):
        if len(data) > CEP_BYTES_MAX:
            raise wire.Malformed(f"a greeting of {len(data)} bytes")
        return wire.parse(wire.CEP, data)

    def _on_greeting(self, flow, data):
        component = self._parse_greeting(data)["comp_name"]
        if component not in COMPONENTS or self.config is None:
            flow.send(wire.pack(wire.CEP, NOTHING))
            flow.port.forget(flow)
            return
        flow.send(self.record(component))
        self._open(flow, component, wire.parse(wire.CEP, data)["address"])

    def _open(self, flow, component, address):
        flow.stage = component.decode()
        flow.address = address
        if component == b"Management":
            self.routing.add_management(flow)
        elif component == b"Data Transfer":
            self.routing.add_neighbour(flow)

    def _greet(self, port, name, component):
        flow = port.allocate(name)
        flow.send(self.record(component))
        peer = self._parse_greeting(port.read(flow))
        if any(peer[key] != COMPONENTS[component][key] for key in ("protocol", "pref_version", "pref_syntax")):
            port.forget(flow)
            raise Failed(f"{peer} is not {component.decode()}")
        return flow, peer["address"]

    # -- enrollment --

    def _on_enrollment(self, flow, data):
        if len(data) > ENROLLMENT_BYTES_MAX:
            raise wire.Malformed(f"an enrollment message of {len(data)} bytes")
        if not flow.inbox:
            flow.inbox.append(wire.parse(wire.ENROLL_REQUEST, data)["id"])
            self.config["unicast"]["dir"]["dht"]["peer"] = self.address
            seconds, nanoseconds = divmod(time.time_ns(), 10 ** 9)
            flow.send(wire.pack(wire.ENROLL_RESPONSE, {"id": flow.inbox[0], "t_sec": seconds, "t_nsec": nanoseconds,
                                                       "response": 0, "conf": self.config}))
            return
        ack = wire.parse(wire.ENROLL_ACK, data)
        if ack["id"] != flow.inbox[0] or ack["result"] != 0:
            raise wire.Malformed(f"an acknowledgement of something else: {ack}")
        self.n_enrolled += 1
        flow.port.forget(flow)

    def _enroll_over(self, port, name):
        flow, _ = self._greet(port, name, b"Enrollment")
        own_id = os.urandom(8)
        flow.send(wire.pack(wire.ENROLL_REQUEST, {"id": own_id}))
        answer = port.read(flow)
        if len(answer) > ENROLLMENT_BYTES_MAX:
            raise wire.Malformed(f"an enrollment message of {len(answer)} bytes")
        response = wire.parse(wire.ENROLL_RESPONSE, answer)
        conf = response.get("conf")
        if response["id"] != own_id or response["response"] < 0 or not conf or conf["ipcp_type"] != UNICAST_LAYER:
            raise Failed(f"refused: {response}")
        transfer, directory = conf["unicast"]["dt"], conf["unicast"]["dir"]
        if transfer["addr_size"] != 4 or transfer["eid_size"] != 8 or "ls" not in transfer["routing"] or \
                "dht" not in directory or conf["unicast"]["addr_auth_type"] != 0 or directory["dht"]["peer"] == 0:
            raise wire.Malformed(f"a configuration that we cannot start with: {conf}")
        self.config = conf
        flow.send(wire.pack(wire.ENROLL_ACK, {"id": own_id, "result": 0}))
        port.forget(flow)

    # -- commands --

    def _over_any(self, action, name):
        problems = []
        for port in self.ports:
            try:
                return action(port, name)
            except Failed as error:
                problems.append(str(error))
        raise Failed("; ".join(problems))

    def enroll(self, name):
        self._over_any(self._enroll_over, name)
        return json.dumps(self.config, default=lambda value: value.decode())

    def _connect_over(self, port, name):
        for component in (b"Management", b"Data Transfer"):
            flow, address = self._greet(port, name, component)
            self._open(flow, component, address)
            for early in flow.inbox:
                self.on_message(flow, early)
        return str(address)

    def connect(self, name):
        return self._over_any(self._connect_over, name)

    def register(self, name):
        self.allocator.served[wire.name_hash(name)] = name
        return f"stored at {self.directory.publish(wire.name_hash(name))} members"

    def lookup(self, name):
        return str(self.directory.find(wire.name_hash(name)))

    def ping(self, name):
        """Three messages over a new flow. It is not said to anybody that we let go of it."""
        end = self.allocator.allocate(self.directory.find(wire.name_hash(name)), wire.name_hash(name))
        for sequence in range(3):
            sent = os.urandom(16) + bytes([sequence]) * 48
            end.send(sent)
            if not self.condition.wait_for(lambda: end.inbox, 5) or end.inbox.popleft() != sent:
                raise Failed(f"no echo of message {sequence}")
        self.allocator.forget(end)
        return "3 received"

    def status(self):
        return json.dumps(dict(self.routing.status(), address=self.address, enrolled=self.n_enrolled,
                               contacts=sorted(self.directory.contacts), flows=len(self.allocator.ends),
                               requests=self.allocator.n_requests, harms=self.harms))

    def check_harms(self):
        if self.harms:
            raise Failed("\n".join(self.harms))
        return "unharmed"

    def obey(self, words):
        commands = {"enroll": self.enroll, "connect": self.connect, "register": self.register, "lookup": self.lookup,
                    "ping": self.ping, "status": self.status, "harms": self.check_harms}
        with self.lock:
            return commands[words[0]](*words[1:])


def serve(member, path):
    if os.path.exists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen()
    while True:
        connection, _ = listener.accept()
        with connection, connection.makefile("rw") as stream:
            try:
                stream.write("0 " + member.obey(json.loads(stream.readline())))
            except (Failed, wire.Malformed) as error:
                stream.write(f"1 {error}")


def tell(path, words):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(path)
        with connection.makefile("rw") as stream:
            stream.write(json.dumps(words) + "\n")
            stream.flush()
            status, _, text = stream.read().partition(" ")
    print(text)
    return int(status)


def main():
    parser = argparse.ArgumentParser()
    actions = parser.add_subparsers(dest="action", required=True)
    run = actions.add_parser("run")
    run.add_argument("socket")
    run.add_argument("--interface", action="append")
    run.add_argument("--name", action="append", default=[])
    run.add_argument("--bootstrap", metavar="LAYER")
    run.add_argument("--address", type=int)
    for name, seconds in (("--recalculate", 4), ("--update", 15), ("--timeout", 60)):
        run.add_argument(name, type=int, default=seconds)
    ask = actions.add_parser("tell")
    ask.add_argument("socket")
    ask.add_argument("words", nargs="+")
    options = parser.parse_args()
    if options.action == "tell":
        sys.exit(tell(options.socket, options.words))
    serve(Member(options), options.socket)


main()
