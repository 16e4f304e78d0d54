# SPDX-License-Identifier: LGPL-2.1-or-later
"""Key exchange, signatures and packet protection as a host of Ouroboros 0.23.0 does them, over OpenSSL.

Written from the description of the format alone; the services under test use other libraries. What the prototype would refuse
raises Refused, with the error that it sends.
"""

import hashlib
import hmac
import math
import os
import struct
import time

from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dh, ec, ed25519, ed448, padding, rsa, x448, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

CIPHERS = {     # name: (id, rank, bytes of key); counter mode is left out: there is nobody to speak it with
    "aes-128-gcm": (895, 4, 16), "aes-192-gcm": (898, 5, 24), "aes-256-gcm": (901, 6, 32),
    "chacha20-poly1305": (1018, 7, 32),
}
DIGESTS = {     # name: (id, rank as kdf)
    "blake2s256": (1057, 1), "sha256": (672, 2), "sha3-256": (1097, 3), "sha384": (673, 4), "sha3-384": (1098, 5),
    "blake2b512": (1056, 6), "sha512": (674, 7), "sha3-512": (1099, 8),
}
EXCHANGES = ["ffdhe2048", "prime256v1", "X25519", "ffdhe3072", "secp384r1", "ffdhe4096", "X448", "secp521r1"]
_CIPHER_OF = {number: name for name, (number, _, _) in CIPHERS.items()}
_DIGEST_OF = {number: name for name, (number, _) in DIGESTS.items()}
_CURVES = {"prime256v1": ec.SECP256R1, "secp384r1": ec.SECP384R1, "secp521r1": ec.SECP521R1}
_HASHLIB = {"blake2s256": "blake2s", "blake2b512": "blake2b", "sha3-256": "sha3_256", "sha3-384": "sha3_384",
            "sha3-512": "sha3_512"}
_FFDHE = {"ffdhe2048": (2048, 560316), "ffdhe3072": (3072, 2625351), "ffdhe4096": (4096, 5736041)}
HEADER = struct.Struct(">16sQHHHHHH")
ERROR_CRYPTO, ERROR_AUTHENTICATION = -1008, -1009


class Refused(Exception):
    def __init__(self, error, text):
        super().__init__(text)
        self.error = error


class Config:
    """One side's enc.conf and certificate; without exchange it is as if there were no file."""

    def __init__(self, exchange=None, cipher="aes-256-gcm", kdf="sha256", digest="sha256", certificate=None, key=None,
                 anchors=()):
        self.exchange, self.cipher, self.kdf = exchange, cipher, kdf
        self.digest = digest if exchange else None
        self.certificate = x509.load_pem_x509_certificate(_read(certificate)) if certificate else None
        self.key = serialization.load_pem_private_key(_read(key), None) if key else None
        self.anchors = [x509.load_pem_x509_certificate(_read(path)) for path in anchors]


def _read(path):
    with open(path, "rb") as file:
        return file.read()


# -- digests --

def digest_of(name, data):
    return hashlib.new(_HASHLIB.get(name, name), data).digest()


def _digest_bytes(number):
    return len(digest_of(_DIGEST_OF[number], b"")) if number else 48


def _hash_message(number, data):
    """As the request hash: SHA-384 where no digest is said."""
    return digest_of(_DIGEST_OF[number] if number else "sha384", data)


def hkdf(name, ikm, salt, info, size=32):
    def mac(key, data):
        return hmac.new(key, data, _HASHLIB.get(name, name)).digest()
    prk, block, out, i = mac(salt, ikm), b"", b"", 1
    while len(out) < size:
        block = mac(prk, block + info + bytes([i]))
        out, i = out + block, i + 1
    return out[:size]


# -- key exchange --

