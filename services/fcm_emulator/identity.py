"""Papers for a pretended Google: a certificate authority with one server certificate, and service-account files."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("localhost", "fcm.googleapis.com", "oauth2.googleapis.com")
ADDRESSES = ("127.0.0.1", "::1")
_LIFE = dt.timedelta(days=365)
# A certificate with less life left than this is made anew: no stack runs that long.
_LEAST_LIFE = dt.timedelta(days=30)


class Certificate(NamedTuple):
    """Paths: what clients trust, and what the server shows."""

    ca_file: Path
    cert_file: Path
    key_file: Path


def make_certificate(folder: Path, *, name: str | None = None) -> Certificate:
    """Make a CA and a server certificate in a folder, or take those made there before.

    `name`: one more that clients reach it by, such as a container's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = Certificate(folder / "ca.pem", folder / "server.pem", folder / "server-key.pem")
    names = NAMES if name is None else (*NAMES, name)
    if _usable(paths, names):
        return paths
    # P-256 throughout: its handshakes cost a fraction of RSA's.
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"FCM emulator CA {uuid4().hex[:8]}")])
    ca = (
        _builder(ca_name, ca_name, ca_key.public_key(), ca_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAMES[0])])
    alternatives: list[x509.GeneralName] = [x509.DNSName(host) for host in names]
    alternatives += [x509.IPAddress(ipaddress.ip_address(address)) for address in ADDRESSES]
    server = (
        _builder(subject, ca_name, key.public_key(), ca_key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    paths.ca_file.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    paths.cert_file.write_bytes(server.public_bytes(serialization.Encoding.PEM))
    _write_secret(paths.key_file, _pem(key))
    return paths


def write_service_account(path: Path, *, project: str, token_uri: str) -> None:
    """Write a service-account file with a fresh RSA key, whose tokens are asked for at `token_uri`."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    email = f"carillon@{project}.iam.gserviceaccount.com"
    account = {
        "type": "service_account",
        "project_id": project,
        "private_key_id": uuid4().hex,
        "private_key": _pem(key).decode(),
        "client_email": email,
        "client_id": str(uuid4().int)[:21],
        "token_uri": token_uri,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_secret(path, json.dumps(account, indent=2).encode())


def _usable(paths: Certificate, names: tuple[str, ...]) -> bool:
    if not all(path.exists() for path in paths):
        return False
    server = x509.load_pem_x509_certificate(paths.cert_file.read_bytes())
    signed = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    lives = server.not_valid_after_utc - dt.datetime.now(dt.UTC) > _LEAST_LIFE
    return lives and set(names) <= set(signed.get_values_for_type(x509.DNSName))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, issuer_key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_secret(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_bytes(content)
