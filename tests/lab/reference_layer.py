# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Ethernet layer below reference-peer.py: one Port per interface, with flows of 16-bit endpoint ids.

It does what the prototype does, for better or worse: ids are the lowest free ones from 64 up and used again at once,
what was found out about names is never forgotten, and the end of a flow is not told to anybody.
"""

import collections
import fcntl
import socket
import struct
import threading
import time

import reference_crypt as crypt
import reference_wire as wire

EID_FIRST = 64
EID_UNSET = 0xFFFF
QUERY_SECONDS = 2
ALLOCATION_SECONDS = 20
EXCHANGE_SECONDS = 5            # a message of CEP or of an enrollment


class Failed(Exception):
    """What was asked for did not come about; says why."""


class Flow:
    """One end of a flow between members of the unicast layer."""

    def __init__(self, port, eid, timeout):
        self.port = port
        self.eid = eid
        self.peer_eid = EID_UNSET
        self.mac = None
        self.timeout = timeout                  # s without a word until the peer counts as dead; 0: never
        self.request = None                     # crypt.Client, while we ask
        self.response = None                    # to our request
        self.failure = None                     # why that is no good
        self.seal = None                        # crypt.Seal where the flow is encrypted
        self.stage = "greeting"                 # enrolling, Management, Data Transfer; asking: somebody reads the inbox
        self.address = 0                        # of the member at the other end
        self.inbox = collections.deque()
        self.begun = self.sent = self.heard = time.monotonic()

    def send(self, data):
        self.sent = time.monotonic()
        if self.seal and data:
            data = self.seal.protect(data)
        self.port.transmit(self.mac, self.peer_eid, data)

    def is_silent(self, now):
        return self.timeout != 0 and now - self.heard > self.timeout

    def needs_keepalive(self, now):
        return self.timeout != 0 and now - self.sent > self.timeout / 4


class Port:
    """An interface. Its owner has a lock and condition, names, security (crypt.Config), on_message(flow, data),
    on_gone(flow) and harm(text)."""

    def __init__(self, owner, interface):
        self.owner = owner
        self.interface = interface
        self.flows = {}
        self.cache = {}                         # hash → station
        self.server = crypt.Server(owner.security)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(wire.ETHERTYPE))
        self.socket.bind((interface, wire.ETHERTYPE))
        request = struct.pack("256s", interface.encode())
        self.mac = fcntl.ioctl(self.socket, 0x8927, request)[18:24]     # SIOCGIFHWADDR
        threading.Thread(target=self._receive, daemon=True).start()

    def transmit(self, mac, eid, data):
        header = mac + self.mac + struct.pack(">HHH", wire.ETHERTYPE, eid, len(data))
        self.socket.send(header + data)

    def new_flow(self, timeout):
        eid = next(i for i in range(EID_FIRST, 4096) if i not in self.flows)
        self.flows[eid] = Flow(self, eid, timeout)
        return self.flows[eid]

    def forget(self, flow):
        """Nothing is sent: the peer learns by silence."""
        if self.flows.get(flow.eid) is flow:
            del self.flows[flow.eid]

    # -- what is asked of it; with the owner's lock --

    def find(self, key):
        if key not in self.cache:
            self.transmit(wire.BROADCAST, 0, wire.pack_management(wire.NAME_QUERY) + key)
            if not self.owner.condition.wait_for(lambda: key in self.cache, QUERY_SECONDS):
                raise Failed(f"{self.interface}: nobody has this name")
        return self.cache[key]

    def allocate(self, name):
        key = wire.name_hash(name)
        mac = self.find(key)
        flow = self.new_flow(wire.RAW_QOS["timeout"] / 1000)
        flow.stage = "asking"
        flow.request = crypt.Client(self.owner.security, name)
        head = wire.pack_management(wire.FLOW_REQUEST, seid=flow.eid, qos=wire.RAW_QOS)
        self.transmit(mac, 0, head + key + flow.request.request.whole)
        self.owner.condition.wait_for(lambda: flow.response is not None, ALLOCATION_SECONDS)
        if flow.response is None or flow.response["response"] != 0:
            self.forget(flow)
            raise Failed("no answer" if flow.response is None else f"refused: {flow.response['response']}")
        if flow.failure:
            self.forget(flow)
            raise Failed(f"the answer is no good: {flow.failure}")
        return flow

    def read(self, flow):
        """The next message of a flow on which something is exchanged."""
        if not self.owner.condition.wait_for(lambda: flow.inbox, EXCHANGE_SECONDS):
            self.forget(flow)
            raise Failed("no message in time")
        return flow.inbox.popleft()

    def expire(self, now):
        for flow in list(self.flows.values()):
            if flow.is_silent(now) or flow.stage == "greeting" and now - flow.begun > EXCHANGE_SECONDS:
                self.forget(flow)
                self.owner.on_gone(flow)
            elif flow.needs_keepalive(now) and flow.peer_eid != EID_UNSET:
                flow.send(b"")

    # -- what arrives --

    def _receive(self):
        while True:
            frame = self.socket.recv(65536)
            with self.owner.lock:
                try:
                    self._on_frame(frame)
                except wire.Malformed as error:
                    self.owner.harm(f"{self.interface}: {error}")
                self.owner.condition.notify_all()

    def _on_frame(self, frame):
        if len(frame) < 18:
            raise wire.Malformed(f"a frame of {len(frame)} bytes")
        eid, size = struct.unpack_from(">HH", frame, 14)
        data = frame[18:18 + size]
        if len(data) < size:
            raise wire.Malformed("a length beyond the end of the frame")
        if eid == 0:
            self._on_management(frame[6:12], data)
        elif eid in self.flows:
            flow = self.flows[eid]              # whoever sent it
            flow.heard = time.monotonic()
            if data and flow.seal:
                data = flow.seal.open(data)
                if data is None:
                    raise wire.Malformed("a packet that cannot be opened")
            if data:
                self.owner.on_message(flow, data)

    def _on_management(self, mac, data):
        message = wire.parse_management(data)
        key = message["rest"][:wire.HASH_BYTES]
        if message["code"] == wire.FLOW_REPLY:
            self._on_reply(mac, message)
        elif message["code"] > wire.NAME_REPLY:
            raise wire.Malformed(f"management code {message['code']}")
        elif len(key) < wire.HASH_BYTES:
            raise wire.Malformed("a hash is cut off")
        elif message["code"] == wire.NAME_REPLY:
            self.cache.setdefault(key, mac)
        elif key in self.owner.names and message["code"] == wire.NAME_QUERY:
            self.transmit(mac, 0, wire.pack_management(wire.NAME_REPLY) + key)
        elif key in self.owner.names:
            self._on_request(mac, message)

    def _on_request(self, mac, message):
        if message["in_order"] or message["ber"] == 0:
            raise wire.Malformed("a flow that is not raw")
        try:
            answer, seal = self.server.answer(message["rest"][wire.HASH_BYTES:])
        except crypt.Refused as refused:
            self.transmit(mac, 0, wire.pack_management(wire.FLOW_REPLY, deid=message["seid"], response=refused.error))
            raise wire.Malformed(f"a request that is refused: {refused}") from None
        flow = self.new_flow(message["timeout"] / 1000)
        flow.mac, flow.peer_eid, flow.seal = mac, message["seid"], seal
        head = wire.pack_management(wire.FLOW_REPLY, seid=flow.eid, deid=flow.peer_eid)
        self.transmit(mac, 0, head + answer)

    def _on_reply(self, mac, message):
        flow = self.flows.get(message["deid"])
        if flow and flow.stage == "asking" and flow.response is None:
            flow.response, flow.mac, flow.peer_eid = message, mac, message["seid"]
            flow.heard = time.monotonic()
            if message["response"] == 0:
                try:
                    flow.seal = flow.request.finish(message["rest"])
                except crypt.Refused as refused:
                    flow.failure = refused
