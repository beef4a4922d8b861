"""Paged lists, the newest first, and their cursors: opaque to clients, so that what they hold may change."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Query
from sqlalchemy.engine import Row

from services.api.http.problems import INVALID, ProblemError
from shared.contracts.numbers import MAX_ID

PageLimit = Annotated[int, Query(ge=1, le=200)]
PageCursor = Annotated[str | None, Query(max_length=64, description="`next_cursor` of the page before")]


@dataclass(frozen=True, slots=True)
class Cursor:
    """The next page holds what is older than the id `before`."""

    before: int


def encode_cursor(cursor: Cursor) -> str:
    """The cursor as text for a URL."""
    return base64.urlsafe_b64encode(f"b{cursor.before}".encode()).decode().rstrip("=")


def decode_cursor(text: str) -> Cursor:
    """Read a cursor; one that was not given out is refused."""
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
        before = int(plain.removeprefix("b")) if plain.startswith("b") and plain[1:].isdecimal() else 0
    except (binascii.Error, ValueError):
        before = 0
    if not 1 <= before < 2**63:
        raise ProblemError(
            INVALID,
            "cursor: this is no cursor of this list. Give `next_cursor` of the page before, or none for the first.",
            errors=[{"parameter": "cursor", "detail": "not a cursor of this list", "code": "cursor"}],
        )
    return Cursor(before)


def page_before(cursor: str | None) -> int:
    """The id that everything on the page is below; the first page has no cursor."""
    return decode_cursor(cursor).before if cursor else MAX_ID


def next_cursor(rows: Sequence[Row[Any]], limit: int) -> str | None:
    """The cursor of the page behind `limit` rows; None when one more was asked for than that and did not come."""
    return encode_cursor(Cursor(rows[limit - 1].id)) if len(rows) > limit else None
