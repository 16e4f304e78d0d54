# SPDX-License-Identifier: LGPL-2.1-or-later
"""The components of reference-peer.py as a member: routing and forwarding, the flow allocator, the directory.

All are called with the member's lock held.
"""

import collections
import os
import random
import time

import reference_crypt as crypt
import reference_wire as wire
from reference_layer import ALLOCATION_SECONDS, Failed

EID_ALLOCATOR, EID_DIRECTORY, EID_FLOWS = 0, 1, 64
TTL_MAX = 60
ADDRESS_BYTES = 4


class Routing:
    """Link states, and packets on their way."""

    def __init__(self, member):
        self.member = member
        self.management = []                    # flows
        self.neighbours = {}                    # address → data flows, the newest last
        self.links = {}                         # (source, destination) → [sequence, when]
        self.next_update = 0
        self.n_forwarded = self.n_ignored = self.n_doubled = self.n_no_way = 0

    def add_management(self, flow):
        self.management.append(flow)
        for (source, destination), (sequence, _) in self.links.items():
            flow.send(wire.LSA.pack(destination, source, sequence))

    def add_neighbour(self, flow):
        flows = self.neighbours.setdefault(flow.address, [])
        self.n_doubled += bool(flows)
        flows.append(flow)
        if (self.member.address, flow.address) not in self.links:
            self._add(self.member.address, flow.address, 0)

    def on_gone(self, flow):
        if flow in self.management:
            self.management.remove(flow)
        flows = self.neighbours.get(flow.address, [])
        if flow in flows:                       # whether or not it was the last one
            flows.remove(flow)
            self.links.pop((self.member.address, flow.address), None)

    def _add(self, source, destination, sequence, but=None):
        self.links[source, destination] = [sequence, time.monotonic()]
        for flow in self.management:
            if flow is not but:
                flow.send(wire.LSA.pack(destination, source, sequence))

    def expire(self, now):
        if now < self.next_update:
            return
        timers = self.member.config["unicast"]["dt"]["routing"]["ls"]
        self.next_update = now + timers["t_update"]
        for (source, destination), (sequence, when) in list(self.links.items()):
            if source == self.member.address:
                self._add(source, destination, sequence + 1)
            elif now - when > timers["t_timeo"]:
                del self.links[source, destination]

    def on_message(self, flow, data):
        if len(data) != wire.LSA.size:
            self.n_ignored += 1
            return
        destination, source, sequence = wire.LSA.unpack(data)
        if (source, destination) not in self.links or sequence > self.links[source, destination][0]:
            self._add(source, destination, sequence, flow)

    def next_hop(self, address):
        """The data flow that leads there over links that both ends tell of, or None."""
        first = {}                              # member → neighbour on the way
        seen, queue = {self.member.address}, collections.deque([self.member.address])
        while queue:
            at = queue.popleft()
            for source, destination in self.links:
                if source != at or destination in seen or (destination, source) not in self.links:
                    continue
                if at == self.member.address and not self.neighbours.get(destination):
                    continue
                seen.add(destination)
                first[destination] = first.get(at, destination)
                queue.append(destination)
        return self.neighbours[first[address]][-1] if address in first else None

    # -- packets --

    def send(self, address, eid, data=b""):
        flow = self.next_hop(address)
        if flow is None:
            return False
        flow.send(wire.PCI.pack(address, 0, TTL_MAX, 0, eid) + data)
        return True

    def on_packet(self, flow, data):
        if len(data) < wire.PCI.size:
            raise wire.Malformed(f"a packet of {len(data)} bytes")
        address, cube, ttl, ecn, eid = wire.PCI.unpack_from(data)
        ttl = (ttl - 1) & 0xFF
        data = data[wire.PCI.size:]
        if address == self.member.address:
            self._deliver(eid, ecn, data)
        elif ttl > 0:
            hop = self.next_hop(address)
            self.n_no_way += hop is None
            if hop is not None:
                hop.send(wire.PCI.pack(address, cube, ttl, ecn, eid) + data)
                self.n_forwarded += 1

    def _deliver(self, eid, ecn, data):
        if eid == EID_ALLOCATOR:
            self.member.allocator.on_message(data)
        elif eid == EID_DIRECTORY:
            self.member.directory.on_message(data)
        elif eid < EID_FLOWS:
            raise wire.Malformed(f"a packet for component {eid}")
        else:
            self.member.allocator.on_data(eid, ecn, data)

    def status(self):
        return {"management": len(self.management), "neighbours": {a: len(f) for a, f in self.neighbours.items() if f},
                "links": [[*link, sequence] for link, (sequence, _) in sorted(self.links.items())],
                "reachable": sorted({s for s, _ in self.links if self.next_hop(s)}), "forwarded": self.n_forwarded,
                "no way": self.n_no_way, "ignored": self.n_ignored, "doubled": self.n_doubled}


