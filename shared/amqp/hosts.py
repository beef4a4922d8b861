"""The broker's URL, which may name several hosts: `amqp://user:password@h1,h2:5673,[fd00::3]/vhost?heartbeat=30`.

User and password are written once, before the first host. No message about a URL repeats a part of it that may be
secret: in a URL that cannot be parsed it is unknown where the password ends.
"""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import quote, unquote

from yarl import URL

PORTS = {"amqp": 5672, "amqps": 5671}
"""The port of a host that is written without one."""
EXAMPLE = "amqp://user:password@host1,host2:5673/vhost"
LARGEST_PORT = 65535

_NO_HOST_NAME = re.compile(r"[\s\[\]<>\"'{}|\\^%`]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Host(NamedTuple):
    """A host by name or address, without brackets, and its port."""

    name: str
    port: int

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


@dataclass(frozen=True)
class BrokerUrl:
    """What `parse` read; as text it is without password and query."""

    scheme: str
    hosts: tuple[Host, ...]
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    vhost: str = "/"
    query: str = field(default="", repr=False)

    def at(self, host: Host) -> URL:
        """For a client that takes one host."""
        login = "" if self.user is None else quote(self.user, safe="")
        login += "" if self.password is None else f":{quote(self.password, safe='')}"
        query = f"?{self.query}" if self.query else ""
        return URL(f"{self.scheme}://{login}{'@' if login else ''}{host}/{quote(self.vhost, safe='')}{query}")

    def __str__(self) -> str:
        login = "" if self.user is None else f"{quote(self.user, safe='')}@"
        hosts = ",".join(str(host) for host in self.hosts)
        return f"{self.scheme}://{login}{hosts}/{'' if self.vhost == '/' else quote(self.vhost, safe='')}"


def parse(text: str) -> BrokerUrl:
    """Read a URL; raises `ValueError` with what is wrong in a sentence, and nothing of the URL itself."""
    scheme, login, hosts, path, query = _parts(text)
    user, colon, password = login.partition(":")
    return BrokerUrl(
        scheme=scheme,
        hosts=tuple(dict.fromkeys(_host(host, at, scheme) for at, host in enumerate(hosts.split(","), start=1))),
        user=_decoded(user, "the user") if user or colon else None,
        password=_decoded(password, "the password") if colon else None,
        vhost=_decoded(path, "the vhost") or "/",
        query=query,
    )


def _parts(text: str) -> tuple[str, str, str, str, str]:
    """Scheme, login, hosts, path and query as they were written."""
    scheme, found, rest = text.partition("://")
    scheme = scheme.lower()
    if not found or scheme not in PORTS:
        raise ValueError(f"it does not begin with amqp:// or amqps://; it reads like {EXAMPLE}")
    if _CONTROL.search(rest):
        raise ValueError("it holds a line break or another control character")
    if "#" in rest:
        raise ValueError("it holds a #: in a password or a vhost write %23 for it")
    end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    authority, behind = rest[:end], rest[end:]
    if "@" in behind:
        raise ValueError(
            "it holds an @ behind the first / or ?: in a password write %2F for / and %3F for ?, elsewhere %40 for @; "
            f"several hosts are one URL, {EXAMPLE}"
        )
    if authority.count("@") > 1:
        raise ValueError(
            "it holds more than one @: in a password write %40 for it; user and password are written once, before the "
            f"first host, {EXAMPLE}"
        )
    login, _, hosts = authority.rpartition("@")
    path, _, query = behind.partition("?")
    return scheme, login, hosts, path.removeprefix("/"), query


def _host(text: str, at: int, scheme: str) -> Host:
    """Read the host at that place, counted from 1."""
    what = f"host {at}"
    if text.startswith("["):
        name, closed, port = text[1:].partition("]")
        try:
            ipaddress.IPv6Address(name)
        except ValueError:
            closed = ""
        if not closed or port[:1] not in {"", ":"}:
            raise ValueError(f"{what} is no IPv6 address in brackets, such as [fd00::3]:5672")
        port = port.removeprefix(":") if port else str(PORTS[scheme])
    else:
        name, colon, port = text.partition(":")
        port = port if colon else str(PORTS[scheme])
    if not name:
        raise ValueError(f"{what} is empty; it reads like {EXAMPLE}")
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= LARGEST_PORT and len(port) <= len("65535")):
        raise ValueError(
            f"{what} has no port from 1 to {LARGEST_PORT} behind its colon; an IPv6 address stands in brackets"
        )
    if not text.startswith("[") and not _is_name(name):
        raise ValueError(f"{what} is no name of a host")
    return Host(name, int(port))


def _is_name(name: str) -> bool:
    if _NO_HOST_NAME.search(name):
        return False
    try:
        return URL(f"amqp://{name}:1/").host is not None
    except ValueError:
        return False


def _decoded(text: str, what: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError(f"{what} holds percent-encoded bytes that are not UTF-8") from None
