#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Somebody on the wire between two hosts of an Ethernet layer, who may read, change, drop, repeat and invent every
frame.

    mallory.py run LEFT RIGHT FILE          LEFT, RIGHT: its interfaces; prints what it did since it was last told, each second

FILE: how, read again at SIGHUP, without a frame being lost. Several of:
    pass            nothing but passing on
    strip           handshakes lose key exchange, certificates, signatures and extension, and hashes are made to fit
    extension       they lose the extension alone
    meet            answers handshakes itself, towards both sides, with keys of its own
    meet=PEM        the same, and shows this certificate (and its key, in the same place with .key)
    flip            every tenth data frame has a bit turned over
    replay          every data frame comes three times, and again a second later
    reflect         every data frame also goes back to where it came from
    inject          data frames of random bytes to every endpoint that was seen
    close           closes of every flow that was seen, with all tokens that were seen on the wire
    record=FILE     all frames from now on, as they came from the hosts
"""

import os
import random
import select
import signal
import socket
import sys
import time

import reference_crypt as crypt
import reference_wire as wire

CLOSE = 0x40
DIX = 18


class Handshakes:
    """What becomes of flow requests and replies."""

    def __init__(self, how):
        self.how = how
        self.requests = {}                      # id: the request as it came, and our Client towards the server
        credentials = {}
        for word in how:
            if word.startswith("meet="):
                path = word.partition("=")[2]
                credentials = {"certificate": path, "key": path.replace(".pem", ".key")}
        self.meets = any(word.startswith("meet") for word in how)
        self.config = crypt.Config("X25519", "aes-128-gcm", **credentials)
        self.config.anchors = []

    def request(self, oap):
        message = crypt.Message(oap)
        if self.meets and message.exchange:
            client = crypt.Client(crypt.Config("X25519", "aes-128-gcm"), None)
            self.requests[client.request.id] = oap, client
            return client.request.whole
        stripped = self._less(message)
        self.requests[message.id] = oap, crypt.Message(stripped)
        return stripped

    def _less(self, message, request_hash=b""):
        if "strip" in self.how:
            return crypt.HEADER.pack(message.id, message.stamp, 0, 0, 0, 0, 0, 0) + request_hash
        if "extension" in self.how:
            flags = len(message.exchange)
            return crypt.HEADER.pack(message.id, message.stamp, message.cipher, message.kdf, message.digest,
                                     len(message.certificate), flags, 0) + \
                message.certificate + message.exchange + request_hash + message.signature
        return message.whole

    def reply(self, oap):
        known = self.requests.get(oap[:16])
        if known is None or not oap:
            return oap
        original, ours = known
        if self.meets:
            return crypt.Server(self.config).answer(original)[0]
        if not any(word in self.how for word in ("strip", "extension")):
            return oap
        answer = crypt.Message(oap, ours)
        return self._less(answer, crypt._hash_message(crypt.Message(original).digest if "extension" in self.how else 0,
                                                      original))


class Wire:
    def __init__(self, left, right, path):
        self.path = path
        self.sockets = [self._open(name) for name in (left, right)]
        self.later = []                         # (when, socket, frame)
        self.ends = set()                       # (socket, addresses, endpoint) that data went to
        self.tokens = set()
        self.told = True
        signal.signal(signal.SIGHUP, self._tell)

    def _tell(self, *_):
        self.told = True

    def _listen(self):
        self.told = False
        with open(self.path, encoding="utf-8") as file:
            self.how = file.read().split()
        self.handshakes = Handshakes(self.how)
        self.n = dict.fromkeys(("frames", "handshakes", "altered", "added"), 0)
        self.record = next((open(word.partition("=")[2], "wb") for word in self.how if word.startswith("record=")),
                           None)
        print("on the wire: " + " ".join(self.how), flush=True)

    @staticmethod
    def _open(name):
        s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s.bind((name, 0))
        s.setsockopt(263, 1, (socket.if_nametoindex(name)).to_bytes(4, "little") + b"\1\0\0\0" + bytes(8))  # promiscuous
        return s

    def run(self):
        said = time.monotonic()
        while True:
            if self.told:
                self._listen()
            for ready in select.select(self.sockets, [], [], 0.05)[0]:
                frame, address = ready.recvfrom(65536)
                if address[2] != socket.PACKET_OUTGOING:
                    self._pass(self.sockets.index(ready), frame)
            now = time.monotonic()
            while self.later and self.later[0][0] <= now:
                _, side, frame = self.later.pop(0)
                self._add(side, frame)
            if now - said > 1:
                said = now
                self._invent()
                print(" ".join(f"{key} {value}" for key, value in self.n.items()), flush=True)

    def _add(self, side, frame):
        self.n["added"] += 1
        self.sockets[side].send(frame)

    def _pass(self, source, frame):
        self.n["frames"] += 1
        if self.record:
            self.record.write(frame)
            self.record.flush()
        other = 1 - source
        if len(frame) >= DIX and frame[12:14] == wire.ETHERTYPE.to_bytes(2, "big"):
            eid, size = int.from_bytes(frame[14:16], "big"), int.from_bytes(frame[16:18], "big")
            data = frame[DIX:DIX + size]
            if eid == 0:
                frame = self._management(frame, data)
            elif data:
                return self._data(other, frame, eid, data)
        self.sockets[other].send(frame)

    def _management(self, frame, data):
        message = wire.parse_management(data)
        at = 39 + (wire.HASH_BYTES if message["code"] == wire.FLOW_REQUEST else 0)
        if message["code"] not in (wire.FLOW_REQUEST, wire.FLOW_REPLY) or len(data) <= at:
            return frame
        oap = data[at:]
        for start in range(len(oap) - 8):
            if oap[start - 4:start] in (b"\0\x08\0\x08", b"\0\x88\0\x08"):
                self.tokens.add(oap[start:start + 8])
        try:
            changed = (self.handshakes.request if message["code"] == wire.FLOW_REQUEST else self.handshakes.reply)(oap)
        except crypt.Refused as refused:
            print(f"a handshake that it does not understand: {refused}", flush=True)
            return frame
        self.n["handshakes"] += 1
        self.n["altered"] += changed != oap
        payload = data[:at] + changed
        return frame[:16] + len(payload).to_bytes(2, "big") + payload

    def _data(self, other, frame, eid, data):
        self.ends.add((other, frame[:12], eid))
        if "flip" in self.how and random.random() < 0.1:
            at = DIX + random.randrange(len(data))
            frame = frame[:at] + bytes([frame[at] ^ 1 << random.randrange(8)]) + frame[at + 1:]
            self.n["altered"] += 1
        self.sockets[other].send(frame)
        if "replay" in self.how:
            self._add(other, frame)
            self._add(other, frame)
            self.later.append((time.monotonic() + 1, other, frame))
        if "reflect" in self.how:
            for side, addresses, end in list(self.ends):
                if side != other:
                    self._add(side, addresses + frame[12:14] + end.to_bytes(2, "big") + frame[16:])

    def _invent(self):
        for side, addresses, eid in list(self.ends):
            head = addresses + wire.ETHERTYPE.to_bytes(2, "big")
            if "inject" in self.how:
                for _ in range(100):
                    content = os.urandom(random.randrange(1, 200))
                    self._add(side, head + eid.to_bytes(2, "big") + len(content).to_bytes(2, "big") + content)
            if "close" in self.how:
                for peer in {end for other, _, end in self.ends if other != side} | {0}:
                    for token in self.tokens | {os.urandom(8)}:
                        content = wire.pack_management(CLOSE, seid=peer, deid=eid) + token
                        self._add(side, head + b"\0\0" + len(content).to_bytes(2, "big") + content)


if len(sys.argv) != 5 or sys.argv[1] != "run":
    sys.exit(__doc__)
Wire(*sys.argv[2:]).run()
