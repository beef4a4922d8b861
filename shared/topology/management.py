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
from shared.topology.policies import POLICIES

TIMEOUT = 10.0
"""Seconds for one call: the broker answers in milliseconds or is in trouble."""


class Management:
    """The management API, spoken to as an administrator. `ca_file`: what to trust when `url` is https."""

    def __init__(self, url: str, *, user: str, password: str, ca_file: Path | None = None) -> None:
        self._url = url.rstrip("/")
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if ca_file is not None:
            handlers.append(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(ca_file))))
        self._opener = urllib.request.build_opener(*handlers)

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
        request = urllib.request.Request(  # noqa: S310 - the scheme is the operator's setting
            f"{self._url}/api{path}", method="PUT", data=json.dumps(value).encode(), headers=self._headers
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT):
                pass
        except OSError as error:
            raise BrokerUnavailableError(
                f"The management API at {self._url} did not take {path}: {error}. Check CARILLON_MANAGEMENT_URL, and "
                f"that the user of CARILLON_AMQP_URL is an administrator."
            ) from error


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