class End:
    """One end of a flow across the layer."""

    def __init__(self, routing, eid, address, timeout):
        self.routing = routing
        self.eid = eid
        self.address = address
        self.peer_eid = None
        self.timeout = timeout
        self.serves = False                     # sends back what comes
        self.request = None                     # crypt.Client, while we ask
        self.response = None
        self.failure = None
        self.seal = None                        # crypt.Seal where the flow is encrypted
        self.inbox = collections.deque()
        self.level = self.n_congested = 0
        self.sent = self.heard = time.monotonic()

    def send(self, data):
        self.sent = time.monotonic()
        if self.seal and data:
            data = self.seal.protect(data)
        self.routing.send(self.address, self.peer_eid, data)


class Allocator:
    """Component 0."""

    def __init__(self, member):
        self.member = member
        self.ends = {}
        self.served = {}                        # hash → name
        self.server = crypt.Server(member.security)
        self.n_requests = 0

    def _new(self, address, timeout):
        used = {eid & 0xFFFFFFFF for eid in self.ends}
        descriptor = next(i for i in range(EID_FLOWS, 4096) if i not in used)
        end = End(self.member.routing, random.getrandbits(32) << 32 | descriptor, address, timeout)
        self.ends[end.eid] = end
        return end

    def forget(self, end):
        self.ends.pop(end.eid, None)

    def allocate(self, address, key):
        end = self._new(address, wire.RAW_QOS["timeout"] / 1000)
        end.request = crypt.Client(self.member.security, None)
        head = wire.pack_allocator(wire.FLOW_REQUEST, s_addr=self.member.address, s_eid=end.eid, qos=wire.RAW_QOS)
        self.member.routing.send(address, EID_ALLOCATOR, head + key + end.request.request.whole)
        self.member.condition.wait_for(lambda: end.response is not None, ALLOCATION_SECONDS)
        if end.response is None or end.response["response"] != 0:
            self.forget(end)
            raise Failed("no answer" if end.response is None else f"refused: {end.response['response']}")
        if end.failure:
            self.forget(end)
            raise Failed(f"the answer is no good: {end.failure}")
        return end

    def on_message(self, data):
        message = wire.parse_allocator(data)
        if message["code"] > wire.FLOW_UPDATE:
            raise wire.Malformed(f"flow allocator's code {message['code']}")
        if message["code"] == wire.FLOW_REQUEST:
            self._on_request(message)
        elif message["code"] == wire.FLOW_REPLY:
            self._on_reply(message)

    def _on_request(self, message):
        key = message["rest"][:wire.HASH_BYTES]
        self.n_requests += 1
        if len(key) < wire.HASH_BYTES:
            raise wire.Malformed("a hash is cut off")
        if message["s_eid"] < EID_FLOWS or message["s_addr"] in (0, self.member.address):
            raise wire.Malformed(f"a request from endpoint {message['s_eid']} of {message['s_addr']}")
        try:
            answer, seal = self.server.answer(message["rest"][wire.HASH_BYTES:])
        except crypt.Refused as refused:
            raise wire.Malformed(f"a request that is refused: {refused}") from None
        if key not in self.served:
            return
        end = self._new(message["s_addr"], message["timeout"] / 1000)
        end.peer_eid, end.serves, end.seal = message["s_eid"], True, seal
        head = wire.pack_allocator(wire.FLOW_REPLY, r_eid=end.peer_eid, s_eid=end.eid)
        self.member.routing.send(end.address, EID_ALLOCATOR, head + answer)

    def _on_reply(self, message):
        end = self.ends.get(message["r_eid"])
        if end and not end.serves and end.response is None:
            end.response, end.peer_eid = message, message["s_eid"]
            if message["response"] == 0:
                try:
                    end.seal = end.request.finish(message["rest"])
                except crypt.Refused as refused:
                    end.failure = refused

    def on_data(self, eid, ecn, data):
        end = self.ends.get(eid)
        if end is None:
            return
        end.heard = time.monotonic()
        if not data:
            return
        self._note_congestion(end, ecn)
        if end.seal:
            data = end.seal.open(data)
            if data is None:
                raise wire.Malformed("a packet that cannot be opened")
        if end.serves:
            end.send(data)
        else:
            end.inbox.append(data)

    def _note_congestion(self, end, ecn):
        """Multi-bit ECN: tells the other end how much."""
        if ecn == 0 and end.level == 0:
            return
        if ecn == 0:
            end.level >>= 2
            tell = end.level == 0
        elif end.level == 0:
            end.level, end.n_congested, tell = ecn, 0, True
        else:
            end.level += ecn - (end.level >> 5)
            tell = end.n_congested % 8 == 1
            end.n_congested += 1
        if tell:
            update = wire.pack_allocator(wire.FLOW_UPDATE, r_eid=end.peer_eid, ece=end.level)
            self.member.routing.send(end.address, EID_ALLOCATOR, update)

    def expire(self, now):
        for end in list(self.ends.values()):
            if end.timeout and now - end.heard > end.timeout:
                self.forget(end)
            elif end.timeout and end.peer_eid is not None and now - end.sent > end.timeout / 4:
                end.send(b"")


