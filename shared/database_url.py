"""The ledger's URL, checked before anything connects: `postgresql://user:password@h1:5432,h2/database?sslmode=require`.

What asyncpg takes is taken: several hosts, `?target_session_attrs=`, a socket's folder as `?host=/run/postgresql` or as
an encoded host, no password, no host at all. What it would misread, or say with a part of the URL, is refused here.
Nothing that is said repeats a part of the URL: of one that cannot be read nobody knows where its password ends.
"""

import getpass
import os
import re
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

EXAMPLE = "postgresql://user:password@host1:5432,host2/database"
SCHEMES = ("postgresql", "postgres", "postgresql+asyncpg")
"""The name, what hosting companies call it, and what SQLAlchemy calls it with our driver."""
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
VERIFYING = ("verify-ca", "verify-full")
SESSIONS = ("any", "primary", "standby", "read-write", "read-only", "prefer-standby")
FILES = ("passfile", "sslcert", "sslkey", "sslrootcert", "sslcrl")
NOT_TAKEN = frozenset(
    {
        "channel_binding", "connect_timeout", "fallback_application_name", "gssdelegation", "gssencmode", "hostaddr",
        "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "load_balance_hosts", "pgbouncer",
        "pool_size", "pool_timeout", "replication", "require_auth", "requirepeer", "schema", "ssl", "sslcertmode",
        "sslcompression", "sslsni", "tcp_user_timeout",
    }
)  # fmt: skip
"""Parameters of other clients, which asyncpg would hand to the server, and the server would refuse."""
LARGEST_PORT = 65535

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NO_HOST_NAME = re.compile(r"[\s\[\]<>\"'{}|\\^%`@:/?#,]")
_ENCODE = (
    "in a password write %23 for #, %25 for %, %2F for /, %3A for :, %3F for ?, %40 for @, %5B for [ and %5D for ]"
)


def checked(text: str) -> str:
    """The URL as asyncpg takes it; raises `ValueError` with what is wrong in a sentence, and nothing of the URL."""
    scheme, found, rest = text.strip().partition("://")
    if not found or scheme.lower() not in SCHEMES:
        raise ValueError(f"it does not begin with postgresql://; it reads like {EXAMPLE}")
    if _CONTROL.search(rest):
        raise ValueError("it holds a line break or another control character")
    if "#" in rest:
        raise ValueError("it holds a #: in a password write %23 for it")
    end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    authority, (path, _, query) = rest[:end], rest[end:].partition("?")
    login, at, hosts = authority.rpartition("@")
    if "@" in login:
        raise ValueError(
            f"it holds more than one @: {_ENCODE}; user and password are written once, before the first host, {EXAMPLE}"
        )
    if "@" in path or ("@" in query and not at):
        raise ValueError(f"it holds an @ behind the first / or ?: {_ENCODE}; several hosts are one URL, {EXAMPLE}")
    named = _hosts(hosts, encoded=True) if hosts else 0
    parameters = _parameters(query)
    _check(parameters, named)
    _whole(rest)
    _user(unquote(login.partition(":")[0]) or parameters.get("user"))
    return f"postgresql://{rest}"


def host_name(name: str) -> None:
    """Raise `ValueError` for what no name or address can be."""
    if not name or _NO_HOST_NAME.search(name) or not _resolvable(name):
        raise ValueError("it is no name and no address of a host")


def _resolvable(name: str) -> bool:
    """Whether the resolver would take it: a label is 1 to 63 characters long."""
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return True


