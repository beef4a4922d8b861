"""A vhost as the bootstrap leaves it: topology, policies, and the restricted users with passwords of their own."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import pytest

from deploy.local.broker import Broker
from deploy.local.folders import REPOSITORY
from shared.topology.access import USERS, User


@dataclass(frozen=True)
class Vhost:
    """A vhost with restricted users."""

    broker: Broker
    name: str
    passwords: dict[str, str]

    def url(self, user: User) -> str:
        """The vhost's address as one of its users."""
        parts = urlsplit(self.broker.url)
        login = f"{user.name}:{self.passwords[user.name]}"
        return f"amqp://{login}@{parts.hostname}:{parts.port}/{quote(self.name, safe='')}"

    def manage(self, method: str, path: str) -> object:
        """Call the management API as an administrator; `{vhost}` in the path is this one."""
        return self.broker.manage(method, self._path(path))

    def post(self, path: str, value: object) -> object:
        """The same with a JSON body, which the stack itself never needs."""
        return self._send("POST", path, value).json()

    def put(self, path: str, value: object) -> None:
        """Put a JSON body."""
        self._send("PUT", path, value)

    def _send(self, method: str, path: str, value: object) -> httpx.Response:
        parts = urlsplit(self.broker.url)
        answer = httpx.request(
            method,
            f"{self.broker.management_url}/api{self._path(path)}",
            json=value,
            auth=(parts.username or "", parts.password or ""),
            trust_env=False,
        )
        assert answer.is_success, answer.text
        return answer

    def _path(self, path: str) -> str:
        return path.format(vhost=quote(self.name, safe=""))


def bootstrap(amqp_url: str, management_url: str, passwords: Path) -> subprocess.CompletedProcess[str]:
    """Run `python -m shared.topology` as a deployment's job does."""
    return subprocess.run(
        [sys.executable, "-m", "shared.topology"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        env={
            "PATH": os.environ["PATH"],
            "CARILLON_AMQP_URL": amqp_url,
            "CARILLON_MANAGEMENT_URL": management_url,
            "CARILLON_BROKER_PASSWORDS_DIR": str(passwords),
        },
    )


@pytest.fixture
def vhost(own_broker: Broker, empty_amqp_url: str, tmp_path: Path) -> Iterator[Vhost]:
    """A vhost after the bootstrap; its users go with it, and may be no system's: their names are the product's."""
    broker = own_broker
    assert broker.management_url is not None
    folder = tmp_path / "passwords"
    folder.mkdir()
    passwords = {user.name: secrets.token_urlsafe(12) for user in USERS}
    for name, password in passwords.items():
        (folder / name).write_text(f"{password}\n")
    result = bootstrap(empty_amqp_url, broker.management_url, folder)
    assert result.returncode == 0, result.stderr
    yield Vhost(broker, urlsplit(empty_amqp_url).path.removeprefix("/"), passwords)
    for user in USERS:
        broker.manage("DELETE", f"/users/{user.name}")
