"""A body that comes packed with gzip: unpacked as it comes, in flat memory, and no further than an honest one goes."""

import zlib
from collections.abc import AsyncGenerator, AsyncIterable

from fastapi import Request

from services.api.http.content_type import is_packed
from services.api.http.encoding import BodyError
from services.api.http.problems import TOO_LARGE

PIECE = 65_536
"""Bytes unpacked at once, for which other requests wait."""
FREE = 16 * 1_048_576
"""Bytes that any body may unpack to, whatever they are."""
RATIO = 200
"""Times its size that a longer body may unpack to. Devices come to 5 to 30; a bomb goes to 1,032."""
_BOMB = (
    f"The body unpacks to more than {RATIO} times its size, which lines of devices or users never do. Send it unpacked."
)
GZIP = 16 + zlib.MAX_WBITS
"""zlib's word for a gzip member with its header and checksum."""


def lines_of(request: Request) -> AsyncIterable[bytes]:
    """A streamed body without its Content-Encoding."""
    return unpacked(request.stream()) if is_packed(request) else request.stream()


async def unpacked(stream: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
    """The bytes inside, members behind each other as one. Raises `BodyError` for what is no gzip, or a bomb."""
    member = zlib.decompressobj(GZIP)
    taken = given = 0
    try:
        async for piece in stream:
            taken += len(piece)
            left = piece
            out = b""
            # What a full piece leaves behind may be inside of zlib, with nothing left to give it.
            while left or len(out) == PIECE:
                if left and member.eof:
                    member = zlib.decompressobj(GZIP)
                out = member.decompress(left, PIECE)
                given += len(out)
                if given > FREE and given > RATIO * taken:
                    raise BodyError(_BOMB, TOO_LARGE)
                yield out
                left = member.unused_data if member.eof else member.unconsumed_tail
    except zlib.error as error:
        raise BodyError(f"The body is not the gzip that its Content-Encoding names ({error}).") from None
    if taken and not member.eof:
        raise BodyError("The gzip body ends before its end: it was cut short. Send it again, whole.")