def _ffdhe_prime(bits, offset):
    """RFC 7919: 2^b - 2^(b-64) + (floor(2^(b-130) e) + X) 2^64 - 1."""
    one = 1 << (bits + 64)
    term, e, i = one, 0, 1
    while term:
        e, term, i = e + term, term // i, i + 1
    return (1 << bits) - (1 << (bits - 64)) + (((e << (bits - 130)) // one + offset) << 64) - 1


def _private_key(exchange):
    if exchange == "X25519":
        return x25519.X25519PrivateKey.generate()
    if exchange == "X448":
        return x448.X448PrivateKey.generate()
    if exchange in _CURVES:
        return ec.generate_private_key(_CURVES[exchange]())
    return dh.DHParameterNumbers(_ffdhe_prime(*_FFDHE[exchange]), 2).parameters().generate_private_key()


def _exchange_of(public):
    if isinstance(public, x25519.X25519PublicKey):
        return "X25519"
    if isinstance(public, x448.X448PublicKey):
        return "X448"
    if isinstance(public, ec.EllipticCurvePublicKey):
        return next(name for name, curve in _CURVES.items() if curve.name == public.curve.name)
    return f"ffdhe{public.key_size}"


def _secret(private, public):
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return private.exchange(ec.ECDH(), public)
    secret = private.exchange(public)
    return secret.lstrip(b"\0") if isinstance(private, dh.DHPrivateKey) else secret


def _spki(key):
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _flow_key(kdf, private, own, peer):
    public = serialization.load_der_public_key(peer)
    salt = hashlib.sha256(min(own, peer) + max(own, peer)).digest()
    return hkdf(kdf, _secret(private, public), salt, b"o7s-ossl-dhe")


# -- signatures --

def _algorithm(number):
    return {"sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512, "sha3-256": hashes.SHA3_256,
            "sha3-384": hashes.SHA3_384, "sha3-512": hashes.SHA3_512}[_DIGEST_OF[number] if number else "sha256"]()


def _sign(config, number, data):
    key = config.key
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), _algorithm(number))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(_algorithm(number)))
    if number:
        raise Refused(ERROR_AUTHENTICATION, "EdDSA with a digest")
    return key.sign(data)


def _verify(public, number, signature, data):
    try:
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, data, padding.PKCS1v15(), _algorithm(number))
        elif isinstance(public, ec.EllipticCurvePublicKey):
            public.verify(signature, data, ec.ECDSA(_algorithm(number)))
        elif isinstance(public, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)) and not number:
            public.verify(signature, data)
        else:
            raise Refused(ERROR_AUTHENTICATION, "a signature that cannot be")
    except InvalidSignature:
        raise Refused(ERROR_AUTHENTICATION, "a wrong signature") from None


def _check_certificate(config, der):
    """By an anchor that signed it itself. Returns: the certificate."""
    certificate = x509.load_der_x509_certificate(der)
    for anchor in config.anchors:
        if anchor.subject == certificate.issuer:
            public = anchor.public_key()
            body, signature = certificate.tbs_certificate_bytes, certificate.signature
            if isinstance(public, rsa.RSAPublicKey):
                public.verify(signature, body, padding.PKCS1v15(), certificate.signature_hash_algorithm)
            elif isinstance(public, ec.EllipticCurvePublicKey):
                public.verify(signature, body, ec.ECDSA(certificate.signature_hash_algorithm))
            else:
                public.verify(signature, body)
            return certificate
    raise Refused(ERROR_AUTHENTICATION, "a certificate of nobody that is trusted")


def _common_name(certificate):
    """As the prototype has it: the first one, cut at a slash or a comma."""
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return names[0].value.split("/")[0].split(",")[0] if names else None


# -- messages --

class Message:
    """One that was read."""

    def __init__(self, data, response_to=None):
        if len(data) < HEADER.size:
            raise Refused(ERROR_AUTHENTICATION, f"an OAP message of {len(data)} bytes")
        (self.id, self.stamp, self.cipher, self.kdf, self.digest, n_certificate, flags, n_data) = HEADER.unpack_from(data)
        n_hash = _digest_bytes(response_to.digest) if response_to else 0
        if (self.cipher and self.cipher not in _CIPHER_OF) or any(
                number and number not in _DIGEST_OF for number in (self.kdf, self.digest)):
            raise Refused(ERROR_AUTHENTICATION, "an unknown algorithm")
        if flags & 0xC000:
            raise Refused(ERROR_CRYPTO, "an encapsulation")
        parts, at = [], HEADER.size
        for size in (n_certificate, flags & 0x3FFF, n_data, n_hash):
            parts.append(data[at:at + size])
            at += size
        if at > len(data) or (not n_certificate and at != len(data)):
            raise Refused(ERROR_AUTHENTICATION, "lengths that do not fit")
        self.certificate, self.exchange, self.data, self.hash = parts
        self.signed, self.signature, self.whole = data[:at], data[at:], data


