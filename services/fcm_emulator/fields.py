"""What RFC 9113 (8.2, 8.3) asks of a request's fields; what breaks it is malformed (8.1.1) and never handled.

A `:scheme` is taken as it comes: firebase-admin for Node sends `https:`, and FCM answers it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Field = tuple[bytes, bytes]

_PSEUDO = frozenset({b":method", b":scheme", b":path", b":authority"})
_NEEDED = frozenset({b":method", b":scheme", b":path"})
# Visible ASCII without capitals and without the colon.
_IN_A_NAME = bytes(code for code in range(0x21, 0x7F) if not (0x41 <= code <= 0x5A or code == 0x3A))  # noqa: PLR2004
_NOT_IN_A_VALUE = b"\x00\n\r"
_IN_A_METHOD = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_OF_A_CONNECTION = frozenset({b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"})
# More than one of these, each with a value of its own, would leave open which one counts.
_SINGLE = frozenset({b"content-length", b"host"})


class HeadError(Exception):
    """Raised when a block is sound and its request is not; ends the stream, not the connection."""


def read_request(fields: Iterable[Field]) -> dict[bytes, bytes]:
    """Check a request's fields and return them by name, of repeated ones the last; HeadError when malformed."""
    found: dict[bytes, bytes] = {}
    regular = False
    for name, value in fields:
        if name[:1] != b":":
            regular = True
            _check(name, value)
            if name in _SINGLE and found.get(name, value) != value:
                raise HeadError(f"more than one {name.decode()}")
        elif regular or name in found or name not in _PSEUDO:
            raise HeadError(f"pseudo-header {name!r} late, repeated or unknown")
        found[name] = value
    _check_target(found)
    return found


def check_trailers(fields: Iterable[Field]) -> None:
    """Check what follows a body; HeadError when malformed."""
    for name, value in fields:
        _check(name, value)


def _check(name: bytes, value: bytes) -> None:
    """Check a field that is no pseudo-header."""
    if not name or name.translate(None, _IN_A_NAME):
        raise HeadError(f"no field name: {name!r}")
    if value.strip(b" \t") != value or len(value.translate(None, _NOT_IN_A_VALUE)) != len(value):
        raise HeadError(f"no field value for {name.decode()}: {value[:100]!r}")
    if name in _OF_A_CONNECTION or (name == b"te" and value != b"trailers"):
        raise HeadError(f"{name.decode()} is of HTTP/1.1")
    if name == b"content-length" and not value.isdigit():
        raise HeadError(f"no length: {value[:100]!r}")


def _check_target(found: dict[bytes, bytes]) -> None:
    """Check the pseudo-headers together."""
    method, authority = found.get(b":method", b""), found.get(b":authority")
    if not method or method.translate(None, _IN_A_METHOD):
        raise HeadError(f"no method: {method!r}")
    if method == b"CONNECT":
        if not authority or _PSEUDO & found.keys() != {b":method", b":authority"}:
            raise HeadError("CONNECT has an authority, no scheme and no path")
        return
    if missing := _NEEDED - found.keys():
        raise HeadError(f"no {b', '.join(sorted(missing)).decode()}")
    if found[b":path"][:1] != b"/" and (method, found[b":path"]) != (b"OPTIONS", b"*"):
        raise HeadError(f"no path: {found[b':path'][:100]!r}")
    host = found.get(b"host")
    if host is not None and authority is not None and _entity(host) != _entity(authority):
        raise HeadError("host and :authority differ")


def _entity(authority: bytes) -> bytes:
    return authority.lower().removesuffix(b":443")
