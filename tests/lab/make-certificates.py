#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""make-certificates.py DIR NAME...: certificates for tests, as another tool than ours makes them.

In DIR: ca.pem and ca.key, and as mallory/ca.pem another authority of the same name that nobody trusts. For each NAME
and each of rsa, p256, p384, ed25519, ed448: NAME.rsa.pem, NAME.rsa.key and so on, by the first authority, and
mallory/NAME.rsa.pem by the other; NAME.expired.pem and NAME.other.pem (in the name of another), with p256 keys.
"""

import datetime
import os
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, ed448, rsa

KEYS = {
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "ed448": ed448.Ed448PrivateKey.generate,
}
DAY = datetime.timedelta(days=1)


def named(name):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


def certify(subject, public, issuer, issuer_key, begin, end, extensions):
    builder = x509.CertificateBuilder().subject_name(named(subject)).issuer_name(named(issuer)).public_key(public)
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(end)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())


def write(path, certificate=None, key=None):
    if certificate:
        with open(path + ".pem", "wb") as file:
            file.write(certificate.public_bytes(serialization.Encoding.PEM))
    if key:
        with open(path + ".key", "wb") as file:
            file.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                         serialization.NoEncryption()))


class Authority:
    def __init__(self, directory):
        self.directory, self.key, self.now = directory, KEYS["p256"](), datetime.datetime.utcnow()
        os.makedirs(directory, exist_ok=True)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        write(f"{directory}/ca", certify("Test CA", self.key.public_key(), "Test CA", self.key, self.now - DAY,
                                         self.now + 30 * DAY,
                                         [(x509.BasicConstraints(True, None), True), (usage, True)]),
              self.key)

    def issue(self, name, kind, label, days=30):
        key = KEYS[kind]()
        names = [x509.UniformResourceIdentifier(f"o7s:name:{name}"), x509.DNSName(name)]
        usage = [x509.ExtendedKeyUsageOID.SERVER_AUTH, x509.ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = certify(name, key.public_key(), "Test CA", self.key, self.now - 2 * DAY, self.now + days * DAY,
                              [(x509.SubjectAlternativeName(names), False), (x509.ExtendedKeyUsage(usage), False),
                               (x509.BasicConstraints(False, None), True)])
        write(f"{self.directory}/{label}", certificate, key)


def main():
    directory, names = sys.argv[1], sys.argv[2:]
    good, bad = Authority(directory), Authority(directory + "/mallory")
    for name in names:
        for kind in KEYS:
            good.issue(name, kind, f"{name}.{kind}")
            bad.issue(name, kind, f"{name}.{kind}")
        good.issue(name, "p256", f"{name}.expired", -1)
        good.issue("other." + name, "p256", f"{name}.other")


main()