def _message(config, oap_id, stamp, cipher, kdf, digest, exchange, request_hash=b"", data=b""):
    certificate = config.certificate.public_bytes(serialization.Encoding.DER) if config.certificate else b""
    signed = HEADER.pack(oap_id, stamp, cipher, kdf, digest, len(certificate), len(exchange), len(data))
    signed += certificate + exchange + data + request_hash
    return signed + (_sign(config, digest, signed) if certificate else b"")


class Client:
    """One request, and the answer to it."""

    def __init__(self, config, name):
        self.config, self.name = config, name
        self.private = _private_key(config.exchange) if config.exchange else None
        self.own = _spki(self.private.public_key()) if self.private else b""
        numbers = (0, 0, 0)
        if config.exchange:
            numbers = CIPHERS[config.cipher][0], DIGESTS[config.kdf][0], DIGESTS[config.digest][0] if config.digest else 0
        self.request = Message(_message(config, os.urandom(16), time.time_ns(), *numbers, self.own))

    def finish(self, data):
        """The flow's seal, or None where it is plain. Sets .peer to the name that was proven."""
        answer = Message(data, self.request)
        self.peer = None
        if answer.id != self.request.id:
            raise Refused(ERROR_AUTHENTICATION, "an answer to something else")
        if answer.certificate:
            certificate = _check_certificate(self.config, answer.certificate)
            _verify(certificate.public_key(), answer.digest, answer.signature, answer.signed)
            self.peer = _common_name(certificate)
        if answer.hash != _hash_message(self.request.digest, self.request.whole):
            raise Refused(ERROR_AUTHENTICATION, "a wrong request hash")
        if answer.certificate and self.peer != self.name:
            raise Refused(ERROR_AUTHENTICATION, f"the certificate of {self.peer}")
        if not self.private:
            return None
        if not answer.cipher or CIPHERS[_CIPHER_OF[answer.cipher]][1] < CIPHERS[self.config.cipher][1]:
            raise Refused(ERROR_CRYPTO, "a weaker cipher")
        if answer.kdf and DIGESTS[_DIGEST_OF[answer.kdf]][1] < DIGESTS[self.config.kdf][1]:
            raise Refused(ERROR_CRYPTO, "a weaker key derivation")
        kdf = _DIGEST_OF[answer.kdf] if answer.kdf else "sha256"
        return Seal(_CIPHER_OF[answer.cipher], _flow_key(kdf, self.private, self.own, answer.exchange))


class Server:
    """What a server knows of requests."""

    def __init__(self, config):
        self.config = config
        self.seen = {}

    def answer(self, data):
        """Bytes of the response, and the flow's seal or None. Raises Refused."""
        request = Message(data)
        age_ms = (time.time_ns() - request.stamp) / 1e6
        if not -100 <= age_ms <= 20000:
            raise Refused(ERROR_AUTHENTICATION, f"a request {age_ms:.0f} ms old")
        self.seen = {key: when for key, when in self.seen.items() if time.time() - when < 20}
        if (request.stamp, request.id) in self.seen:
            raise Refused(ERROR_AUTHENTICATION, "a request for the second time")
        self.seen[request.stamp, request.id] = time.time()
        self.peer = None
        if request.certificate:
            certificate = _check_certificate(self.config, request.certificate)
            _verify(certificate.public_key(), request.digest, request.signature, request.signed)
            self.peer = _common_name(certificate)
        own, cipher, kdf, seal = self._agree(request)
        digest = DIGESTS[self.config.digest][0] if self.config.digest else 0
        request_hash = _hash_message(request.digest, request.whole)
        return _message(self.config, request.id, time.time_ns(), cipher, kdf, digest, own, request_hash), seal

    def _agree(self, request):
        config = self.config
        if not request.exchange:
            if config.exchange:
                raise Refused(ERROR_CRYPTO, "no key exchange")
            return b"", 0, 0, None
        public = serialization.load_der_public_key(request.exchange)
        exchange = _exchange_of(public)
        if config.exchange and EXCHANGES.index(exchange) < EXCHANGES.index(config.exchange):
            raise Refused(ERROR_CRYPTO, "a weaker key exchange")
        ciphers = [_CIPHER_OF[request.cipher]] * bool(request.cipher) + [config.cipher] * bool(config.exchange)
        kdfs = [_DIGEST_OF[request.kdf]] * bool(request.kdf) + [config.kdf] * bool(config.exchange)
        if not ciphers:
            raise Refused(ERROR_CRYPTO, "no cipher")
        cipher = max(ciphers, key=lambda name: CIPHERS[name][1])
        kdf = max(kdfs, key=lambda name: DIGESTS[name][1], default=None)
        private = _private_key(exchange)
        own = _spki(private.public_key())
        key = _flow_key(kdf or "sha256", private, own, request.exchange)
        return own, CIPHERS[cipher][0], DIGESTS[kdf][0] if kdf else 0, Seal(cipher, key)


