# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bytes that reference-peer.py puts on the wire and takes off it: frames and the messages of a unicast layer. OAP
is in reference_crypt.py.

Written from the description of the format alone, and sharing nothing with the services: an error here is not an error
there. What does not parse raises Malformed.
"""

import hashlib
import struct


class Malformed(Exception):
    """Bytes that the format does not allow."""


# -- protobuf, proto2 as far as it is needed --

REQUIRED, OPTIONAL, REPEATED = range(3)

# name: (number, type, label); a type is "u" or "i" with bits, "bytes", or another message
CONTACT = {"id": (1, "bytes", REQUIRED), "addr": (2, "u64", REQUIRED)}
STORE = {"key": (1, "bytes", REQUIRED), "val": (2, "bytes", REQUIRED), "exp": (3, "u32", REQUIRED)}
FIND = {"cookie": (1, "u64", REQUIRED), "key": (2, "bytes", REQUIRED)}
NODE = {"cookie": (1, "u64", REQUIRED), "key": (2, "bytes", REQUIRED), "contacts": (3, CONTACT, REPEATED)}
VALUE = {"values": (1, "bytes", REPEATED)}
DHT = {
    "code": (1, "u32", REQUIRED), "src": (2, CONTACT, REQUIRED), "store": (3, STORE, OPTIONAL),
    "find": (4, FIND, OPTIONAL), "node": (5, NODE, OPTIONAL), "val": (6, VALUE, OPTIONAL),
}

CEP = {
    "comp_name": (1, "bytes", REQUIRED), "protocol": (2, "bytes", REQUIRED), "pref_version": (3, "i32", REQUIRED),
    "pref_syntax": (5, "i32", REQUIRED), "address": (8, "u64", REQUIRED),
}

LINK_STATE = {
    "pol": (1, "u32", REQUIRED), "t_recalc": (2, "u32", REQUIRED), "t_update": (3, "u32", REQUIRED),
    "t_timeo": (4, "u32", REQUIRED),
}
ROUTING = {"pol": (1, "u32", REQUIRED), "ls": (2, LINK_STATE, OPTIONAL)}
TRANSFER = {
    "addr_size": (1, "u32", REQUIRED), "eid_size": (2, "u32", REQUIRED), "max_ttl": (3, "u32", REQUIRED),
    "routing": (4, ROUTING, REQUIRED),
}
DIRECTORY_DHT = {
    "alpha": (1, "u32", REQUIRED), "k": (2, "u32", REQUIRED), "t_expire": (3, "u32", REQUIRED),
    "t_refresh": (4, "u32", REQUIRED), "t_replicate": (5, "u32", REQUIRED), "peer": (6, "u64", REQUIRED),
}
DIRECTORY = {"pol": (1, "u32", REQUIRED), "dht": (2, DIRECTORY_DHT, OPTIONAL)}
UNICAST = {
    "dt": (1, TRANSFER, REQUIRED), "dir": (2, DIRECTORY, REQUIRED), "addr_auth_type": (3, "u32", REQUIRED),
    "cong_avoid": (4, "u32", REQUIRED),
}
LAYER = {"name": (1, "bytes", REQUIRED), "dir_hash_algo": (2, "u32", REQUIRED)}
CONFIG = {"layer_info": (1, LAYER, REQUIRED), "ipcp_type": (2, "u32", REQUIRED), "unicast": (3, UNICAST, OPTIONAL)}
ENROLL_REQUEST = {"id": (1, "bytes", REQUIRED)}
ENROLL_RESPONSE = {
    "id": (1, "bytes", REQUIRED), "t_sec": (2, "i64", REQUIRED), "t_nsec": (3, "i32", REQUIRED),
    "response": (4, "i32", REQUIRED), "conf": (5, CONFIG, OPTIONAL),
}
ENROLL_ACK = {"id": (1, "bytes", REQUIRED), "result": (2, "i32", REQUIRED)}


def _varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_varint(data, at):
    number = 0
    for i in range(10):
        if at + i >= len(data):
            raise Malformed("a number is cut off")
        number |= (data[at + i] & 0x7F) << (7 * i)
        if data[at + i] < 0x80:
            return number & (1 << 64) - 1, at + i + 1
    raise Malformed("a number has no end")


def pack(schema, message):
    """A message from a dictionary; None and absent mean that an optional field is not there."""
    out = b""
    for name, (number, kind, label) in sorted(schema.items(), key=lambda item: item[1][0]):
        values = message.get(name)
        for value in values or () if label == REPEATED else () if values is None else (values,):
            if isinstance(kind, dict):
                value = pack(kind, value)
            out += _varint(number << 3 | 2) + _varint(len(value)) + value if isinstance(value, bytes) else \
                _varint(number << 3) + _varint(value)
    return out


def _skip(wire, data, at):
    if wire in (1, 5):
        at += 8 if wire == 1 else 4
        if at > len(data):
            raise Malformed("a field is cut off")
        return None, at
    raise Malformed(f"wire type {wire}")


def _read_field(data, at):
    key, at = _read_varint(data, at)
    if key & 7 == 0:
        value, at = _read_varint(data, at)
    elif key & 7 == 2:
        size, at = _read_varint(data, at)
        value, at = data[at:at + size], at + size
        if at > len(data):
            raise Malformed("a field is cut off")
    else:
        value, at = _skip(key & 7, data, at)
    return key >> 3, value, at


def _convert(kind, value):
    if isinstance(kind, str) and kind != "bytes":
        if not isinstance(value, int):
            raise Malformed("no number where there should be one")
        bits = int(kind[1:])
        value &= (1 << bits) - 1
        return value - (1 << bits) if kind[0] == "i" and value >> bits - 1 else value
    if not isinstance(value, bytes):
        raise Malformed("a number where there should be none")
    return parse(kind, value) if isinstance(kind, dict) else value


def parse(schema, data):
    """The opposite. Unknown fields are skipped, the last of several counts, required ones must be there."""
    known = {number: (name, kind, label) for name, (number, kind, label) in schema.items()}
    found = {name: [] for name, (_, _, label) in schema.items() if label == REPEATED}
    at = 0
    while at < len(data):
        number, value, at = _read_field(data, at)
        if number not in known:
            continue
        name, kind, label = known[number]
        value = _convert(kind, value)
        if label == REPEATED:
            found[name].append(value)
        else:
            found[name] = value
    missing = [name for name, (_, _, label) in schema.items() if label == REQUIRED and name not in found]
    if missing:
        raise Malformed("missing: " + ", ".join(missing))
    return found


# -- fixed layouts --

def name_hash(name):
    return hashlib.sha3_256(name.encode()).digest()


HASH_BYTES = 32
RAW_QOS = {"delay": 0xFFFFFFFF, "bandwidth": 0, "availability": 0, "loss": 1, "ber": 1, "in_order": 0,
           "max_gap": 0xFFFFFFFF, "timeout": 120000}
NO_QOS = dict.fromkeys(RAW_QOS, 0)

# Management messages of the Ethernet layer.
ETHERTYPE = 0xA000
BROADCAST = b"\xff" * 6
FLOW_REQUEST, FLOW_REPLY, NAME_QUERY, NAME_REPLY = range(4)
_MANAGEMENT = struct.Struct(">HHIQIIIIiBBB")


def pack_management(code, seid=0, deid=0, response=0, qos=NO_QOS):
    return _MANAGEMENT.pack(seid, deid, qos["loss"], qos["bandwidth"], qos["ber"], qos["max_gap"], qos["delay"],
                            qos["timeout"], response, qos["in_order"], code, qos["availability"])


def parse_management(data):
    """A dictionary, with what follows the fixed part as "rest"."""
    if len(data) < _MANAGEMENT.size:
        raise Malformed(f"a management message of {len(data)} bytes")
    names = ("seid", "deid", "loss", "bandwidth", "ber", "max_gap", "delay", "timeout", "response", "in_order",
             "code", "availability")
    return dict(zip(names, _MANAGEMENT.unpack_from(data)), rest=data[_MANAGEMENT.size:])


# Messages of the unicast layer's flow allocator.
FLOW_UPDATE = 2
_ALLOCATOR = struct.Struct(">QQQQiIIIIIHBBB")
ALLOCATOR_BYTES_MAX = 2048


def pack_allocator(code, s_addr=0, r_eid=0, s_eid=0, response=0, ece=0, qos=NO_QOS):
    return _ALLOCATOR.pack(s_addr, r_eid, s_eid, qos["bandwidth"], response, qos["delay"], qos["loss"], qos["ber"],
                           qos["max_gap"], qos["timeout"], ece, code, qos["availability"], qos["in_order"])


def parse_allocator(data):
    if not _ALLOCATOR.size <= len(data) <= ALLOCATOR_BYTES_MAX:
        raise Malformed(f"a flow allocator's message of {len(data)} bytes")
    names = ("s_addr", "r_eid", "s_eid", "bandwidth", "response", "delay", "loss", "ber", "max_gap", "timeout", "ece",
             "code", "availability", "in_order")
    return dict(zip(names, _ALLOCATOR.unpack_from(data)), rest=data[_ALLOCATOR.size:])


# The header of a packet: little-endian, as on the machines that the prototype runs on.
PCI = struct.Struct("<IBBBQ")
LSA = struct.Struct(">QQQ")
