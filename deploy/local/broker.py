"""A running RabbitMQ that the stack uses, wherever it comes from, and the calls to it."""

import base64
import json
import re
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from deploy.local.errors import LocalStackError
from deploy.local.ports import DIRECT, LOOPBACK
from deploy.local.process import ManagedProcess
from shared.amqp import hosts
from shared.values import base_url

USER = VHOST = "carillon"

_FOREIGN = "CARILLON_AMQP_URL"

_AMQP_HEADER = b"AMQP\x00\x00\x09\x01"


@dataclass(frozen=True)
class Broker:
    """Addresses of a running broker; `process` is None when it is somebody else's."""

    kind: str
    url: str
    """With user and password, without vhost: amqp://user:password@host:port."""
    vhost: str = VHOST
    management_url: str | None = None
    process: ManagedProcess | None = None
    stop: Callable[[], None] = lambda: None
    control: Callable[..., str] | None = None
    """`rabbitmqctl` with these arguments, and what it says; None where it cannot be reached."""

    @property
    def foreign(self) -> bool:
        """Whether it is not ours: nothing of it may be stopped, controlled or changed but our own vhosts."""
        return self.kind == _FOREIGN

    def amqp_url(self, vhost: str | None = None) -> str:
        """Address of a vhost, the stack's own when none is named."""
        return f"{self.url}/{urllib.parse.quote(vhost or self.vhost, safe='')}"

    def create_vhost(self, name: str) -> None:
        """Create an empty vhost, on which its creator has all rights (25 ms)."""
        self.manage("PUT", f"/vhosts/{urllib.parse.quote(name, safe='')}")

    def delete_vhost(self, name: str) -> None:
        """Delete a vhost with everything in it."""
        self.manage("DELETE", f"/vhosts/{urllib.parse.quote(name, safe='')}")

    def manage(self, method: str, path: str, body: object = None) -> Any:
        """Call the management API below `/api` and return its JSON, None where it sends none."""
        if self.management_url is None:
            raise LocalStackError(
                "This needs the management API of the broker in CARILLON_AMQP_URL: set "
                "CARILLON_RABBITMQ_MANAGEMENT_URL, such as http://localhost:15672."
            )
        parts = urllib.parse.urlsplit(self.url)
        login = f"{urllib.parse.unquote(parts.username or '')}:{urllib.parse.unquote(parts.password or '')}"
        request = urllib.request.Request(  # noqa: S310 - the scheme is ours
            f"{self.management_url}/api{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Basic {base64.b64encode(login.encode()).decode()}",
                "Content-Type": "application/json",
            },
        )
        with DIRECT.open(request, timeout=10) as answer:
            said = answer.read()
        return json.loads(said) if said else None

    def is_ready(self) -> bool:
        """Whether it speaks AMQP and its management answers; Docker opens ports before there is a broker."""
        read = hosts.parse(self.url)
        return any(_speaks_amqp(host.name, host.port) for host in read.hosts) and self._management_answers()

    def _management_answers(self) -> bool:
        try:
            self.manage("GET", "/whoami")
        except OSError:
            return False
        return True


def own_broker(
    kind: str,
    *,
    amqp: int,
    management: int,
    password: str,
    process: ManagedProcess,
    stop: Callable[[], None],
    control: Callable[..., str],
) -> Broker:
    """Describe a broker that was started here on these ports."""
    return Broker(
        kind=kind,
        url=f"amqp://{USER}:{password}@{LOOPBACK}:{amqp}",
        management_url=f"http://{LOOPBACK}:{management}",
        process=process,
        stop=stop,
        control=control,
    )


def foreign_broker(amqp_url: str, management_url: str | None) -> Broker:
    """Describe a broker that somebody else runs, from its URL with its vhost."""
    try:
        read = hosts.parse(amqp_url)
    except ValueError as error:
        raise LocalStackError(f"CARILLON_AMQP_URL is wrong: {error}.") from None
    try:
        management = base_url(management_url).rstrip("/") if management_url else None
    except ValueError as error:
        raise LocalStackError(f"CARILLON_RABBITMQ_MANAGEMENT_URL is wrong: {error}.") from None
    return Broker(
        kind=_FOREIGN,
        url=f"{read.scheme}://{re.split('[/?]', amqp_url.partition('://')[2])[0]}",
        vhost=read.vhost,
        management_url=management,
    )


def password_of(folder: Path) -> str:
    """Return the folder's broker password, made on the first start and kept: the broker keeps it too."""
    secret = folder / "password"
    if not secret.exists():
        secret.touch(mode=0o600)
        secret.write_text(token_urlsafe(18))
    return secret.read_text()


def _speaks_amqp(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1.0) as probe:
            probe.sendall(_AMQP_HEADER)
            return bool(probe.recv(1))
    except OSError:
        return False