# -- packets --

class Seal:
    """Packets of one flow, with the counting of keys that the prototype does, which any loss upsets."""

    PERIOD = int(os.environ.get("REFERENCE_KEY_PERIOD", 1 << 20))

    def __init__(self, cipher, key):
        self.cipher, self.size = cipher, CIPHERS[cipher][2]
        self.salt = hashlib.sha256(key).digest()
        self.key, self.previous = key, None
        self.count = self.age = self.phase = 0

    def _rotate(self):
        self.previous, self.key = self.key, hkdf("sha256", self.key, self.salt, b"o7s-key-rotation")
        self.age, self.phase = 0, self.phase ^ 1

    def _aead(self, key):
        return (ChaCha20Poly1305 if self.cipher == "chacha20-poly1305" else AESGCM)(key[:self.size])

    def protect(self, data):
        bit = self.count // self.PERIOD & 1
        nonce = bytearray(os.urandom(12))
        nonce[0] = nonce[0] & 0x7F | bit << 7
        packet = bytes(nonce) + self._aead(self.key).encrypt(bytes(nonce), data, None)
        self.count, self.age = self.count + 1, self.age + 1
        if self.count // self.PERIOD & 1 != bit:
            self._rotate()
        if self.age >= self.PERIOD // 2:
            self.previous = None
        return packet

    def open(self, packet):
        """The content, or None."""
        if len(packet) < 28:
            return None
        if packet[0] >> 7 != self.phase and self.age >= self.PERIOD - self.PERIOD // 4:
            self._rotate()
        self.count, self.age = self.count + 1, self.age + 1
        for key in filter(None, (self.key, self.previous)):
            try:
                return self._aead(key).decrypt(packet[:12], packet[12:], None)
            except InvalidTag:
                pass
        return None


def _known_answers():
    """Of the key derivation and of packets, against the description's."""
    private = [x25519.X25519PrivateKey.from_private_bytes(bytes(range(first, first + 32))) for first in (0x01, 0x40)]
    spki = [_spki(key.public_key()) for key in private]
    key = _flow_key("sha256", private[0], spki[0], spki[1])
    assert key.hex() == "a608008232134de9dd4288bb3a5a7129f74ea6a908fbfafe0966472a4ced9a14"
    assert _flow_key("sha3-512", private[1], spki[1], spki[0]).hex() == (
        "4c604756497c8b5de53e80ee3d9a6cf8b2e38f438210f5c639e43aa248054ad9")
    seal = Seal("chacha20-poly1305", key)
    assert seal.open(bytes.fromhex("1b916b23cbdaaad7eba83a3d3c69ca6f828bbc6cc224d520912d701f3d0e336f90")) == b"hello"
    seal._rotate()
    assert seal.key.hex() == "09509187efde2aefb92ebd90ef44ed4389e21daa55cfa3e255eb25a8de543ec2"
    assert math.log2(_ffdhe_prime(*_FFDHE["ffdhe2048"])) <= 2048


_known_answers()