def _hosts(text: str, *, encoded: bool) -> int:
    """Check hosts, separated by commas, each with its port or without; returns how many they are."""
    specs = text.split(",")
    for number, spec in enumerate(specs, start=1):
        if spec.startswith("/") and not encoded:
            continue  # a socket's folder
        if spec.startswith("["):
            name, closed, port = spec[1:].partition("]")
            if not closed or port[:1] not in {"", ":"} or not re.fullmatch(r"[0-9A-Fa-f:.]+(%\w+)?", name):
                raise ValueError(f"host {number} is no IPv6 address in brackets, such as [fd00::3]:5432")
            colon, port = port[:1], port[1:]
        else:
            name, colon, port = spec.partition(":")
            name = unquote(name) if encoded else name
            if not name.startswith("/"):
                try:
                    host_name(name)
                except ValueError:
                    raise ValueError(
                        f"host {number} is empty or no name of a host; it reads like {EXAMPLE}, and {_ENCODE}"
                    ) from None
        if (colon or port) and not _is_port(port):
            raise ValueError(f"host {number} has no port from 1 to {LARGEST_PORT} behind its colon; {_ENCODE}")
    return len(specs)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len("65535") and 0 < int(text) <= LARGEST_PORT


def _parameters(query: str) -> dict[str, str]:
    """What follows the ?, of each name the last."""
    try:
        return dict(parse_qsl(query, strict_parsing=True)) if query else {}
    except ValueError:
        pass  # its text repeats what it could not read
    raise ValueError(f"what follows the ? is not name=value, with & between; {_ENCODE}")


def _check(parameters: Mapping[str, str], named: int) -> None:
    """Hold what follows the ? against what asyncpg understands."""
    for name in sorted(NOT_TAKEN & parameters.keys()):
        raise ValueError(f"its parameter {name} is another client's: leave it out; for TLS write sslmode=require")
    for name, known in (
        ("sslmode", SSL_MODES),
        ("target_session_attrs", SESSIONS),
        ("sslnegotiation", ("postgres", "direct")),
    ):
        if name in parameters and parameters[name] not in known:
            raise ValueError(f"its {name} is none of {', '.join(known)}")
    if not named and "host" in parameters:
        named = _hosts(parameters["host"], encoded=False)
    ports = parameters["port"].split(",") if "port" in parameters else []
    if not all(map(_is_port, ports)) or len(ports) not in {0, 1, max(1, named)}:
        raise ValueError(f"its port is no number from 1 to {LARGEST_PORT}, or one for each host, separated by commas")
    _check_files(parameters)


def _check_files(parameters: Mapping[str, str]) -> None:
    for name in FILES:
        if name in parameters:
            _open(name, Path(parameters[name]))
    if parameters.get("sslmode") in VERIFYING:
        root = parameters.get("sslrootcert") or os.environ.get("PGSSLROOTCERT") or _home() / ".postgresql" / "root.crt"
        _load("sslrootcert", lambda: ssl.create_default_context(cafile=str(root)), f"sslmode {parameters['sslmode']}")


def _open(name: str, path: Path) -> None:
    def read() -> None:
        with path.open("rb"):
            pass

    _load(name, read, "it")


def _load(name: str, read: Callable[[], object], who: str) -> None:
    """Raise `ValueError` if that file cannot be read; which it is stands in the URL, and not in what is said."""
    try:
        read()
    except (OSError, ValueError):
        pass
    else:
        return
    raise ValueError(f"{who} needs {name} to name a file that can be read and holds what it should")


def _home() -> Path:
    try:
        return Path.home()
    except (RuntimeError, KeyError):
        return Path("/")


def _whole(rest: str) -> None:
    """Let Python's own parser have its say, which asyncpg asks: its errors repeat what they are about."""
    try:
        urlsplit(f"postgresql://{rest}")
    except ValueError:
        pass
    else:
        return
    raise ValueError(f"it cannot be read; {_ENCODE}, and write letters beyond ASCII percent-encoded")


def _user(named: str | None) -> None:
    """Who connects when nobody is named: in a container the system may not know."""
    if named or os.environ.get("PGUSER"):
        return
    try:
        getpass.getuser()
    except (OSError, KeyError, ImportError):
        raise ValueError(f"it names no user, and the system has none to offer; it reads like {EXAMPLE}") from None
