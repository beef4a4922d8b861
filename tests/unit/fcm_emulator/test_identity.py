"""Papers: certificates and service accounts."""

import json
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from services.fcm_emulator.identity import make_certificate, write_service_account


def test_the_certificate_names_what_clients_connect_to(tmp_path: Path) -> None:
    """Loopback by name and address, and FCM's own name."""
    paths = make_certificate(tmp_path)
    server = x509.load_pem_x509_certificate(paths.cert_file.read_bytes())
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"localhost", "fcm.googleapis.com"} <= set(names.get_values_for_type(x509.DNSName))
    assert "127.0.0.1" in {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    server.verify_directly_issued_by(x509.load_pem_x509_certificate(paths.ca_file.read_bytes()))
    ssl.create_default_context(cafile=paths.ca_file)
    assert paths.key_file.stat().st_mode & 0o077 == 0


def test_a_second_start_keeps_the_certificate(tmp_path: Path) -> None:
    """Clients go on trusting what they trusted."""
    before = make_certificate(tmp_path).ca_file.read_bytes()
    assert make_certificate(tmp_path).ca_file.read_bytes() == before


def test_a_service_account_is_a_key_file_with_its_token_uri(tmp_path: Path) -> None:
    """All fields that google-auth wants, the key readable, the file private."""
    path = tmp_path / "credentials" / "demo.json"
    write_service_account(path, project="demo", token_uri="https://127.0.0.1:1/token")
    account = json.loads(path.read_text())
    assert account["type"] == "service_account"
    assert account["project_id"] == "demo"
    assert account["token_uri"] == "https://127.0.0.1:1/token"
    load_pem_private_key(account["private_key"].encode(), password=None)
    assert path.stat().st_mode & 0o077 == 0
