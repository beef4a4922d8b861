"""HPACK (RFC 7541): heads of requests in, and header blocks of answers out.

In: real senders repeat a block of a few bytes once their fields are in the table, so what a block came to is kept for
as long as the table stays as it is. Out: nothing goes into the peer's table, so a block is a constant.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from hpack import Decoder, HPACKDecodingError
from hpack.table import HeaderTable

from services.fcm_emulator.exchange import Head
from services.fcm_emulator.fields import HeadError, check_trailers, read_request

if TYPE_CHECKING:
    from services.fcm_emulator.exchange import Handler, Router
    from services.fcm_emulator.fields import Field

# Blocks that are kept for a connection: as many as the lengths of bodies that it sends.
_BLOCKS = 1024
_NAMES = {name: index for index, (name, _) in reversed(list(enumerate(HeaderTable.STATIC_TABLE, 1)))}
_STATUSES = {int(value): index for index, (name, value) in enumerate(HeaderTable.STATIC_TABLE, 1) if name == b":status"}

# A handler, the authorization header, the length of the body where it was told, and whether the answer has none.
Routed = tuple["Handler", str | None, int | None, bool]


class BlockError(Exception):
    """Raised when a block cannot be decoded; the connection's table is lost."""


class Heads:
    """The heads of one connection's requests."""

    def __init__(self, router: Router) -> None:
        self.known: dict[bytes, Routed] = {}
        self._router = router
        self._decoder = Decoder()

    def read(self, block: bytes) -> Routed:
        """Decode a block that is not known yet, and find who handles its request; HeadError when it is malformed."""
        routed = self._route(read_request(self._decode(block)))
        if not self._turned:
            if len(self.known) >= _BLOCKS:
                self.known.clear()
            self.known[block] = routed
        return routed

    def skip(self, block: bytes) -> None:
        """Follow a trailer block's changes of the table; HeadError when it is malformed."""
        check_trailers(self._decode(block))

    def _decode(self, block: bytes) -> list[Field]:
        table = self._decoder.header_table
        newest = table.dynamic_entries[0] if table.dynamic_entries else None
        before = table.maxsize, len(table.dynamic_entries)
        try:
            fields = [(bytes(field[0]), bytes(field[1])) for field in self._decoder.decode(block, raw=True)]
        except HPACKDecodingError as wrong:
            raise BlockError(f"{type(wrong).__name__}: {wrong}") from wrong
        # An entry is added in front or not at all: the same front, the same table.
        now = table.dynamic_entries[0] if table.dynamic_entries else None
        self._turned = now is not newest or before != (table.maxsize, len(table.dynamic_entries))
        if self._turned:
            self.known.clear()
        return fields

    def _route(self, fields: dict[bytes, bytes]) -> Routed:
        try:
            # CONNECT has no path, and nobody to handle it.
            path, _, query = fields.get(b":path", b"").decode().partition("?")
        except UnicodeDecodeError as wrong:
            raise HeadError(f"no path: {wrong}") from wrong
        authorization = fields.get(b"authorization")
        length = fields.get(b"content-length")
        bearer = None if authorization is None else authorization.decode("latin-1")
        head = Head(fields[b":method"].decode(), path, query, bearer)
        return self._router(head), bearer, None if length is None else int(length), head.method == "HEAD"


@lru_cache(maxsize=4096)
def answer_block(status: int, headers: tuple[tuple[str, str], ...]) -> bytes:
    """Encode an answer's header block, without a word for the peer's table."""
    index = _STATUSES.get(status)
    parts = [_indexed(index)] if index else [_literal(b":status", b"%d" % status)]
    parts += [_literal(name.encode(), value.encode()) for name, value in headers]
    return b"".join(parts)


def _indexed(index: int) -> bytes:
    return bytes((0x80 | index,))


def _literal(name: bytes, value: bytes) -> bytes:
    index = _NAMES.get(name)
    named = _integer(index, 4) if index else b"\x00" + _integer(len(name), 7) + name
    return named + _integer(len(value), 7) + value


def _integer(value: int, bits: int) -> bytes:
    """Encode a number by RFC 7541, 5.1, the bits before it zero."""
    most = (1 << bits) - 1
    if value < most:
        return bytes((value,))
    coded, value = bytearray((most,)), value - most
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        coded.append(0x80 | value & 0x7F)
        value >>= 7
    coded.append(value)
    return bytes(coded)
