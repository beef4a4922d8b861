"""Text of any encoding that is certain to UTF-8; the rest is refused by name, with what to do. Pure.

Certain is what begins with a byte order mark. CP949, which plain CSV of a spreadsheet is in Korea, has none: most of
its lines look like UTF-8, so it is told line by line.
"""

import codecs
from collections.abc import AsyncGenerator, AsyncIterable

from services.api.http.problems import INVALID, Kind

BOM = codecs.BOM_UTF8
SHORTEST = 4
"""Bytes that tell an encoding; a body may be shorter."""
_SAVE = "save it as UTF-8 (in Excel: 'CSV UTF-8 (comma delimited)')"
_BEGINNINGS = (
    (codecs.BOM_UTF32_LE, f"This is UTF-32: {_SAVE}."),
    (codecs.BOM_UTF32_BE, f"This is UTF-32: {_SAVE}."),
    (b"\x1f\x8b", "This is packed with gzip, and nothing says so: send it with the header `Content-Encoding: gzip`."),
    (b"PK\x03\x04", f"This is a ZIP archive, as Excel's .xlsx and .numbers are, and no text: {_SAVE}."),
    (b"\xd0\xcf\x11\xe0", f"This is a workbook of an older Excel (.xls), and no text: {_SAVE}."),
    (b"PAR1", "This is Parquet: write it as CSV or NDJSON."),
)


class BodyError(Exception):
    """Raised when a body cannot be read on; says why, and what to do."""

    def __init__(self, said: str, kind: Kind = INVALID) -> None:
        super().__init__(said)
        self.said = said
        self.kind = kind


async def as_utf8(stream: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
    """The same text in UTF-8. Raises `BodyError` for what is none, at its beginning or where it ends to be."""
    head = b""
    decoder: codecs.IncrementalDecoder | None = None
    begun = False
    async for piece in stream:
        if begun:
            yield piece if decoder is None else _decoded(decoder, piece)
            continue
        head += piece
        if len(head) >= SHORTEST:
            begun, decoder = True, _decoder(head)
            yield head if decoder is None else _decoded(decoder, head)
    if not begun:
        decoder = _decoder(head)
        yield head if decoder is None else _decoded(decoder, head)
    if decoder is not None:
        yield _decoded(decoder, b"", final=True)


def _decoder(head: bytes) -> codecs.IncrementalDecoder | None:
    """What reads a body that begins so; None for UTF-8."""
    for beginning, words in _BEGINNINGS:
        if head.startswith(beginning):
            raise BodyError(words)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return codecs.getincrementaldecoder("utf-16")()
    if b"\0" in head[:SHORTEST]:
        raise BodyError(f"This looks like UTF-16 without a byte order mark: {_SAVE}.")
    return None


def _decoded(decoder: codecs.IncrementalDecoder, piece: bytes, *, final: bool = False) -> bytes:
    try:
        return decoder.decode(piece, final).encode()
    except UnicodeDecodeError as error:
        raise BodyError(f"The body began as UTF-16 and does not go on so ({error.reason}): {_SAVE}.") from None


def is_cp949(line: bytes) -> bool:
    """Whether a line is no UTF-8, and Korean in CP949 for certain."""
    try:
        line.decode()
    except UnicodeDecodeError:
        letters = [letter for letter in line.decode("cp949", errors="replace") if not letter.isascii()]
        return all("가" <= letter <= "힣" for letter in letters)
    return False


def not_utf8(line: bytes) -> str:
    """What a line is that is not UTF-8, and what to do."""
    if is_cp949(line):
        return f"not UTF-8 but CP949, as a spreadsheet's plain CSV is in Korea: {_SAVE}"
    return f"not UTF-8: {_SAVE}"
