"""An HTTP/2 push service over TLS in a thread: takes every POST, answers 200 after a polite GOAWAY.

For findings about clients: what the server took is counted here, what the client was told is the client's matter.
"""

import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections import Counter
from pathlib import Path

import h2.config
import h2.connection
import h2.events
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class PushServer:
    """Listens on 127.0.0.1:`port`; `certificate` is what a client must trust.

    The first connection says GOAWAY without an error once it has `goaway_after` requests, naming all of them as taken,
    then answers them all and leaves it to the client to close. Every other connection answers at once.
    """

    def __init__(self, folder: Path, *, goaway_after: int) -> None:
        self.taken: Counter[str] = Counter()
        self.headers: list[dict[str, str]] = []
        self.certificate = folder / "certificate.pem"
        self._goaway_after = goaway_after
        self._key = folder / "key.pem"
        self._make_certificate()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(self.certificate, self._key)
        self._tls.set_alpn_protocols(["h2"])
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _make_certificate(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "push.test")])
        now = dt.datetime.now(dt.UTC)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self._key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )

    def _serve(self) -> None:
        first = True
        while True:
            connection, _ = self._listener.accept()
            goaway_after, first = self._goaway_after if first else 0, False
            threading.Thread(target=self._answer, args=(connection, goaway_after), daemon=True).start()

    def _answer(self, raw: socket.socket, goaway_after: int) -> None:
        with contextlib.suppress(OSError):  # the client closed: what it was told is what the finding looks at
            self._talk(self._tls.wrap_socket(raw, server_side=True), goaway_after)

    def _talk(self, connection: ssl.SSLSocket, goaway_after: int) -> None:
        peer = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        peer.initiate_connection()
        connection.sendall(peer.data_to_send())
        headers: dict[int, dict[str, str]] = {}
        bodies: dict[int, bytes] = {}
        waiting: list[int] = []
        while data := connection.recv(65536):
            for event in peer.receive_data(data):
                match event:
                    case h2.events.RequestReceived():
                        headers[event.stream_id], bodies[event.stream_id] = dict(event.headers), b""
                    case h2.events.DataReceived():
                        bodies[event.stream_id] += event.data
                        peer.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    case h2.events.StreamEnded():
                        waiting.append(event.stream_id)
                        self.headers.append(headers[event.stream_id])
                        self.taken[headers[event.stream_id].get("apns-id") or bodies[event.stream_id].decode()] += 1
            connection.sendall(peer.data_to_send())
            if len(waiting) < goaway_after:
                continue
            if goaway_after:
                connection.sendall(_goaway(max(waiting)))
            for stream in waiting:
                answer = [(":status", "200"), ("content-type", "application/json")]
                answer += [("apns-id", headers[stream]["apns-id"])] if "apns-id" in headers[stream] else []
                peer.send_headers(stream, answer)
                peer.send_data(stream, b'{"name": "projects/demo/messages/1"}', end_stream=True)
            connection.sendall(peer.data_to_send())
            waiting.clear()
            goaway_after = 0


def _goaway(last_stream: int) -> bytes:
    """NO_ERROR, all streams up to the last one are taken: h2 itself would close its own side with it."""
    payload = last_stream.to_bytes(4) + (0).to_bytes(4)
    return len(payload).to_bytes(3) + b"\x07\x00" + (0).to_bytes(4) + payload
