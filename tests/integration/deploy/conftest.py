"""A RabbitMQ node as production has it: TLS with client certificates, and Prometheus' plugin."""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

from deploy.local.broker import Broker
from deploy.local.folders import REPOSITORY
from deploy.local.guardian import Guardian
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.rabbitmq import PackagedNode, package_script
from tests.support.certificates import Authority, Paper


class ProductionNode(PackagedNode):
    """A packaged node with `deploy/rabbitmq/rabbitmq.conf`, and the additions that loopback leaves out."""

    def __init__(self, script: Path, folder: Path, guardian: Guardian, authority: Authority) -> None:
        super().__init__(script, folder, guardian, keep=False)
        self.tls_port, self.metrics_port = free_port(), free_port()
        server = authority.server()
        self._lines = (
            f"listeners.ssl.local = {LOOPBACK}:{self.tls_port}",
            f"ssl_options.cacertfile = {authority.ca_file}",
            f"ssl_options.certfile = {server.cert_file}",
            f"ssl_options.keyfile = {server.key_file}",
            "ssl_options.verify = verify_peer",
            "ssl_options.fail_if_no_peer_cert = true",
            f"prometheus.tcp.ip = {LOOPBACK}",
            f"prometheus.tcp.port = {self.metrics_port}",
            "disk_free_limit.absolute = 50MB",  # a test's disk may be small
        )

    def _write_configuration(self, password: str) -> None:
        super()._write_configuration(password)
        shutil.copy(REPOSITORY / "deploy/rabbitmq/rabbitmq.conf", self._folder / "conf.d" / "90-carillon.conf")
        (self._folder / "conf.d" / "production.conf").write_text("\n".join(self._lines) + "\n")
        (self._folder / "plugins").write_text("[rabbitmq_management,rabbitmq_prometheus].\n")


@dataclass(frozen=True)
class Production:
    """The running node, and the papers that it trusts."""

    broker: Broker
    tls_port: int
    metrics_url: str
    authority: Authority
    client: Paper

    def amqps_url(self, **query: object) -> str:
        """Its address over TLS, with the query that aio-pika reads files from."""
        login = self.broker.url.removeprefix("amqp://").partition("@")[0]
        return f"amqps://{login}@{LOOPBACK}:{self.tls_port}/{self.broker.vhost}?{urlencode(query)}"


@pytest.fixture(scope="session")
def production() -> Iterator[Production]:
    """Start the node once (6 s). Where there is only Docker or a foreign broker, skip."""
    script = package_script()
    if script is None:
        pytest.skip("no RabbitMQ package on this machine")
    with tempfile.TemporaryDirectory(prefix="carillon-tls-") as temporary, Guardian() as guardian:
        folder = Path(temporary)
        authority = Authority(folder / "papers", "Carillon tests")
        node = ProductionNode(script, folder / "node", guardian, authority)
        broker = node.start()
        try:
            yield Production(
                broker,
                node.tls_port,
                f"http://{LOOPBACK}:{node.metrics_port}",
                authority,
                authority.client("carillon-sender"),
            )
        finally:
            node.stop()
