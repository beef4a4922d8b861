"""Papers for TLS in tests: an authority that signs a server on loopback and its clients."""

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass(frozen=True)
class Paper:
    """A certificate and its key as files."""

    cert_file: Path
    key_file: Path


class Authority:
    """Signs certificates into a folder; `ca_file` is what others trust."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        self.ca_file = folder / "ca.pem"
        certificate = (
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def server(self, *names: str) -> Paper:
        """A server's paper, for these names and loopback."""
        alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in ("localhost", *names)]
        alternatives.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        return self._issue("server", ExtendedKeyUsageOID.SERVER_AUTH, x509.SubjectAlternativeName(alternatives))

    def client(self, name: str) -> Paper:
        """A client's paper; `name` is what servers take it for."""
        return self._issue(name, ExtendedKeyUsageOID.CLIENT_AUTH)

    def _issue(self, name: str, usage: x509.ObjectIdentifier, *more: x509.ExtensionType) -> Paper:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(_named(name), key).add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        for extension in more:
            builder = builder.add_extension(extension, critical=False)
        paper = Paper(self._folder / f"{name}.pem", self._folder / f"{name}-key.pem")
        certificate = builder.sign(self._key, hashes.SHA256())
        paper.cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        paper.key_file.touch(mode=0o600)
        paper.key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return paper

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=2))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