class Request:
    """A value that is looked for."""

    def __init__(self):
        self.cookies = {}
        self.asked = set()
        self.values = []
        self.expires = 0


CODES = {0: ("store",), 1: ("find",), 2: ("node",), 3: ("find",), 4: ("node", "val")}
STORE, FIND_NODE, NODE_FOUND, FIND_VALUE, VALUE_FOUND = range(5)
LOOKUP_SECONDS = 2
VALUES_MAX = 8


class Directory:
    """Component 1."""

    def __init__(self, member):
        self.member = member
        self.id = os.urandom(wire.HASH_BYTES)
        self.magic = random.randrange(1, 1 << 64)
        self.contacts = {}                      # address → id; never forgotten
        self.owned = set()
        self.stored = {}                        # key → {value: expiry}
        self.requests = {}                      # key → Request
        self.next_bootstrap = 0
        self.n_unknown = 0

    def _parameters(self):
        return self.member.config["unicast"]["dir"]["dht"]

    def _send(self, address, code, **parts):
        source = {"id": self.id, "addr": self.member.address}
        return self.member.routing.send(address, EID_DIRECTORY, wire.pack(wire.DHT, dict(parts, code=code, src=source)))

    def _closest(self, key, n):
        target = int.from_bytes(key, "big")
        return sorted(self.contacts, key=lambda a: int.from_bytes(self.contacts[a], "big") ^ target)[:n]

    def expire(self, now):
        """Says hello to whoever enrolled us, as long as nobody is known."""
        peer = self._parameters()["peer"]
        if not self.contacts and peer not in (0, self.member.address) and now >= self.next_bootstrap:
            self.next_bootstrap = now + 1
            self._send(peer, FIND_NODE, find={"cookie": self.magic, "key": self.id})

    def publish(self, key):
        """Returns at how many members."""
        self.owned.add(key)
        store = {"key": key, "val": self.member.address.to_bytes(8, "big"),
                 "exp": int(time.time()) + self._parameters()["t_expire"]}
        return sum(self._send(a, STORE, store=store) for a in self._closest(key, self._parameters()["alpha"]))

    def _values(self, key):
        own = [self.member.address.to_bytes(8, "big")] if key in self.owned else []
        return (list(self.stored.get(key, {})) + own)[:VALUES_MAX]

    def _ask(self, request, key, addresses):
        request.expires = time.monotonic() + LOOKUP_SECONDS
        for address in addresses:
            request.asked.add(address)
            request.cookies[address] = random.randrange(1, 1 << 64)
            self._send(address, FIND_VALUE, find={"cookie": request.cookies[address], "key": key})

    def find(self, key):
        """The address of a member that registered a name."""
        own = self.member.address.to_bytes(8, "big")
        values = [value for value in self._values(key)[:2] if value != own]
        if not values:
            request = self.requests[key] = Request()
            self._ask(request, key, self._closest(key, self._parameters()["alpha"]))
            while not request.values and time.monotonic() < request.expires:
                self.member.condition.wait(request.expires - time.monotonic())
            values = [value for value in request.values[:2] if value != own]
            del self.requests[key]
        if not values:
            raise Failed("the name is not in the directory")
        return int.from_bytes(values[0], "big")

    # -- what arrives --

    def on_message(self, data):
        message = wire.parse(wire.DHT, data)
        code = message["code"]
        if code not in CODES:
            raise wire.Malformed(f"the directory's code {code}")
        if any(part not in message for part in CODES[code]):
            raise wire.Malformed(f"a message of code {code} without all its parts")
        self._add_contact(message["src"])
        if code == STORE:
            self._on_store(message["store"])
        elif code in (FIND_NODE, FIND_VALUE):
            self._on_find(code, message["src"]["addr"], message["find"])
        elif code == VALUE_FOUND:
            self._on_found(message["src"]["addr"], message["node"], message["val"]["values"])
        else:
            for contact in message["node"]["contacts"] if self._is_ours(message["node"]) else ():
                self._add_contact(contact)

    def _is_ours(self, node):
        return node["key"] == self.id and node["cookie"] == self.magic

    def _add_contact(self, contact):
        """Returns whether it was not known; we ourselves are."""
        address = contact["addr"]
        if len(contact["id"]) != wire.HASH_BYTES or not 0 < address < 1 << 8 * ADDRESS_BYTES:
            raise wire.Malformed(f"contact {contact}")
        if address == self.member.address:
            return False
        is_new = address not in self.contacts
        self.contacts[address] = contact["id"]
        return is_new

    def _on_store(self, store):
        if len(store["key"]) != wire.HASH_BYTES or len(store["val"]) != 8:
            raise wire.Malformed(f"a value to store: {store}")
        if store["exp"] >= time.time():
            values = self.stored.setdefault(store["key"], {})
            values[store["val"]] = max(store["exp"], values.get(store["val"], 0))

    def _on_find(self, code, address, find):
        if len(find["key"]) != wire.HASH_BYTES or find["cookie"] == 0:
            raise wire.Malformed(f"a question: {find}")
        contacts = [{"id": self.contacts[a], "addr": a} for a in self._closest(find["key"], self._parameters()["k"])]
        node = {"cookie": find["cookie"], "key": find["key"], "contacts": contacts}
        if code == FIND_NODE:
            self._send(address, NODE_FOUND, node=node)
        else:
            self._send(address, VALUE_FOUND, node=node, val={"values": self._values(find["key"])})

    def _on_found(self, address, node, values):
        request = self.requests.get(node["key"])
        if request is None or request.cookies.pop(address, 0) != node["cookie"]:
            self.n_unknown += 1
            return
        request.values += values
        is_new = [self._add_contact(contact) for contact in node["contacts"]]
        if not request.values and not any(is_new):      # those that are new are not asked, not now
            others = [a for a in self._closest(node["key"], len(self.contacts)) if a not in request.asked]
            self._ask(request, node["key"], others[:self._parameters()["alpha"]])
