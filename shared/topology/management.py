"""What AMQP cannot say: policies, users and permissions, put through RabbitMQ's management API.

Everything is a PUT of a whole value, so repeating it changes nothing.
"""

import base64
import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

from shared.errors import BrokerUnavailableError, ConfigurationError
from shared.topology.access import USERS, User
from shared.topology.differing import Difference, seen_different
from shared.topology.policies import POLICIES
from shared.topology.policy_conflicts import policy_conflicts
from shared.version import USER_AGENT

TIMEOUT = 10.0
"""Seconds for one call: the broker answers in milliseconds or is in trouble."""


class Management:
    """The management API, spoken to as an administrator. `ca_file`: what to trust when `url` is https."""

    def __init__(self, url: str, *, user: str, password: str, ca_file: Path | None = None) -> None:
        self._url = url.rstrip("/")
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {
            "Authorization": f"Basic {login}",
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
        }
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if ca_file is not None:
            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(ca_file))))
        self._opener = urllib.request.build_opener(*handlers)

    def differences(self, vhost: str) -> list[Difference]:
        """What is there and not as we declare it, and policies that change it. Raises `BrokerUnavailableError`."""
        exchanges, queues, policies, operator_policies = (
            self._get(f"/{kind}/{_path(vhost)}") for kind in ("exchanges", "queues", "policies", "operator-policies")
        )
        return [*seen_different(exchanges, queues), *policy_conflicts(policies, operator_policies)]

    def put_policies(self, vhost: str) -> int:
        """Put every policy; returns how many. Raises `BrokerUnavailableError`."""
        for policy in POLICIES:
            self._put(
                f"/policies/{_path(vhost)}/{_path(policy.name)}",
                {
                    "pattern": policy.pattern,
                    "definition": dict(policy.definition),
                    "priority": policy.priority,
                    "apply-to": policy.apply_to,
                },
            )
        return len(POLICIES)

    def put_user(self, user: User, password: str, vhost: str) -> None:
        """Create the user or change its password, and give it just its permissions. Raises `BrokerUnavailableError`."""
        self._put(f"/users/{_path(user.name)}", {"password": password, "tags": user.tags})
        self._put(
            f"/permissions/{_path(vhost)}/{_path(user.name)}",
            {"configure": user.configure, "write": user.write, "read": user.read},
        )

    def _put(self, path: str, value: dict[str, Any]) -> None:
        self._call("PUT", path, json.dumps(value).encode())

    def _get(self, path: str) -> Any:
        return json.loads(self._call("GET", path))

    def _call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(  # noqa: S310 - the scheme is the operator's setting
            f"{self._url}/api{path}", method=method, data=body, headers=self._headers
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT) as answer:
                said: bytes = answer.read()
        except OSError as error:
            raise BrokerUnavailableError(
                f"The management API at {self._url} did not take {method} {path}: {error}. Check "
                f"CARILLON_MANAGEMENT_URL, and that the user of CARILLON_AMQP_URL is an administrator."
            ) from error
        return said


def passwords(folder: Path) -> dict[User, str]:
    """The users whose password lies in `folder`, a file for each by its name; the others are left as they are.

    Raises `ConfigurationError` when a password is empty or when no user has one.
    """
    found = {}
    for user in USERS:
        file = folder / user.name
        if file.is_file():
            try:
                found[user] = file.read_text(encoding="utf-8-sig").strip()
            except (OSError, UnicodeDecodeError) as error:
                why = getattr(error, "strerror", None) or "it is no text in UTF-8"
                raise ConfigurationError(f"CARILLON_BROKER_PASSWORDS_DIR: {file} cannot be read: {why}.") from None
            if not found[user]:
                raise ConfigurationError(
                    f"CARILLON_BROKER_PASSWORDS_DIR: {file} is empty: it should hold the password of broker user "
                    f"{user.name}."
                )
    if not found:
        names = ", ".join(user.name for user in USERS)
        raise ConfigurationError(f"CARILLON_BROKER_PASSWORDS_DIR {folder} has no password file. Any of: {names}.")
    return found


def _path(part: str) -> str:
    return quote(part, safe="")
